// One user: totals, positions, what the wallet holds, and the trades behind it, all kept live.

import { Curve } from "./charts.js";
import { ago, amount, count, exactly, h, headline, percent, pointed, price, trend } from "./format.js";
import { realizedOverTime } from "./history.js";
import { assetCell, Choice, emptyRow, figure, money, panel, table, WINDOWS } from "./parts.js";
import { linkTo, toUser } from "./place.js";
import { Tape } from "./tape.js";
import { totalOf } from "./client/states.js";

/** How long after a change the windows and prices are read again: windows are sums of whole hours. */
const AGAIN_MS = 5_000;
/** The curve costs more than the figures: it is read again less often. */
const CURVE_AGAIN_MS = 20_000;
/** What a reading says of the worth of a position. */
const WORTH = ["priceUsd", "priceAt", "priceSource", "valueUsd", "unknownValueUsd", "unrealizedPnlUsd", "averageCostUsd", "coverage", "heldElsewhere"];
const NO_PRICE = "no price: no valued trade says what it is worth, or its decimals are not known";

export class User {
  #windowed = null;
  #worth = null;
  #valued = new Map();
  #drift = new Map();
  #again = 0;
  #curveOf = "";
  #curveAt = 0;
  #frame = 0;

  constructor({ client, chains }, address, chain, query) {
    this.address = /^0x[0-9a-f]*$/i.test(address) ? address.toLowerCase() : address;
    this.rest = client.rest;
    this.chains = chains;
    this.chain = chain;
    this.title = `${this.address} · Chaintape`;
    this.figures = h("dl", { class: "figures" });
    this.positions = h("tbody");
    this.balances = h("tbody");
    this.taken = h("span", { class: "dim" });
    this.scopes = h("div", { class: "scopes", role: "group", "aria-label": "Chains of this user" });
    this.curve = new Curve("Realized profit and loss");
    this.windows = new Choice("Span of time", "window", WINDOWS, query.window, () => this.#read());
    this.tape = new Tape(client.stream, chains, { id: "user-trades", title: "Trades", fixed: { trader: this.address, ...(chain && { chain }) }, asked: query });
    this.element = h("div", {},
      h("div", { class: "who" }, h("h1", { class: "mono" }, this.address), this.scopes),
      this.figures,
      h("section", { class: "panel curve", "aria-label": "Realized PnL" },
        h("header", {}, h("h2", {}, "Realized PnL"), h("span", { class: "dim" }, "before fees, added up"), this.windows.element),
        this.curve.element),
      panel("Positions", [h("span", { class: "dim" }, "from trades; their worth by the prices of the tape")],
        table("Positions", ["Asset", "Chain", ">Quantity", ">Cost basis", ">Price", ">Value", ">Unrealized", ">Realized"], this.positions, "short")),
      panel("Portfolio", [this.taken], table("Portfolio", ["Asset", "Chain", ">Balance", ">Price", ">Value", ">Drift"], this.balances, "short")),
      this.tape.element);
    const filter = { address: this.address, ...(chain && { chain }) };
    this.metrics = client.live("user.metrics", filter);
    this.portfolio = client.live("user.portfolio", filter);
    this.stops = [
      this.metrics.listen(() => {
        this.#renew();
        this.#later();
      }),
      this.portfolio.listen(() => {
        this.#reconcile();
        this.#later();
      }),
    ];
    this.#draw();
    this.#read();
    this.#reconcile();
  }

  close() {
    this.closed = true;
    this.stops.forEach((stop) => stop());
    this.tape.close();
    this.curve.close();
    clearTimeout(this.#again);
    cancelAnimationFrame(this.#frame);
  }

  /** Reads figures and curve of the span of time, and what everything is worth. */
  async #read() {
    const window = this.windows.value;
    const [path, narrowed] = [{ address: this.address }, this.chain ? { chain: this.chain } : {}];
    const get = (name, query) => this.rest.get(`/v1/users/{address}/${name}`, { path, query: { ...narrowed, ...query } });
    try {
      const [windowed, worth, positions] = await Promise.all([
        window === "all" ? null : get("metrics", { window }),
        get("worth", {}),
        get("positions", { limit: 500 }),
        this.#readCurve(window),
      ]);
      if (this.closed || this.windows.value !== window) return;
      this.#windowed = windowed;
      this.#worth = worth;
      this.#valued = new Map(positions.items.map((position) => [`${position.chain}/${position.asset}`, position]));
      this.#later();
    } catch (error) {
      if (!this.closed) this.taken.textContent = error.message;
    }
  }

  async #readCurve(window) {
    if (this.#curveOf === window && Date.now() - this.#curveAt < CURVE_AGAIN_MS) return;
    [this.#curveOf, this.#curveAt] = [window, Date.now()];
    try {
      const { points, made } = await realizedOverTime(this.rest, this, window);
      if (!this.closed && this.windows.value === window) this.curve.show(points, made);
    } catch (error) {
      this.#curveAt = 0;
      if (!this.closed) this.curve.fail(error.message);
    }
  }

  async #reconcile() {
    const question = { path: { address: this.address }, query: { limit: 500, ...(this.chain && { chain: this.chain }) } };
    try {
      const { items } = await this.rest.get("/v1/users/{address}/drift", question);
      this.#drift = new Map(items.map((item) => [`${item.chain}/${item.asset}`, item]));
      this.#later();
    } catch {
      // Drift is shown beside balances; without it they are shown alone.
    }
  }

  /** What was read is older than what just arrived: reads it again in a moment. */
  #renew() {
    this.#again ||= setTimeout(() => {
      this.#again = 0;
      if (!this.closed) this.#read();
    }, AGAIN_MS);
  }

  #later() {
    if (!this.closed) this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    this.#drawScopes();
    this.#drawFigures();
    this.#drawPositions();
    this.#drawBalances();
  }

  #drawScopes() {
    const known = [...(this.metrics.get().data?.chains ?? []), ...(this.portfolio.get().data?.wallets ?? [])].map(({ chain }) => chain);
    const ids = new Set([...known, ...(this.chain ? [this.chain] : [])]);
    const link = (chain, text) => h("a", { class: "tool", href: toUser(this.address, chain), "aria-current": chain === this.chain ? "page" : undefined }, text);
    const explorer = this.chain && this.chains.link(this.chain, "address", this.address);
    this.scopes.replaceChildren(link(undefined, "All chains"), ...[...ids].sort().map((id) => link(id, this.chains.name(id))),
      ...(explorer ? [h("a", { class: "tool", href: explorer, target: "_blank", rel: "noreferrer" }, "Explorer")] : []));
  }

  #drawFigures() {
    const total = this.#windowed?.total ?? this.metrics.get().data?.total ?? totalOf([]);
    const held = this.#worth?.total;
    const plus = (text) => (trend(text) === "up" ? `+${headline(text)}` : headline(text));
    const unpriced = held?.unpriced ? `${count(held.unpriced)} without a price` : held?.oldestPriceAt ? `oldest price ${ago(held.oldestPriceAt)}` : "at the prices of the tape";
    const covered = (part) => (part === undefined || part === null ? "" : `${percent(part)} of it at known cost`);
    this.figures.replaceChildren(
      figure("Value", held ? headline(held.valueUsd) : "…", { exact: held?.valueUsd, small: unpriced }),
      figure("Unrealized PnL", held ? plus(held.unrealizedPnlUsd) : "…", { exact: held?.unrealizedPnlUsd, signed: true, small: covered(held?.coverage) }),
      figure("Realized PnL", plus(total.realizedPnlUsd), { exact: total.realizedPnlUsd, signed: true, small: "before fees" }),
      figure("Net of fees", plus(total.realizedPnlNetUsd), { exact: total.realizedPnlNetUsd, signed: true, small: `${headline(total.feesUsd)} to platforms` }),
      figure("Volume", headline(total.volumeUsd), { exact: total.volumeUsd, small: total.unvalued ? `${count(total.unvalued)} unvalued` : "all swaps valued" }),
      figure("Swaps", count(total.swaps), { small: `${count(total.cycles)} ${total.cycles === 1 ? "cycle" : "cycles"} apart` }),
      figure("Without basis", headline(total.proceedsWithoutBasisUsd), { exact: total.proceedsWithoutBasisUsd, small: typeof total.coverage === "string" ? `${percent(total.coverage)} of what was sold covered` : "proceeds of unknown cost" }));
  }

  /** A position with what it is worth: as it was read, where nothing happened since, else at the price that was told last. */
  #withWorth(position) {
    const read = this.#valued.get(`${position.chain}/${position.asset}`);
    const isSame = read && read.quantity === position.quantity && read.unknownQuantity === position.unknownQuantity && read.basisUsd === position.basisUsd;
    return isSame ? { ...position, ...Object.fromEntries(WORTH.map((name) => [name, read[name]])) } : position;
  }

  #drawPositions() {
    const { data, refusal } = this.metrics.get();
    const rows = (data?.positions ?? []).map((position) => this.#withWorth(position));
    rows.sort((a, b) => Number(b.valueUsd ?? b.basisUsd) - Number(a.valueUsd ?? a.basisUsd) || (a.asset < b.asset ? -1 : 1));
    this.positions.replaceChildren(...rows.map((position) => this.#positionRow(position)));
    if (!rows.length) this.positions.append(emptyRow(8, refusal ? refusal.detail : data ? "No positions." : "…"));
  }

  #positionRow(position) {
    const { chain, asset, decimals } = position;
    const raw = (BigInt(position.quantity) + BigInt(position.unknownQuantity)).toString();
    const held = pointed(raw, decimals);
    const part = (of, what) => (!of || of === "0" ? "" : `, of which ${pointed(of, decimals)} ${what}`);
    const rest = part(position.unknownQuantity, "at unknown cost") + part(position.heldElsewhere, "no longer in the wallet");
    const cost = position.averageCostUsd ? `${position.basisUsd}, ${price(position.averageCostUsd)} each` : position.basisUsd;
    return h("tr", {}, assetCell(position), h("td", { class: "dim" }, this.chains.name(chain)),
      h("td", { class: "r", title: held + rest }, ...shownQuantity(held, decimals)),
      money(position.basisUsd, { title: cost }),
      priceCell(position),
      money(position.valueUsd, { why: raw === "0" ? "nothing is held" : NO_PRICE }),
      money(position.unrealizedPnlUsd, { signed: true, why: raw === "0" ? "nothing is held" : NO_PRICE }),
      money(position.realizedPnlUsd, { signed: true, title: `${position.realizedPnlUsd}: the trades behind this figure`, link: linkTo("explain", [chain, this.address, asset]) }));
  }

  /** How a balance differs from the sum of the trades. */
  #drifted({ chain, asset, decimals }) {
    const one = this.#drift.get(`${chain}/${asset}`);
    if (!one) return h("td", { class: "r dim", title: "as the trades add up" }, "—");
    const size = one.drift.replace("-", "");
    const sign = one.drift.startsWith("-") ? "−" : "+";
    return h("td", { class: "r dim", title: `trades add up to ${one.net}, the provider says ${one.balance}` }, sign + amount(pointed(size, decimals)));
  }

  #drawBalances() {
    const { data } = this.portfolio.get();
    const [rows, wallets] = [[...(data?.balances ?? [])], data?.wallets ?? []];
    rows.sort((a, b) => a.spam - b.spam || Number(b.valueUsd ?? -1) - Number(a.valueUsd ?? -1) || (a.chain + a.asset < b.chain + b.asset ? -1 : 1));
    this.balances.replaceChildren(...rows.map((balance) => {
      const held = pointed(balance.raw, balance.decimals);
      return h("tr", {}, assetCell(balance, pill(balance)),
        h("td", { class: "dim" }, this.chains.name(balance.chain)), h("td", { class: "r", title: held }, ...shownQuantity(held, balance.decimals)),
        priceCell(balance), money(balance.valueUsd, { why: NO_PRICE }), this.#drifted(balance));
    }));
    const newest = wallets.filter((wallet) => wallet.takenAt).sort((a, b) => b.takenAt - a.takenAt)[0];
    const worth = (this.#worth?.wallets ?? []).map((wallet) => `${headline(wallet.valueUsd)} on ${this.chains.name(wallet.chain)}`).join(", ");
    this.taken.textContent = newest ? [worth, newest.provider, ago(newest.takenAt)].filter(Boolean).join(", ") : "";
    const incomplete = wallets.filter((wallet) => wallet.incomplete);
    this.taken.title = incomplete.map((wallet) => `${this.chains.name(wallet.chain)}: ${wallet.incompleteReason}`).join("; ");
    if (incomplete.length) this.taken.textContent += ", incomplete";
    if (!rows.length) this.balances.append(emptyRow(6, newest ? "Empty." : wallets.length ? "The first snapshot is on its way." : "Not tracked."));
  }
}

/** A quantity for a table; of a token without known decimals the smallest units are counted, which is said. */
const shownQuantity = (text, decimals) => [
  amount(text), typeof decimals === "number" ? null : h("abbr", { class: "raw", title: "in the token's smallest unit: its decimals are not known" }, "raw")];

/** A price with its age. */
function priceCell({ priceUsd, priceAt, priceSource }) {
  if (typeof priceUsd !== "string") return h("td", { class: "r dim", title: NO_PRICE }, "—");
  return h("td", { class: "r", title: `${priceUsd}, ${priceSource ?? "tape"}, of ${exactly(priceAt)}` }, price(priceUsd));
}

/** What is said of a balance. */
function pill({ spam, kept }) {
  if (kept) return h("span", { class: "pill", title: "the provider could not tell it: this is the last balance that it told" }, "last known");
  return spam && h("span", { class: "pill" }, "spam");
}
