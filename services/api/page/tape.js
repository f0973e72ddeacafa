// The tape: trades as rows in the order in which they arrive; a reverted trade is struck through for a moment, then gone.

import { exactly, h, short, usd, when } from "./format.js";
import { confidence, quantity, stateOfTrade, statusNow } from "./parts.js";
import { remember, toChain, toPlatform, toTrade, toUser } from "./place.js";

const MAX_ROWS = 100;
const STRUCK_MS = 6_000;

/** What trades can be filtered by, as the api and the address bar name it. */
const FILTERS = [
  ["chain", "Chain", "eth"],
  ["trader", "Trader", "0x…"],
  ["asset", "Asset id", "0x…"],
  ["venue", "Venue", "uniswap-v3"],
  ["pool", "Pool", "0x…"],
  ["platform", "Platform", "name"],
  ["kind", "Kind", "swap"],
  ["minUsd", "At least $", "1000"],
];

export class Tape {
  #rows = new Map();
  #fresh = [];
  #frame = 0;
  #stop = null;
  #paused = false;
  #arrived = 0;

  /** A tape with a title, for the trades that are `fixed`, narrowed by what the address bar asks for. */
  constructor(stream, chains, { id, title, fixed = {}, asked = {}, changed }) {
    this.stream = stream;
    this.chains = chains;
    this.id = id;
    this.fixed = fixed;
    this.changed = changed;
    this.asked = Object.fromEntries(FILTERS.map(([name]) => [name, fixed[name] ? undefined : asked[name]]));
    this.body = h("tbody");
    this.note = h("span", { class: "dim" });
    this.pause = h("button", { class: "tool", type: "button", "aria-pressed": "false", onclick: () => this.#toggle() }, "Pause");
    this.empty = h("p", { class: "empty" }, "Waiting for the tape…");
    this.rename = () => this.#rename();
    this.settle = () => this.#finalize();
    chains.addEventListener("names", this.rename);
    chains.addEventListener("changed", this.settle);
    const head = (text, name) => h("th", { scope: "col", class: name }, text);
    this.element = h("section", { class: "panel", "aria-labelledby": `${id}-title` },
      h("header", {}, h("h2", { id: `${id}-title` }, title), this.note, h("div", { class: "tools" }, this.#filterTool(), this.pause)),
      this.#filterForm(),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}: table` },
        h("table", { class: "tape" },
          h("thead", {}, h("tr", {}, head("Time"), head("Chain"), fixed.trader ? null : head("Trader"), head("Sold", "r"),
            h("th", { class: "to" }, h("span", { class: "hidden" }, "for")), head("Bought"), head("Value", "r"), head("Venue"), head("Status"))),
          this.body)),
      this.empty);
    this.#subscribe();
  }

  /** Narrows the tape: fields without a value are taken out. */
  ask(fields) {
    if (Object.entries(fields).every(([name, value]) => (this.asked[name] ?? "") === (value ?? ""))) return;
    this.asked = { ...this.asked, ...fields };
    remember(fields);
    for (const [name, value] of Object.entries(fields)) this.form.elements[name].value = value ?? "";
    this.#subscribe();
  }

  close() {
    this.#stop?.();
    this.chains.removeEventListener("names", this.rename);
    this.chains.removeEventListener("changed", this.settle);
    cancelAnimationFrame(this.#frame);
  }

  /** How many trades came since this was last asked. */
  news() {
    const arrived = this.#arrived;
    this.#arrived = 0;
    return arrived;
  }

  #filterTool() {
    this.tool = h("button", { class: "tool", type: "button", "aria-expanded": "false", "aria-controls": `${this.id}-filters`, onclick: () => {
      this.form.hidden = !this.form.hidden;
      this.tool.setAttribute("aria-expanded", String(!this.form.hidden));
    } }, "Filter");
    return this.tool;
  }

  #filterForm() {
    const fields = FILTERS.filter(([name]) => !this.fixed[name]).map(([name, label, example]) =>
      h("label", {}, h("span", {}, label), h("input", { name, value: this.asked[name], placeholder: example, autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: 256 })));
    const clear = h("button", { class: "tool", type: "reset" }, "Clear");
    const read = (event) => {
      event.preventDefault();
      this.ask(Object.fromEntries([...this.form.querySelectorAll("input")].map((input) => [input.name, input.value.trim() || undefined])));
      this.changed?.(this.asked);
    };
    this.form = h("form", { class: "filters", id: `${this.id}-filters`, "aria-label": "Filter trades", onchange: read, onsubmit: read, onreset: (event) => {
      for (const input of this.form.querySelectorAll("input")) input.value = "";
      read(event);
    } }, ...fields, h("button", { class: "tool", type: "submit" }, "Show"), clear);
    this.form.hidden = !Object.values(this.asked).some(Boolean);
    this.tool.setAttribute("aria-expanded", String(!this.form.hidden));
    return this.form;
  }

  #subscribe() {
    this.#stop?.();
    const asked = Object.entries(this.asked).filter(([, value]) => value);
    this.empty.hidden = false;
    this.empty.textContent = "Waiting for the tape…";
    this.#clear();
    this.#stop = this.stream.subscribe(this.id, "trades", { ...Object.fromEntries(asked), ...this.fixed }, (message) => this.#hear(message), MAX_ROWS);
    this.tool.textContent = asked.length ? `Filter (${asked.length})` : "Filter";
    this.note.textContent = asked.map(([name, value]) => (name === "chain" ? this.chains.name(value) : `${name} ${short(value)}`)).join(", ")
      || (this.fixed.chain || this.fixed.trader ? "" : "all chains, as they arrive");
  }

  #clear() {
    this.#rows.clear();
    this.#fresh = [];
    this.body.replaceChildren();
  }

  #hear(message) {
    if (message.type === "snapshot") {
      this.#clear();
      for (const trade of message.data.items.toReversed()) this.#put(trade, false);
      this.#settle();
    } else if (message.type === "apply" || message.type === "revert") {
      if (message.type === "apply") this.#arrived += 1;
      this.#fresh.push(message);
      if (this.#fresh.length > 4 * MAX_ROWS) this.#fresh.splice(0, MAX_ROWS);
      if (!this.#paused) this.#frame ||= requestAnimationFrame(() => this.#draw());
    } else if (message.type === "error") {
      this.empty.textContent = message.detail;
      this.empty.hidden = this.#rows.size > 0;
    }
  }

  #toggle() {
    this.#paused = !this.#paused;
    this.pause.setAttribute("aria-pressed", String(this.#paused));
    this.pause.textContent = this.#paused ? "Resume" : "Pause";
    if (!this.#paused) this.#draw();
  }

  #draw() {
    this.#frame = 0;
    for (const { type, data } of this.#fresh.splice(0)) {
      if (type === "apply") this.#put(data, true);
      else this.#strike(data);
    }
    this.#settle();
  }

  /** Puts a trade on top; one that is on the tape already keeps its place: only its state is newer. */
  #put(trade, fresh) {
    const known = this.#rows.get(identity(trade));
    const row = this.#row(trade, fresh && !known);
    if (known) known.row.replaceWith(row);
    else this.body.prepend(row);
    this.#rows.set(identity(trade), { row, trade });
  }

  /** Trades shown before their chain was known get its name. */
  #rename() {
    for (const known of this.#rows.values()) {
      if (known.row.classList.contains("gone")) continue;
      const row = this.#row(known.trade, false);
      known.row.replaceWith(row);
      known.row = row;
    }
  }

  /** Trades whose blocks became final are shown so. */
  #finalize() {
    for (const { row, trade } of this.#rows.values()) {
      const light = row.querySelector(".status .state.observed");
      if (light && statusNow(trade, this.chains) === "finalized") light.replaceWith(stateOfTrade("finalized"));
    }
  }

  #strike(trade) {
    const known = this.#rows.get(identity(trade));
    if (!known || known.row.classList.contains("gone")) return;
    known.row.classList.remove("fresh");
    known.row.classList.add("gone");
    known.row.querySelector(".status").replaceChildren(stateOfTrade("reverted"));
    const remove = () => {
      if (this.#rows.get(identity(trade)) !== known) return;
      known.row.remove();
      this.#rows.delete(identity(trade));
      this.#settle();
    };
    setTimeout(() => known.row.classList.add("leaving"), STRUCK_MS - 700);
    setTimeout(remove, STRUCK_MS);
  }

  #settle() {
    while (this.body.childElementCount > MAX_ROWS) {
      this.#rows.delete(this.body.lastElementChild.dataset.id);
      this.body.lastElementChild.remove();
    }
    this.empty.hidden = this.body.childElementCount > 0;
    this.empty.textContent = "No trades yet.";
  }

  #row(trade, fresh) {
    const cell = (name, attributes, ...children) => h("td", { class: name, ...attributes }, ...children);
    const { chain } = trade;
    const title = `${exactly(trade.block.timestamp)}, block ${trade.block.height}, transaction ${trade.transaction.hash}`;
    const row = h("tr", { class: fresh && "fresh" },
      cell("time dim", {}, h("a", { href: toTrade(trade.tradeId), title }, when(trade.block.timestamp))),
      cell("on", {}, h("a", { href: toChain(chain) }, this.chains.name(chain))),
      this.fixed.trader ? null : cell("trader mono", {}, h("a", { href: toUser(trade.trader.address), title: trade.trader.address }, short(trade.trader.address))),
      cell("sold", {}, ...quantity({ ...trade.sold, chain })),
      cell("to", { "aria-hidden": "true" }, "→"),
      cell("bought", {}, ...quantity({ ...trade.bought, chain })),
      trade.valuation
        ? cell("usd", { title: `$${trade.valuation.notionalUsd}, ${trade.valuation.source}` }, usd(trade.valuation.notionalUsd))
        : cell("usd dim", { title: "not valued: no stable coin and no reference pool says what it is worth" }, "—"),
      cell("via", { title: trade.legs.map((leg) => `${leg.venue} ${leg.pool}`).join("\n") }, venues(trade)),
      cell("status", {}, confidence(trade), stateOfTrade(statusNow(trade, this.chains))));
    row.dataset.id = identity(trade);
    return row;
  }
}

function venues({ legs, platform }) {
  const names = [...new Set(legs.map((leg) => leg.venue))];
  const shown = names.slice(0, 1).map((name) => h("span", { class: "venue" }, name));
  if (names.length > 1) shown.push(h("span", { class: "venue" }, `+${names.length - 1}`));
  if (platform) shown.push(h("a", { class: "venue platform", href: toPlatform(platform), title: `through the platform ${platform}` }, platform));
  return h("span", { class: "venues" }, ...shown);
}

/** A trade detected again may be charged to another trader; both are shown until the old one is reverted. */
const identity = (trade) => `${trade.tradeId} ${trade.trader.address}`;
