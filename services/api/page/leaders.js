// The leaderboard: who leads by volume, net volume, profit or fees, in a span of time.

import { ago, count, h, headline, short, trend, usd } from "./format.js";

const MEASURES = [["volume", "Volume"], ["netVolume", "Net volume"], ["pnl", "Realized PnL"], ["fees", "Fees"]];
const WINDOWS = [["all", "All time"], ["30d", "30 days"], ["7d", "7 days"], ["24h", "24 hours"]];
const AGAIN_MS = 30_000;

/** A part of one, as a percentage. */
const percent = (part) => `${Math.floor(Number(part) * 1000) / 10} %`;

export class Leaders {
  #by = "volume";
  #window = "all";
  #timer = 0;

  constructor(rest) {
    this.rest = rest;
    this.body = h("tbody");
    this.built = h("span", { class: "dim" });
    this.empty = h("p", { class: "empty" }, "…");
    const choices = (label, names, pick) => h("div", { class: "tools", role: "group", "aria-label": label }, ...names.map(([id, name]) =>
      h("button", { class: "tool", type: "button", "data-id": id, "aria-pressed": "false", onclick: () => pick(id) }, name)));
    this.measures = choices("Ordered by", MEASURES, (id) => this.#show(id, this.#window));
    this.windows = choices("Span of time", WINDOWS, (id) => this.#show(this.#by, id));
    const head = (text, name) => h("th", { scope: "col", class: name }, text);
    this.element = h("section", { class: "panel", "aria-labelledby": "leaders-title" },
      h("header", { class: "wrap" }, h("h1", { id: "leaders-title" }, "Leaders"), this.built, this.measures, this.windows),
      h("div", { class: "scroll", tabindex: "0" }, h("table", {},
        h("thead", {}, h("tr", {}, head("#"), head("Trader"), head("Volume", "r"), head("Net", "r"), head("Wash", "r"), head("Realized PnL", "r"), head("Coverage", "r"), head("Fees", "r"), head("Swaps", "r"))),
        this.body)),
      this.empty);
    this.#show(this.#by, this.#window);
  }

  close() {
    clearTimeout(this.#timer);
    this.closed = true;
  }

  async #show(by, window) {
    [this.#by, this.#window] = [by, window];
    for (const [group, chosen] of [[this.measures, by], [this.windows, window]]) {
      for (const button of group.children) button.setAttribute("aria-pressed", String(button.dataset.id === chosen));
    }
    clearTimeout(this.#timer);
    try {
      const board = await this.rest.get("/v1/leaderboard", { query: { by, window, limit: 100 } });
      if (this.closed || this.#by !== by || this.#window !== window) return;
      this.#draw(board);
    } catch (error) {
      this.empty.hidden = false;
      this.empty.textContent = error.message;
    }
    if (!this.closed) this.#timer = setTimeout(() => this.#show(this.#by, this.#window), AGAIN_MS);
  }

  #draw({ items, builtAt }) {
    this.built.textContent = builtAt ? `as of ${ago(builtAt)}` : "";
    this.body.replaceChildren(...items.map((leader) => h("tr", {},
      h("td", { class: "dim" }, count(leader.rank)),
      h("td", { class: "mono" }, h("a", { href: `#/user/${encodeURIComponent(leader.address)}`, title: leader.address }, short(leader.address))),
      h("td", { class: "r", title: leader.volumeUsd }, headline(leader.volumeUsd)),
      h("td", { class: "r", title: leader.netVolumeUsd }, headline(leader.netVolumeUsd)),
      h("td", { class: "r dim", title: `${leader.washUsd}; ${count(leader.counterparties)} pools` }, headline(leader.washUsd)),
      h("td", { class: `r ${trend(leader.realizedPnlUsd)}`, title: leader.realizedPnlUsd }, usd(leader.realizedPnlUsd)),
      h("td", { class: "r dim", title: leader.coverage ?? "nothing was sold" }, leader.coverage === undefined ? "—" : percent(leader.coverage)),
      h("td", { class: "r", title: leader.feesUsd }, usd(leader.feesUsd)),
      h("td", { class: "r" }, count(leader.swaps)))));
    this.empty.hidden = items.length > 0;
    this.empty.textContent = "Nobody yet: boards are rebuilt every half minute.";
  }
}
