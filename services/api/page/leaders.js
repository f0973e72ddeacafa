// The leaderboard: who leads by volume, net volume, profit or fees, in a span of time.

import { ago, count, h, headline, percent, short, trend, usd } from "./format.js";
import { Choice, table, WINDOWS } from "./parts.js";
import { toUser } from "./place.js";

const MEASURES = [["volume", "Volume"], ["netVolume", "Net volume"], ["pnl", "Realized PnL"], ["fees", "Fees"]];
const AGAIN_MS = 30_000;

export class Leaders {
  #timer = 0;

  constructor({ client }, query) {
    this.rest = client.rest;
    this.title = "Leaders · Chaintape";
    this.body = h("tbody");
    this.built = h("span", { class: "dim" });
    this.empty = h("p", { class: "empty" }, "…");
    this.by = new Choice("Ordered by", "by", MEASURES, query.by, () => this.#show());
    this.windows = new Choice("Span of time", "window", WINDOWS, query.window, () => this.#show());
    this.element = h("section", { class: "panel", "aria-labelledby": "leaders-title" },
      h("header", {}, h("h1", { id: "leaders-title" }, "Leaders"), this.built, this.by.element, this.windows.element),
      table("Leaders", ["#", "Trader", ">Volume", ">Net", ">Wash", ">Realized PnL", ">Coverage", ">Fees", ">Swaps"], this.body),
      this.empty);
    this.#show();
  }

  close() {
    clearTimeout(this.#timer);
    this.closed = true;
  }

  async #show() {
    const [by, window] = [this.by.value, this.windows.value];
    clearTimeout(this.#timer);
    try {
      const board = await this.rest.get("/v1/leaderboard", { query: { by, window, limit: 100 } });
      if (this.closed || this.by.value !== by || this.windows.value !== window) return;
      this.#draw(board);
    } catch (error) {
      this.empty.hidden = false;
      this.empty.textContent = error.message;
    }
    if (!this.closed) this.#timer = setTimeout(() => this.#show(), AGAIN_MS);
  }

  #draw({ items, builtAt }) {
    this.built.textContent = builtAt ? `as of ${ago(builtAt)}` : "";
    this.body.replaceChildren(...items.map((leader) => h("tr", {},
      h("td", { class: "dim" }, count(leader.rank)),
      h("td", { class: "mono" }, h("a", { href: toUser(leader.address), title: leader.address }, short(leader.address))),
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
