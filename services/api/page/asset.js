// Assets: one with its price, candles, pools and trades; and the search for them.

import { Candles } from "./charts.js";
import { ago, change, count, exactly, h, headline, price, short } from "./format.js";
import { assetCell, Choice, emptyRow, figure, money, panel, table } from "./parts.js";
import { linkTo, remember } from "./place.js";
import { Tape } from "./tape.js";

const INTERVALS = [["1h", "Hours"], ["1m", "Minutes"], ["1d", "Days"]];
const INTERVAL_MS = { "1m": 60_000, "1h": 3_600_000, "1d": 86_400_000 };
const CANDLES = 200;
/** The last 24 hours are read again now and then: price and candles come over the stream. */
const AGAIN_MS = 30_000;

export class Asset {
  #details = null;
  #stops = [];
  #timer = 0;

  constructor({ client, chains }, chain, asset, query) {
    this.rest = client.rest;
    this.chains = chains;
    this.key = { chain, asset };
    this.client = client;
    this.title = `${short(asset)} · Chaintape`;
    this.name = h("h1", { title: asset }, short(asset));
    this.figures = h("dl", { class: "figures" });
    this.chart = new Candles();
    this.pools = h("tbody");
    this.note = h("p", { class: "mono dim id" }, asset);
    this.intervals = new Choice("Interval", "interval", INTERVALS, query.interval, () => this.#follow());
    this.tape = new Tape(client.stream, chains, { id: "asset-trades", title: "Trades", fixed: { chain, asset }, asked: query });
    const explorer = chains.link(chain, "token", asset) ?? chains.link(chain, "address", asset);
    this.element = h("div", {},
      h("div", { class: "who" }, this.name, h("div", { class: "scopes" }, h("a", { class: "tool", href: linkTo("chain", [chain]) }, chains.name(chain)),
        explorer ? h("a", { class: "tool", href: explorer, target: "_blank", rel: "noreferrer" }, "Explorer") : null)),
      this.note,
      this.figures,
      h("section", { class: "panel curve", "aria-label": "Candles" }, h("header", {}, h("h2", {}, "Price"), h("span", { class: "dim" }, "by the valued trades of the tape"), this.intervals.element), this.chart.element),
      this.tape.element,
      panel("Pools", [h("span", { class: "dim" }, "of its newest trades")], table("Pools", ["Pool", ">Newest trade"], this.pools, "short")));
    const live = client.live("prices", this.key);
    this.price = live;
    this.#stops.push(live.listen(() => this.#draw()));
    this.#follow();
    this.#read();
  }

  close() {
    this.closed = true;
    this.#stops.forEach((stop) => stop());
    this.unfollow?.();
    this.tape.close();
    this.chart.close();
    clearTimeout(this.#timer);
  }

  async #read() {
    try {
      this.#details = await this.rest.get("/v1/assets/{chain}/{asset}", { path: this.key });
      if (this.closed) return;
      this.#draw();
      this.drawCandles();
    } catch (error) {
      this.note.textContent = error.message;
    }
    if (!this.closed) this.#timer = setTimeout(() => this.#read(), AGAIN_MS);
  }

  /** Follows the candles of the interval that was chosen. */
  #follow() {
    this.unfollow?.();
    const interval = this.intervals.value;
    const live = this.client.live("candles", { ...this.key, interval }, CANDLES);
    const draw = () => {
      const { data, refusal } = live.get();
      if (data) this.chart.show(data, INTERVAL_MS[interval], this.#symbol());
      else if (refusal) this.chart.fail(refusal.detail);
    };
    this.unfollow = live.listen(draw);
    this.drawCandles = draw;
    draw();
  }

  #symbol() {
    return this.#details?.symbol || short(this.key.asset);
  }

  #draw() {
    const now = this.price.get().data;
    const { price: read, change24h, volume24hUsd, trades24h, decimals, pools, symbol } = this.#details ?? {};
    const [usd, at] = now ? [now.priceUsd, now.priceAt] : [read?.usd, read?.at];
    this.name.textContent = symbol ? `${symbol}` : short(this.key.asset);
    if (this.#details) {
      this.title = `${this.name.textContent} · Chaintape`;
      document.title = this.title;
    }
    this.figures.replaceChildren(
      figure("Price", typeof usd === "string" ? price(usd) : "—", { exact: usd, small: at ? ago(at) : "no valued trade says one" }),
      figure("24 hours", typeof change24h === "string" ? change(change24h) : "—", { exact: change24h, signed: true, small: "against the last price before" }),
      figure("Volume", headline(now?.volume24hUsd ?? volume24hUsd ?? "0"), { exact: now?.volume24hUsd ?? volume24hUsd, small: "valued swaps of 24 hours" }),
      figure("Trades", trades24h === undefined ? "…" : count(trades24h), { small: "swaps of 24 hours" }),
      figure("Decimals", typeof decimals === "number" ? String(decimals) : "unknown", { small: typeof decimals === "number" ? "" : "amounts are in smallest units" }));
    this.pools.replaceChildren(...(pools ?? []).map(({ pool, newestHour }) => h("tr", {},
      h("td", { class: "mono" }, h("a", { href: linkTo("", [], { chain: this.key.chain, pool }), title: pool }, short(pool))),
      h("td", { class: "r dim", title: exactly(newestHour) }, ago(newestHour)))));
    if (!pools?.length) this.pools.append(emptyRow(2, "None yet."));
  }
}

/** The search for assets, by the beginning of a ticker or by id. */
export class Assets {
  constructor({ client, chains }, query) {
    this.rest = client.rest;
    this.chains = chains;
    this.title = "Assets · Chaintape";
    this.body = h("tbody");
    this.note = h("span", { class: "dim" });
    const field = (name, label, attributes) => h("label", {}, h("span", {}, label), h("input", { name, value: query[name], autocomplete: "off", autocapitalize: "off", spellcheck: "false", ...attributes }));
    const ask = (event) => {
      event.preventDefault();
      const [search, chain] = [this.form.elements.search.value.trim(), this.form.elements.chain.value.trim()];
      remember({ search: search || undefined, chain: chain || undefined });
      this.#read(search, chain);
    };
    this.form = h("form", { class: "filters", role: "search", "aria-label": "Search assets", onsubmit: ask, onchange: ask },
      field("search", "Ticker or id", { type: "search", placeholder: "WETH", maxlength: 128 }), field("chain", "Chain", { placeholder: "any", maxlength: 256 }),
      h("button", { class: "tool", type: "submit" }, "Search"));
    this.element = h("div", {}, h("section", { class: "panel", "aria-labelledby": "assets-title" },
      h("header", {}, h("h1", { id: "assets-title" }, "Assets"), this.note), this.form,
      table("Assets", ["Asset", "Id", "Chain", ">Price", ">Volume, 24 hours"], this.body)));
    this.#read(query.search ?? "", query.chain ?? "");
  }

  close() {
    this.closed = true;
  }

  async #read(search, chain) {
    if (!search) {
      this.body.replaceChildren(emptyRow(5, "Tickers are not unique: search by the beginning of one, or by an id, and look at the chain and the volume."));
      return;
    }
    try {
      const { items, truncated } = await this.rest.get("/v1/assets", { query: { search, ...(chain && { chain }) } });
      if (this.closed) return;
      this.note.textContent = truncated ? "the first 50; a longer text finds fewer" : `${count(items.length)} found`;
      this.body.replaceChildren(...items.map((item) => h("tr", {}, assetCell(item),
        h("td", { class: "mono dim", title: item.asset }, short(item.asset)), h("td", { class: "dim" }, this.chains.name(item.chain)),
        typeof item.price?.usd === "string" ? h("td", { class: "r", title: `${item.price.usd}, ${exactly(item.price.at)}` }, price(item.price.usd)) : money(null, { why: "no valued trade says a price" }),
        h("td", { class: "r", title: item.volume24hUsd }, headline(item.volume24hUsd)))));
      if (!items.length) this.body.append(emptyRow(5, "No such asset was traded."));
    } catch (error) {
      this.body.replaceChildren(emptyRow(5, error.message));
    }
  }
}
