// What views are built of: panels, tables, figures, choices.

import { amount, h, pointed, short, trend, usd } from "./format.js";
import { remember, toAsset } from "./place.js";

/** Spans of time, as the api names them. */
export const WINDOWS = [["all", "All time"], ["30d", "30 days"], ["7d", "7 days"], ["24h", "24 hours"]];

/** A panel with a title, what stands beside it, and its content. */
export function panel(title, beside, ...content) {
  return h("section", { class: "panel", "aria-label": title }, h("header", {}, h("h2", {}, title), ...beside), ...content);
}

/** A table within a panel; columns whose names begin with `>` are aligned to the right. It can be scrolled by keyboard. */
export function table(label, columns, body, name) {
  const heads = columns.map((column) => h("th", { scope: "col", class: column.startsWith(">") && "r" }, column.replace(/^>/, "")));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${label}: table` },
    h("table", { class: name }, h("thead", {}, h("tr", {}, ...heads)), body));
}

/** The only row of a table that has none. */
export const emptyRow = (columns, text) => h("tr", {}, h("td", { class: "dim says", colspan: columns }, text));

/** A cell of dollars: what is not known is a dash that says why. */
export function money(text, { signed = false, why, title, link } = {}) {
  if (text === undefined || text === null) return h("td", { class: "r dim", title: why }, "—");
  const shown = link ? h("a", { href: link }, usd(text)) : usd(text);
  return h("td", { class: `r ${signed ? trend(text) : ""}`, title: title ?? text }, shown);
}

/** A figure with its name and a word below. */
export const figure = (term, text, { small = "", exact, signed } = {}) =>
  h("div", {}, h("dt", {}, term), h("dd", { title: exact, class: signed && exact && trend(exact) }, text, h("small", {}, small)));

/** Names and values, below each other. */
export const facts = (pairs) =>
  h("dl", { class: "facts" }, ...pairs.filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([term, value, title]) => h("div", { title }, h("dt", {}, term), h("dd", {}, ...[value].flat()))));

/** Buttons of which one is pressed; which one stands in the address bar under `key`. */
export class Choice {
  constructor(label, key, names, chosen, pick) {
    const known = names.some(([id]) => id === chosen);
    this.value = known ? chosen : names[0][0];
    this.element = h("div", { class: "tools", role: "group", "aria-label": label }, ...names.map(([id, name]) =>
      h("button", { class: "tool", type: "button", "data-id": id, "aria-pressed": String(id === this.value), onclick: () => {
        this.value = id;
        for (const button of this.element.children) button.setAttribute("aria-pressed", String(button.dataset.id === id));
        remember({ [key]: id === names[0][0] ? undefined : id });
        pick(id);
      } }, name)));
  }
}

/** An amount of an asset, which leads to the asset. Where its decimals are not known it is said that smallest units are counted. */
export function quantity({ raw, decimals, symbol, asset, chain }) {
  const known = decimals !== undefined && decimals !== null;
  const text = pointed(raw, decimals);
  return [
    h("b", { title: known ? text : `${raw} in the smallest unit: the decimals of this token are not known` }, amount(text)),
    known ? null : h("abbr", { class: "raw", title: `in the token's smallest unit: its decimals are not known` }, "raw"),
    h("a", { class: "unit", href: toAsset(chain, asset), title: `${symbol ?? "a token without a ticker"}\n${asset}` }, symbol || short(asset)),
  ];
}

/** The cell that names an asset and leads to it. */
export const assetCell = ({ chain, asset, symbol }, extra) =>
  h("td", { class: "asset" }, h("a", { href: toAsset(chain, asset), title: asset }, h("b", {}, symbol || short(asset))), extra ? " " : null, extra || null);

/** How sure a trade is, where that is not by what moved. */
const CONFIDENCE = {
  reported: ["rep.", "reported: an amount is what a router's or an order's event says, not what was seen to move"],
  traced: ["traced", "traced: an amount of native coin is from a trace of the transaction"],
  estimated: ["est.", "estimated: an amount of native coin is what most likely moved; only a trace would show it"],
};

/** A mark on a trade whose amounts are not all exact. */
export function confidence({ attributes }, long = false) {
  const word = attributes?.confidence;
  if (!word) return null;
  const [brief, title] = CONFIDENCE[word] ?? [word, `confidence: ${word}`];
  return long ? h("span", {}, title) : h("abbr", { class: `pill sure ${word}`, title }, brief);
}

/** The state of a trade now: the tape says nothing more of one whose block became final since. */
export function statusNow({ status, chain, block }, chains) {
  const isFinal = status === "observed" && chains.get(chain)?.finalized?.height >= block.height;
  return isFinal ? "finalized" : status;
}

/** A state of a trade as a word with a light. */
export const stateOfTrade = (status) => h("span", { class: `state ${status}` }, status);
