// The tape: trades as rows, newest first; a reverted trade is struck through for a moment, then gone.

import { amount, exactly, h, short, usd, when } from "./format.js";

const MAX_ROWS = 100;
const STRUCK_MS = 6_000;

export class Tape {
  #rows = new Map();
  #fresh = [];
  #frame = 0;
  #stop = null;
  #paused = false;
  #arrived = 0;

  /** A tape with a title, for the trades of a filter. */
  constructor(stream, chains, { id, title, trader }) {
    this.stream = stream;
    this.chains = chains;
    this.id = id;
    this.trader = trader;
    this.body = h("tbody");
    this.note = h("span", { class: "dim" });
    this.pause = h("button", { class: "tool", type: "button", "aria-pressed": "false", onclick: () => this.#toggle() }, "Pause");
    this.empty = h("p", { class: "empty" }, "Waiting for the tape…");
    this.rename = () => this.#rename();
    chains.addEventListener("names", this.rename);
    const head = (text, name) => h("th", { scope: "col", class: name }, text);
    this.element = h("section", { class: "panel", "aria-labelledby": `${id}-title` },
      h("header", {}, h("h2", { id: `${id}-title` }, title), this.note, h("div", { class: "tools" }, this.pause)),
      h("div", { class: "scroll" },
        h("table", { class: "tape" },
          h("thead", {}, h("tr", {}, head("Time"), head("Chain"), trader ? null : head("Trader"), head("Sold", "r"),
            h("th", { class: "to" }, h("span", { class: "hidden" }, "for")), head("Bought"), head("Value", "r"), head("Venue"), head("Status"))),
          this.body)),
      this.empty);
  }

  /** Shows the trades of one chain, or of all. */
  show(chain) {
    this.#stop?.();
    this.filter = { ...(chain && { chain }), ...(this.trader && { trader: this.trader }) };
    this.#stop = this.stream.subscribe(this.id, "trades", this.filter, (message) => this.#hear(message), MAX_ROWS);
    this.note.textContent = chain ? this.chains.name(chain) : this.trader ? "" : "all chains";
  }

  close() {
    this.#stop?.();
    this.chains.removeEventListener("names", this.rename);
    cancelAnimationFrame(this.#frame);
  }

  /** How many trades came since this was last asked. */
  news() {
    const arrived = this.#arrived;
    this.#arrived = 0;
    return arrived;
  }

  #hear(message) {
    if (message.type === "snapshot") {
      this.#rows.clear();
      this.body.replaceChildren();
      this.#fresh = [];
      message.data.items.forEach((trade) => this.#put(trade, false));
      this.#settle();
    } else if (message.type === "apply" || message.type === "revert") {
      const trade = message.data;
      const { chain, trader } = this.filter;
      if ((chain && trade.chain !== chain) || (trader && trade.trader.address !== trader)) return;
      if (message.type === "apply") this.#arrived += 1;
      this.#fresh.push(message);
      if (this.#fresh.length > 4 * MAX_ROWS) this.#fresh.splice(0, MAX_ROWS);
      if (!this.#paused) this.#frame ||= requestAnimationFrame(() => this.#draw());
    } else if (message.type === "error") {
      this.empty.textContent = `Waiting: ${message.detail}`;
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

  #put(trade, fresh) {
    const known = this.#rows.get(identity(trade));
    known?.row.remove();
    const key = order(trade);
    const row = this.#row(trade, fresh && !known);
    let place = this.body.firstElementChild;
    while (place && after(this.#rows.get(place.dataset.id)?.key, key)) place = place.nextElementSibling;
    this.#rows.set(identity(trade), { row, key, trade });
    this.body.insertBefore(row, place);
  }

  /** Trades shown before their chain was known get its name and links. */
  #rename() {
    for (const known of this.#rows.values()) {
      if (known.row.classList.contains("gone")) continue;
      const row = this.#row(known.trade, false);
      known.row.replaceWith(row);
      known.row = row;
    }
  }

  #strike(trade) {
    const known = this.#rows.get(identity(trade));
    if (!known || known.row.classList.contains("gone")) return;
    known.row.classList.remove("fresh");
    known.row.classList.add("gone");
    known.row.querySelector(".status").replaceChildren(state("reverted"));
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
    const transaction = this.chains.link(trade.chain, "tx", trade.transaction.hash);
    const time = when(trade.block.timestamp);
    const title = `${exactly(trade.block.timestamp)}, block ${trade.block.height}, transaction ${trade.transaction.hash}`;
    const row = h("tr", { class: fresh && "fresh" },
      cell("time dim", { title }, transaction ? h("a", { href: transaction, target: "_blank", rel: "noreferrer" }, time) : time),
      cell("on", {}, this.chains.name(trade.chain)),
      this.trader ? null : cell("trader mono", {}, h("a", { href: `#/user/${encodeURIComponent(trade.trader.address)}`, title: trade.trader.address }, short(trade.trader.address))),
      cell("sold", { title: exact(trade.sold) }, ...side(trade.sold)),
      cell("to", { "aria-hidden": "true" }, "→"),
      cell("bought", { title: exact(trade.bought) }, ...side(trade.bought)),
      trade.valuation
        ? cell("usd", { title: `$${trade.valuation.notionalUsd}, ${trade.valuation.source}` }, usd(trade.valuation.notionalUsd))
        : cell("usd dim", { title: "not valued" }, "—"),
      cell("via", { title: trade.legs.map((leg) => `${leg.venue} ${leg.pool}`).join("\n") }, venues(trade.legs)),
      cell("status", {}, state(trade.status)));
    row.dataset.id = identity(trade);
    return row;
  }
}

const state = (status) => h("span", { class: `state ${status}` }, status);

const side = ({ raw, amount: shown, symbol, asset }) => [h("b", {}, amount(shown ?? raw)), h("span", { class: "unit", title: asset }, symbol?.slice(0, 16) || short(asset))];

const exact = ({ raw, amount: shown, symbol, asset }) => `${shown ?? raw} ${symbol ?? ""}\n${asset}`;

function venues(legs) {
  const names = [...new Set(legs.map((leg) => leg.venue))];
  const shown = names.slice(0, 2).map((name) => h("span", { class: "venue" }, name));
  if (names.length > 2) shown.push(h("span", { class: "venue" }, `+${names.length - 2}`));
  return h("span", { class: "venues" }, ...shown);
}

/** A trade detected again may be charged to another trader; both are shown until the old one is reverted. */
const identity = (trade) => `${trade.tradeId} ${trade.trader.address}`;

const order = (trade) => [trade.block.timestamp, trade.chain, trade.block.height, trade.transaction.index, trade.ordinal, trade.tradeId, trade.trader.address];

/** Whether one key comes before another: newest first. */
function after(one, other) {
  if (!one) return false;
  const at = one.findIndex((part, index) => part !== other[index]);
  return at >= 0 && one[at] > other[at];
}
