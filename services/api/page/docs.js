// The reference: the OpenAPI document as a page, searched as one types, with a request beside each operation that runs here.

import { h } from "./format.js";

const main = document.getElementById("main");
const api = await (await fetch("/openapi.json")).json();
const named = (ref) => ref.split("/").at(-1);
/** As much of an answer as is shown. */
const MAX_SHOWN = 20_000;

/** A schema in a line, its references as links. */
function shape(schema) {
  if (!schema) return ["nothing"];
  if (schema.$ref) return [h("a", { href: `#${named(schema.$ref)}` }, named(schema.$ref))];
  if (schema.type === "array") return ["list of ", ...shape(schema.items)];
  if (schema.oneOf || schema.anyOf) return (schema.oneOf ?? schema.anyOf).flatMap((one, at) => [...(at ? [" or "] : []), ...shape(one)]);
  if (schema.allOf) return schema.allOf.flatMap((one, at) => [...(at ? [" with "] : []), ...shape(one)]);
  if (schema.enum) return [schema.enum.map((one) => `"${one}"`).join(" or ")];
  return [[schema.type].flat().join(" or ") || "anything"];
}

const rowsIn = (label, ...rows) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, h("table", { class: "words" }, h("tbody", {}, ...rows)));

function fields(name, schema) {
  const own = [schema, ...(schema.allOf ?? [])];
  const rows = own.flatMap((part) => Object.entries(part.properties ?? {}).map(([field, of]) =>
    h("tr", {}, h("td", { class: "mono" }, field, part.required?.includes(field) ? "" : h("span", { class: "dim" }, " ?")), h("td", {}, ...shape(of)), h("td", { class: "says" }, of.description ?? ""))));
  const parents = own.filter((part) => part.$ref).flatMap((part) => ["As ", ...shape(part), ", and: "]);
  return h("div", {}, parents.length ? h("p", { class: "says" }, ...parents) : null, rows.length ? rowsIn(`Fields of ${name}`, ...rows) : h("p", { class: "says" }, ...shape({ ...schema, $ref: undefined })));
}

/** Values that mean something here: of the newest trade, and of the first platform. */
async function examples() {
  const read = async (path) => (await fetch(path)).json().catch(() => ({}));
  const [{ items: [trade] = [] }, { items: [platform] = [] }] = await Promise.all([read("/v1/trades?limit=1"), read("/v1/platforms?limit=1")]);
  const side = trade && (trade.sold.quote ? trade.bought : trade.sold);
  return {
    chain: trade?.chain, address: trade?.trader.address, trader: trade?.trader.address, asset: side?.asset, search: side?.symbol ?? side?.asset,
    tradeId: trade?.tradeId, hash: trade?.transaction.hash, platform: platform?.platform, limit: "5",
  };
}

/** A form that sends the request, with what was sent and what was answered. */
function attempt(path, parameters, values) {
  const isNeeded = (one) => one.required || one.in === "path";
  const inputs = parameters.filter((one) => one.in !== "header").map((one) => {
    const value = isNeeded(one) || one.name === "limit" ? values[one.name] : undefined;
    return h("label", {}, h("span", {}, one.name, isNeeded(one) ? "" : " (optional)"),
      h("input", { name: one.name, "data-in": one.in, value, required: isNeeded(one), placeholder: isNeeded(one) ? "" : values[one.name] ?? "", autocomplete: "off", autocapitalize: "off", spellcheck: "false" }));
  });
  const sent = h("p", { class: "mono sent" });
  const answer = h("pre", { tabindex: "0", role: "region", "aria-label": `Answer of ${path}`, hidden: true });
  const url = () => {
    const query = new URLSearchParams();
    let filled = path;
    for (const { name, value, dataset } of form.querySelectorAll("input")) {
      if (dataset.in === "path") filled = filled.replace(`{${name}}`, encodeURIComponent(value.trim()));
      else if (value.trim()) query.set(name, value.trim());
    }
    return `${location.origin}${filled}${query.size ? `?${query}` : ""}`;
  };
  const describe = () => (sent.textContent = `curl '${url().replaceAll("'", "%27")}'`);
  const form = h("form", { class: "filters", "aria-label": `Try ${path}`, oninput: describe, onsubmit: async (event) => {
    event.preventDefault();
    describe();
    answer.hidden = false;
    answer.textContent = "…";
    const begun = performance.now();
    try {
      const response = await fetch(url());
      const text = await response.text();
      const kind = response.headers.get("content-type") ?? "";
      const shown = /json/.test(kind) ? JSON.stringify(JSON.parse(text), null, 2) : text;
      const asOf = response.headers.get("chaintape-as-of");
      answer.textContent = `${response.status} ${response.statusText}, ${Math.round(performance.now() - begun)} ms${asOf ? `, as of ${asOf}` : ""}\n\n${shown.slice(0, MAX_SHOWN)}${shown.length > MAX_SHOWN ? "\n…" : ""}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  } }, ...inputs, h("button", { class: "tool", type: "submit" }, "Send"));
  describe();
  return h("details", { class: "attempt" }, h("summary", {}, "Try it"), form, sent, answer);
}

/** Messages of the stream that are shown before it is closed again. */
const MAX_MESSAGES = 12;

/** A subscription that runs: what is sent can be edited, what arrives is shown as it comes. */
function attemptStream({ chain, address, asset }) {
  const filters = { trades: { chain }, "user.metrics": { address }, "user.portfolio": { address }, chains: {}, prices: { chain, asset }, candles: { chain, asset, interval: "1m" } };
  const request = (channel) => JSON.stringify({ op: "subscribe", channel, filter: filters[channel], ...(channel === "trades" || channel === "candles" ? { limit: 2 } : {}) });
  const text = h("textarea", { rows: "2", spellcheck: "false", class: "mono" }, request("trades"));
  const presets = Object.keys(filters).map((channel) => h("button", { class: "tool", type: "button", onclick: () => (text.value = request(channel)) }, channel));
  const answer = h("pre", { tabindex: "0", role: "region", "aria-label": "Messages of the stream", hidden: true });
  let socket;
  const form = h("form", { class: "subscribe", "aria-label": "Try the stream", onsubmit: (event) => {
    event.preventDefault();
    socket?.close();
    answer.hidden = false;
    answer.textContent = "";
    const mine = new WebSocket(`${location.origin.replace("http", "ws")}/v1/stream`);
    socket = mine;
    let count = 0;
    const tell = (line) => (answer.textContent += `${line.slice(0, MAX_SHOWN / MAX_MESSAGES)}\n\n`);
    mine.onmessage = ({ data }) => {
      if (mine !== socket) return;
      tell(JSON.stringify(JSON.parse(data), null, 1));
      count += 1;
      if (count === 1) mine.send(text.value);
      if (count === MAX_MESSAGES) mine.close();
    };
    mine.onclose = () => mine === socket && tell("— closed —");
  } }, h("div", { class: "tools" }, ...presets), h("label", {}, h("span", { class: "hidden" }, "Message"), text), h("button", { class: "tool", type: "submit" }, "Send"));
  return h("details", { class: "attempt" }, h("summary", {}, "Try it"), form, answer);
}

function operation(path, { operationId, summary, description, parameters = [], responses }, values) {
  const rows = parameters.map((one) => h("tr", {}, h("td", { class: "mono" }, one.name), h("td", { class: "dim" }, one.in), h("td", {}, ...shape(one.schema)), h("td", { class: "says" }, one.description ?? "")));
  const answers = Object.entries(responses).map(([status, one]) => {
    const content = Object.values(one.content ?? {})[0];
    return h("tr", {}, h("td", { class: "mono" }, status), h("td", {}, ...(content ? shape(content.schema) : [])), h("td", { class: "says" }, one.description));
  });
  return h("section", { class: "panel", id: operationId },
    h("header", {}, h("h3", { class: "mono" }, `GET ${path}`), h("div", { class: "tools" }, h("a", { class: "tool", href: `#${operationId}` }, "Link"))),
    h("p", { class: "says" }, summary ?? description ?? ""),
    path === "/v1/stream" ? attemptStream(values) : attempt(path, parameters, values),
    rows.length ? rowsIn(`Parameters of ${path}`, ...rows) : null,
    rowsIn(`Responses of ${path}`, ...answers));
}

/** Leaves only what contains every word that was typed, and says how much that is. */
function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const section of main.querySelectorAll("section.panel")) {
    const mine = section.textContent.toLowerCase();
    section.hidden = !words.every((word) => mine.includes(word));
    if (!section.hidden) found += 1;
  }
  for (const chapter of main.querySelectorAll("h2.chapter")) {
    let next = chapter.nextElementSibling;
    let isEmpty = true;
    for (; next && !next.matches("h2.chapter"); next = next.nextElementSibling) isEmpty &&= next.hidden;
    chapter.hidden = isEmpty;
  }
  count.textContent = words.length ? `${found} found` : "";
}

const values = await examples();
const count = h("span", { class: "dim", role: "status" });
const field = h("input", { type: "search", name: "search", placeholder: "candles, volume, cursor …", autocomplete: "off", oninput: () => search(field.value) });
const operations = Object.entries(api.paths).map(([path, { get }]) => ({ path, get, tag: get.tags?.[0] ?? "" }));
main.append(h("h1", {}, `${api.info.title} API`), h("p", { class: "says" }, api.info.description));
main.append(h("p", { class: "says" }, "The messages of the stream and of the topics on Kafka: ", h("a", { href: "/asyncapi.json" }, "AsyncAPI"), "."));
main.append(h("form", { class: "filters search", role: "search", onsubmit: (event) => event.preventDefault() }, h("label", {}, h("span", {}, "Search the reference"), field), count));
for (const { name, description } of api.tags) {
  main.append(h("h2", { class: "chapter" }, description ?? name), ...operations.filter(({ tag }) => tag === name).map(({ path, get }) => operation(path, get, values)));
}
main.append(h("h2", { class: "chapter" }, "Shapes"), ...Object.entries(api.components.schemas).map(([name, schema]) =>
  h("section", { class: "panel", id: name }, h("header", {}, h("h3", { class: "mono" }, name)), schema.description ? h("p", { class: "says" }, schema.description) : null, fields(name, schema))));
// What the address names was not there yet when the page was loaded.
if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
