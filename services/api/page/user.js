// One user: totals, positions, what the wallet holds, and the trades behind it, all kept live.

import { Curve } from "./curve.js";
import { Tape } from "./tape.js";
import { ago, amount, count, decimal, h, headline, pointed, short, trend, units, usd } from "./format.js";

const MONEY = ["volumeUsd", "feesUsd", "realizedPnlUsd", "realizedPnlNetUsd", "proceedsUsd", "proceedsWithoutBasisUsd", "basisWithoutProceedsUsd", "proceedsInDoubtUsd"];
const COUNTS = ["swaps", "unvalued", "cycles"];
const WINDOWS = [["all", "All time"], ["30d", "30 days"], ["7d", "7 days"], ["24h", "24 hours"]];
/** How long after a change the windows are read again: they are sums of whole hours. */
const AGAIN_MS = 5_000;

export class User {
  #totals = new Map();
  #positions = new Map();
  #balances = new Map();
  #wallets = new Map();
  #drift = new Map();
  #window = "all";
  #windowed = null;
  #again = 0;
  #stops = [];
  #frame = 0;

  constructor(rest, stream, chains, address, chain) {
    const lowered = /^0x[0-9a-f]*$/i.test(address) ? address.toLowerCase() : address;
    this.rest = rest;
    this.chains = chains;
    this.figures = h("dl", { class: "figures" });
    this.positions = h("tbody");
    this.balances = h("tbody");
    this.taken = h("span", { class: "dim" });
    this.scopes = h("div", { class: "scopes", role: "group", "aria-label": "Chains of this user" });
    this.address = lowered;
    this.chain = chain;
    this.curve = new Curve("Realized profit and loss");
    this.windows = h("div", { class: "tools", role: "group", "aria-label": "Span of time" }, ...WINDOWS.map(([id, name]) =>
      h("button", { class: "tool", type: "button", "data-window": id, "aria-pressed": String(id === "all"), onclick: () => this.#choose(id) }, name)));
    this.tape = new Tape(stream, chains, { id: "user-trades", title: "Trades", trader: lowered });
    const head = (text, name) => h("th", { scope: "col", class: name }, text);
    this.element = h("div", {},
      h("div", { class: "who" }, h("h1", {}, lowered), this.scopes),
      this.figures,
      h("section", { class: "panel curve", "aria-labelledby": "curve-title" },
        h("header", {}, h("h2", { id: "curve-title" }, "Realized PnL"), h("span", { class: "dim" }, "before fees, added up"), this.windows),
        this.curve.element),
      h("div", { class: "pair" },
        h("section", { class: "panel", "aria-label": "Positions" },
          h("header", {}, h("h2", {}, "Positions"), h("span", { class: "dim" }, "from trades")),
          h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, head("Asset"), head("Chain"), head("Quantity", "r"), head("Cost basis", "r"), head("Realized", "r"))), this.positions))),
        h("section", { class: "panel", "aria-label": "Portfolio" },
          h("header", {}, h("h2", {}, "Portfolio"), this.taken),
          h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, head("Asset"), head("Chain"), head("Balance", "r"), head("Drift", "r"))), this.balances)))),
      this.tape.element);
    const filter = { address: lowered, ...(chain && { chain }) };
    this.#stops = [
      stream.subscribe("user-metrics", "user.metrics", filter, (message) => this.#metrics(message)),
      stream.subscribe("user-portfolio", "user.portfolio", filter, (message) => this.#portfolio(message)),
    ];
    this.tape.show(chain);
    this.#draw();
    this.#choose("all");
    this.#reconcile();
  }

  close() {
    this.#stops.forEach((stop) => stop());
    this.tape.close();
    this.curve.close();
    clearTimeout(this.#again);
    this.closed = true;
    cancelAnimationFrame(this.#frame);
  }

  /** Shows figures and curve of a span of time. */
  async #choose(window) {
    this.#window = window;
    for (const button of this.windows.children) button.setAttribute("aria-pressed", String(button.dataset.window === window));
    const question = { path: { address: this.address }, query: { window, ...(this.chain && { chain: this.chain }) } };
    try {
      const [metrics, history] = await Promise.all([
        window === "all" ? null : this.rest.get("/v1/users/{address}/metrics", question),
        this.rest.get("/v1/users/{address}/history", question),
      ]);
      if (this.closed || this.#window !== window) return;
      this.#windowed = metrics;
      this.curve.show(history.items, history.stepMs);
      this.#later();
    } catch (error) {
      this.curve.fail(error.message);
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

  /** The windows are older than what just arrived: reads them again in a moment. */
  #renew() {
    this.#again ||= setTimeout(() => {
      this.#again = 0;
      if (!this.closed) this.#choose(this.#window);
    }, AGAIN_MS);
  }

  #metrics(message) {
    if (message.type === "snapshot") {
      this.#totals = new Map(message.data.chains.map((totals) => [totals.chain, { totals }]));
      this.#positions = new Map(message.data.positions.map((position) => [`${position.chain}/${position.asset}`, position]));
    } else if (message.type === "update" && this.#mine(message.data.chain, message.data.trader)) {
      const { chain, totals, positions, asOf } = message.data;
      const known = this.#totals.get(chain)?.asOf;
      if (known && known.partition === asOf.partition && known.offset >= asOf.offset) return;
      // What a snapshot of balances puts in doubt is not in the update: what was known of it stands until the next reading.
      const { proceedsInDoubtUsd } = this.#totals.get(chain)?.totals ?? {};
      this.#totals.set(chain, { totals: { proceedsInDoubtUsd, ...totals }, asOf });
      for (const position of positions) {
        const { heldElsewhere } = this.#positions.get(`${chain}/${position.asset}`) ?? {};
        this.#positions.set(`${chain}/${position.asset}`, { heldElsewhere, ...position, chain });
      }
      this.#renew();
    }
    this.#later();
  }

  #portfolio(message) {
    if (message.type === "snapshot") {
      this.#wallets = new Map(message.data.wallets.map((wallet) => [wallet.chain, wallet]));
      this.#balances = new Map(message.data.items.map((balance) => [`${balance.chain}/${balance.asset}`, balance]));
    } else if (message.type === "update" && this.#mine(message.data.chain, message.data.address)) {
      const { chain, provider, takenAt, asOf, incomplete, leftOut, incompleteReason, changes } = message.data;
      if ((this.#wallets.get(chain)?.takenAt ?? 0) > takenAt) return;
      this.#wallets.set(chain, { chain, provider, takenAt, asOf, incomplete, leftOut, incompleteReason });
      for (const { asset, symbol, decimals, after, spam, kept } of changes) {
        if (after === "0") this.#balances.delete(`${chain}/${asset}`);
        else this.#balances.set(`${chain}/${asset}`, { chain, asset, symbol, decimals, raw: after, spam, kept });
      }
      this.#reconcile();
    }
    this.#later();
  }

  #mine(chain, address) {
    return address === this.address && (!this.chain || chain === this.chain);
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    this.#drawScopes();
    this.#drawFigures();
    this.#drawPositions();
    this.#drawBalances();
  }

  #drawScopes() {
    const ids = new Set([...this.#totals.keys(), ...this.#wallets.keys(), ...(this.chain ? [this.chain] : [])]);
    const link = (chain, text) => h("a", { class: "tool", href: chain ? `#/user/${encodeURIComponent(chain)}/${encodeURIComponent(this.address)}` : `#/user/${encodeURIComponent(this.address)}`, "aria-current": chain === this.chain ? "page" : undefined }, text);
    const explorer = this.chain && this.chains.link(this.chain, "address", this.address);
    this.scopes.replaceChildren(link(null, "All chains"), ...[...ids].sort().map((id) => link(id, this.chains.name(id))),
      ...(explorer ? [h("a", { class: "tool", href: explorer, target: "_blank", rel: "noreferrer" }, "Explorer")] : []));
  }

  #drawFigures() {
    const all = this.#windowed ? this.#windowed.chains : [...this.#totals.values()].map(({ totals }) => totals);
    const sum = {};
    for (const name of MONEY) sum[name] = decimal(all.reduce((total, one) => total + units(one[name] ?? "0"), 0n));
    for (const name of COUNTS) sum[name] = all.reduce((total, one) => total + one[name], 0);
    const figure = (term, text, { small = "", exact, signed } = {}) =>
      h("div", {}, h("dt", {}, term), h("dd", { title: exact, class: signed && trend(exact) }, text, h("small", {}, small)));
    const plus = (text) => (trend(text) === "up" ? `+${headline(text)}` : headline(text));
    this.figures.replaceChildren(
      figure("Volume", headline(sum.volumeUsd), { exact: sum.volumeUsd, small: sum.unvalued ? `${count(sum.unvalued)} unvalued` : "all swaps valued" }),
      figure("Realized PnL", plus(sum.realizedPnlUsd), { exact: sum.realizedPnlUsd, signed: true, small: "before fees" }),
      figure("Net of fees", plus(sum.realizedPnlNetUsd), { exact: sum.realizedPnlNetUsd, signed: true, small: "after platform fees" }),
      figure("Fees", headline(sum.feesUsd), { exact: sum.feesUsd, small: "earned by platforms" }),
      figure("Swaps", count(sum.swaps), { small: `${count(sum.cycles)} ${sum.cycles === 1 ? "cycle" : "cycles"} apart` }),
      figure("Without basis", headline(sum.proceedsWithoutBasisUsd), { exact: sum.proceedsWithoutBasisUsd, small: coverage(sum) }));
  }

  #drawPositions() {
    const rows = [...this.#positions.values()].sort((a, b) => Number(b.basisUsd) - Number(a.basisUsd) || (a.asset < b.asset ? -1 : 1));
    this.positions.replaceChildren(...rows.map((position) => {
      const held = pointed((BigInt(position.quantity) + BigInt(position.unknownQuantity)).toString(), position.decimals);
      const part = (raw, what) => (!raw || raw === "0" ? "" : `, of which ${pointed(raw, position.decimals)} ${what}`);
      const unknown = part(position.unknownQuantity, "at unknown cost") + part(position.heldElsewhere, "no longer in the wallet");
      return h("tr", {}, asset(position), h("td", { class: "dim" }, this.chains.name(position.chain)),
        h("td", { class: "r", title: held + unknown }, amount(held)),
        h("td", { class: "r", title: position.basisUsd }, usd(position.basisUsd)),
        h("td", { class: `r ${trend(position.realizedPnlUsd)}`, title: position.realizedPnlUsd },
          h("a", { href: `#/explain/${[position.chain, this.address, position.asset].map(encodeURIComponent).join("/")}`, title: "The trades behind this figure" }, usd(position.realizedPnlUsd))));
    }));
    if (!rows.length) this.positions.append(h("tr", {}, h("td", { class: "dim", colspan: 5 }, "No positions.")));
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
    const rows = [...this.#balances.values()].sort((a, b) => a.spam - b.spam || (a.chain + a.asset < b.chain + b.asset ? -1 : 1));
    this.balances.replaceChildren(...rows.map((balance) => {
      const held = pointed(balance.raw, balance.decimals);
      return h("tr", {}, asset(balance, pill(balance)),
        h("td", { class: "dim" }, this.chains.name(balance.chain)), h("td", { class: "r", title: held }, amount(held)),
        this.#drifted(balance));
    }));
    const newest = [...this.#wallets.values()].filter((wallet) => wallet.takenAt).sort((a, b) => b.takenAt - a.takenAt)[0];
    this.taken.textContent = newest ? `${newest.provider}, ${ago(newest.takenAt)}` : "";
    const incomplete = [...this.#wallets.values()].filter((wallet) => wallet.incomplete);
    this.taken.title = incomplete.map((wallet) => `${this.chains.name(wallet.chain)}: ${wallet.incompleteReason}`).join("; ");
    if (incomplete.length) this.taken.textContent += ", incomplete";
    if (!rows.length) {
      const text = newest ? "Empty." : this.#wallets.size ? "The first snapshot is on its way." : "Not tracked.";
      this.balances.append(h("tr", {}, h("td", { class: "dim", colspan: 4 }, text)));
    }
  }
}

/** How much of what was sold is known on both sides. */
function coverage({ proceedsUsd, proceedsWithoutBasisUsd, basisWithoutProceedsUsd, proceedsInDoubtUsd }) {
  const [proceeds, doubt] = [units(proceedsUsd), units(proceedsInDoubtUsd)];
  const all = proceeds + units(proceedsWithoutBasisUsd) + units(basisWithoutProceedsUsd);
  if (all <= 0n) return "proceeds of unknown cost";
  return `${Number(((proceeds - doubt) * 1000n) / all) / 10} % of what was sold covered`;
}

/** What is said of a balance. */
function pill({ spam, kept }) {
  if (kept) return h("span", { class: "pill", title: "the provider could not tell it: this is the last balance that it told" }, "last known");
  return spam && h("span", { class: "pill" }, "spam");
}

const asset = ({ asset: id, symbol }, extra) =>
  h("td", { title: id }, h("b", {}, symbol?.slice(0, 16) || short(id)), extra ? " " : null, extra || null);
