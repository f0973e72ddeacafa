// Platforms: all of them, and one with its days, assets, leaders and trades.

import { Bars } from "./charts.js";
import { ago, count, exactly, h, headline, short } from "./format.js";
import { assetCell, Choice, emptyRow, figure, panel, table, WINDOWS } from "./parts.js";
import { toPlatform, toUser } from "./place.js";
import { Tape } from "./tape.js";

const AGAIN_MS = 15_000;
const DAYS = 90;

const use = ({ volumeUsd, feesUsd, swaps, users }) => [
  h("td", { class: "r", title: volumeUsd }, headline(volumeUsd)), h("td", { class: "r", title: feesUsd }, headline(feesUsd)),
  h("td", { class: "r" }, count(swaps)), ...(users === undefined ? [] : [h("td", { class: "r" }, count(users))])];

export class Platforms {
  constructor({ client }) {
    this.rest = client.rest;
    this.title = "Platforms · Chaintape";
    this.body = h("tbody");
    this.element = h("section", { class: "panel", "aria-labelledby": "platforms-title" },
      h("header", {}, h("h1", { id: "platforms-title" }, "Platforms"), h("span", { class: "dim" }, "over all time and chains")),
      table("Platforms", ["Platform", ">Volume", ">Fees", ">Swaps", ">Users"], this.body));
    this.#read();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  async #read() {
    try {
      const { items } = await this.rest.get("/v1/platforms", { query: { limit: 500 } });
      if (this.closed) return;
      this.body.replaceChildren(...items.map((item) => h("tr", {}, h("td", {}, h("a", { href: toPlatform(item.platform) }, h("b", {}, item.platform))), ...use(item))));
      if (!items.length) this.body.append(emptyRow(5, "None was seen: a platform is a name that a chain file configures."));
    } catch (error) {
      this.body.replaceChildren(emptyRow(5, error.message));
    }
    if (!this.closed) this.timer = setTimeout(() => this.#read(), AGAIN_MS);
  }
}

export class Platform {
  constructor({ client, chains }, platform, query) {
    this.rest = client.rest;
    this.chains = chains;
    this.platform = platform;
    this.title = `${platform} · Chaintape`;
    this.figures = h("dl", { class: "figures" });
    this.days = new Bars("Volume");
    this.assets = h("tbody");
    this.leaders = h("tbody");
    this.built = h("span", { class: "dim" });
    this.by = new Choice("Ordered by", "by", [["volume", "Volume"], ["fees", "Fees"]], query.by, () => this.#read());
    this.windows = new Choice("Span of time", "window", WINDOWS, query.window, () => this.#read());
    this.measure = new Choice("Shown by the day", "days", [["volumeUsd", "Volume"], ["feesUsd", "Fees"]], query.days, () => this.#drawDays());
    this.tape = new Tape(client.stream, chains, { id: "platform-trades", title: "Trades", fixed: { platform }, asked: query });
    this.element = h("div", {},
      h("div", { class: "who" }, h("h1", {}, platform)),
      this.figures,
      h("section", { class: "panel curve", "aria-label": "By the day" }, h("header", {}, h("h2", {}, "By the day"), h("span", { class: "dim" }, "all chains, UTC"), this.measure.element), this.days.element),
      h("div", { class: "pair" },
        panel("Users", [this.built, this.by.element, this.windows.element], table("Users", ["#", "Trader", ">Volume", ">Fees", ">Swaps"], this.leaders, "short")),
        panel("Assets today", [h("span", { class: "dim" }, "UTC")], table("Assets today", ["Asset", "Chain", ">Volume", ">Fees", ">Swaps", ">Users"], this.assets, "short"))),
      this.tape.element);
    this.#read();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.tape.close();
    this.days.close();
  }

  async #read() {
    clearTimeout(this.timer);
    const [by, window, path] = [this.by.value, this.windows.value, { platform: this.platform }];
    try {
      const [all, days, assets, board] = await Promise.all([
        this.rest.get("/v1/platforms/{platform}", { path }),
        this.rest.get("/v1/platforms/{platform}/days", { path, query: { limit: DAYS } }),
        this.rest.get("/v1/platforms/{platform}/assets", { path, query: { limit: 50 } }),
        this.rest.get("/v1/platforms/{platform}/leaderboard", { path, query: { by, window, limit: 50 } }),
      ]);
      if (this.closed || this.by.value !== by || this.windows.value !== window) return;
      this.byDay = days.items;
      this.#draw(all, assets.items, board);
      this.#drawDays();
    } catch (error) {
      if (this.closed) return;
      this.figures.replaceChildren(figure("Platform", "—", { small: error.message }));
      if (!this.byDay) this.days.fail(error.message);
    }
    if (!this.closed) this.timer = setTimeout(() => this.#read(), AGAIN_MS);
  }

  /** Days of all chains together. */
  #drawDays() {
    const name = this.measure.value;
    const sums = new Map();
    for (const day of this.byDay ?? []) sums.set(day.at, (sums.get(day.at) ?? 0) + Number(day[name]));
    this.days.label = name === "feesUsd" ? "Fees" : "Volume";
    this.days.show([...sums].sort(([one], [other]) => one - other).map(([at, value]) => ({ at, value })));
  }

  #draw(all, assets, { items, builtAt }) {
    this.figures.replaceChildren(
      figure("Volume", headline(all.volumeUsd), { exact: all.volumeUsd, small: all.unvalued ? `${count(all.unvalued)} swaps unvalued` : "all swaps valued" }),
      figure("Fees earned", headline(all.feesUsd), { exact: all.feesUsd, small: "over all time" }),
      figure("Users", count(all.users), { small: "addresses" }),
      figure("Swaps", count(all.swaps), { small: "valued or not" }));
    this.built.textContent = builtAt ? `as of ${ago(builtAt)}` : "";
    this.built.title = builtAt ? exactly(builtAt) : "";
    this.leaders.replaceChildren(...items.map((leader) => h("tr", {}, h("td", { class: "dim" }, count(leader.rank)),
      h("td", { class: "mono" }, h("a", { href: toUser(leader.address), title: leader.address }, short(leader.address))), ...use(leader))));
    if (!items.length) this.leaders.append(emptyRow(5, "Nobody yet: boards are rebuilt every half minute."));
    this.assets.replaceChildren(...assets.map((item) => h("tr", {}, assetCell(item), h("td", { class: "dim" }, this.chains.name(item.chain)), ...use(item))));
    if (!assets.length) this.assets.append(emptyRow(6, "Nothing was traded through it today."));
  }
}
