// One trade with everything that is known of it, and the trades of one transaction.

import { count, exactly, h, short, usd } from "./format.js";
import { confidence, emptyRow, facts, figure, money, panel, quantity, stateOfTrade, statusNow, table } from "./parts.js";
import { toChain, toPlatform, toTrade, toTransaction, toUser } from "./place.js";

/** By which rule a trader was found, as sentences. */
const EVIDENCE = {
  "tx-sender": "they sent the transaction",
  recipient: "the pool names them as the recipient",
  signer: "they signed the transaction",
  "event-owner": "the event names them as the owner",
  "two-sided": "of all addresses, theirs alone gave one asset and got the other",
};

const SOURCES = {
  "stable-leg": "one side is a dollar",
  "reference-pool": "by the chain's reference pool in the same block",
};

export class Trade {
  constructor({ client, chains }, id) {
    this.rest = client.rest;
    this.stream = client.stream;
    this.chains = chains;
    this.id = id;
    this.title = "Trade · Chaintape";
    this.note = h("p", { class: "empty" }, "…");
    this.content = h("div", {}, this.note);
    this.element = h("div", {}, h("div", { class: "who" }, h("h1", {}, "Trade"), h("span", { class: "mono dim id" }, id)), this.content);
    // It was observed until its block became final.
    this.redraw = () => this.trade && (this.named !== chains.name(this.trade.chain) || this.status !== statusNow(this.trade, chains)) && this.#draw(this.trade);
    chains.addEventListener("changed", this.redraw);
    this.#read();
  }

  close() {
    this.closed = true;
    this.chains.removeEventListener("changed", this.redraw);
    this.stop?.();
  }

  async #read() {
    try {
      const trade = await this.rest.get("/v1/trades/{tradeId}", { path: { tradeId: this.id } });
      if (this.closed) return;
      this.#draw(trade);
      // Its state changes while it is shown: it becomes final, or a reorg takes it back.
      this.stop = this.stream.subscribe("trade", "trades", { chain: trade.chain, trader: trade.trader.address }, (message) => {
        if ((message.type === "apply" || message.type === "revert") && message.data.tradeId === this.id) this.#draw(message.data);
      }, 0);
    } catch (error) {
      this.note.textContent = error.message;
    }
  }

  #draw(trade) {
    this.trade = trade;
    this.named = this.chains.name(trade.chain);
    const status = statusNow(trade, this.chains);
    this.status = status;
    const { chain, block, transaction, trader, valuation, legs, detector, attributes = {} } = trade;
    const explorer = this.chains.link(chain, "tx", transaction.hash);
    const amountOf = (side) => h("span", { class: "amount" }, ...quantity({ ...side, chain }));
    const others = Object.entries(attributes).filter(([name]) => name !== "confidence");
    const fees = (trade.fees ?? []).map((fee) => h("tr", {}, h("td", {}, fee.kind), h("td", { class: "r" }, ...quantity({ ...this.#known(trade, fee), chain })),
      h("td", { class: "mono", title: fee.recipient }, fee.recipient ? h("a", { href: toUser(fee.recipient) }, short(fee.recipient)) : "—"),
      h("td", { class: "dim" }, fee.included ? "in the amounts above" : "beside the amounts")));
    const crossed = legs.map((leg) => h("tr", {}, h("td", {}, h("span", { class: "venue" }, leg.venue)), h("td", { class: "mono", title: leg.pool }, short(leg.pool)),
      h("td", { class: "r" }, ...quantity({ ...this.#known(trade, leg.sold), chain })), h("td", { class: "r" }, ...quantity({ ...this.#known(trade, leg.bought), chain }))));
    this.content.replaceChildren(
      h("dl", { class: "figures" },
        figure("Sold", amountOf(trade.sold), { small: trade.sold.quote ? "cash" : "" }),
        figure("Bought", amountOf(trade.bought), { small: trade.bought.quote ? "cash" : "" }),
        figure("Value", valuation ? usd(valuation.notionalUsd) : "not valued", { exact: valuation?.notionalUsd, small: valuation ? SOURCES[valuation.source] ?? valuation.source : "no stable coin and no reference pool says" }),
        figure("Platform fee", valuation?.feeUsd ? usd(valuation.feeUsd) : "—", { exact: valuation?.feeUsd, small: trade.platform ?? "no platform" }),
        figure("State", stateOfTrade(status), { small: status === "reverted" ? "a reorg took it back" : status === "finalized" ? "its block is final" : "its block may still be left" })),
      panel("What is known", [], facts([
        ["Chain", h("a", { href: toChain(chain) }, this.chains.name(chain)), trade.network],
        ["Time", exactly(block.timestamp)],
        ["Block", `${count(block.height)}`, block.hash],
        ["Transaction", [h("a", { class: "mono", href: toTransaction(chain, transaction.hash) }, short(transaction.hash)), explorer ? " " : "",
          explorer ? h("a", { class: "dim", href: explorer, target: "_blank", rel: "noreferrer" }, "explorer") : ""], transaction.hash],
        ["Sent by", h("a", { class: "mono", href: toUser(transaction.from) }, short(transaction.from)), transaction.from],
        ["Sent to", transaction.to ? h("span", { class: "mono" }, short(transaction.to)) : undefined, transaction.to],
        ["Trader", h("a", { class: "mono", href: toUser(trader.address) }, short(trader.address)), trader.address],
        ["Why this trader", EVIDENCE[trader.evidence] ? `${EVIDENCE[trader.evidence]} (${trader.evidence})` : trader.evidence],
        ["Confidence", confidence(trade, true) ?? "exact: by what moved"],
        ["Platform", trade.platform ? h("a", { href: toPlatform(trade.platform) }, trade.platform) : undefined],
        ["Kind", trade.kind],
        ["Seen by", `${detector.plugin} ${detector.version}`, detector.digest],
        ...others.map(([name, value]) => [name, h("span", { class: "mono" }, String(value).length > 15 ? short(String(value)) : String(value)), String(value)]),
      ])),
      panel("Pools crossed", [h("span", { class: "dim" }, `${count(legs.length)} in this order`)], table("Pools crossed", ["Venue", "Pool", ">In", ">Out"], h("tbody", {}, ...crossed))),
      panel("Fees", [], table("Fees", ["Kind", ">Amount", "To", "Contained"], h("tbody", {}, ...(fees.length ? fees : [emptyRow(4, "None is known.")])))));
  }

  /** An amount with the decimals and ticker of the trade's side of the same asset, which legs and fees do not repeat. */
  #known({ sold, bought }, { asset, raw }) {
    const side = [sold, bought].find((one) => one.asset === asset);
    return { asset, raw, decimals: side?.decimals, symbol: side?.symbol };
  }
}

export class Transaction {
  constructor({ client, chains }, chain, hash) {
    this.rest = client.rest;
    this.chains = chains;
    this.title = "Transaction · Chaintape";
    this.body = h("tbody");
    this.note = h("span", { class: "dim" }, "…");
    const explorer = chains.link(chain, "tx", hash);
    this.element = h("div", {},
      h("div", { class: "who" }, h("h1", { class: "mono" }, hash), h("div", { class: "scopes" }, h("a", { class: "tool", href: toChain(chain) }, chains.name(chain)),
        explorer ? h("a", { class: "tool", href: explorer, target: "_blank", rel: "noreferrer" }, "Explorer") : null)),
      panel("Trades of this transaction", [this.note], table("Trades of this transaction", ["Trade", "Trader", ">Sold", ">Bought", ">Value", "Venue", "Status"], this.body)));
    this.#read(chain, hash);
  }

  close() {
    this.closed = true;
  }

  async #read(chain, hash) {
    try {
      const { items, next } = await this.rest.get("/v1/transactions/{chain}/{hash}", { path: { chain, hash }, query: { status: "all", limit: 500 } });
      if (this.closed) return;
      this.note.textContent = next ? `the first ${count(items.length)}, the last one first` : "reverted ones too, the last one first";
      this.body.replaceChildren(...items.map((trade) => h("tr", {},
        h("td", {}, h("a", { href: toTrade(trade.tradeId), title: trade.tradeId }, `No. ${trade.ordinal}`)),
        h("td", { class: "mono" }, h("a", { href: toUser(trade.trader.address), title: trade.trader.address }, short(trade.trader.address))),
        h("td", { class: "r" }, ...quantity({ ...trade.sold, chain })), h("td", { class: "r" }, ...quantity({ ...trade.bought, chain })),
        money(trade.valuation?.notionalUsd, { why: "not valued" }),
        h("td", {}, h("span", { class: "venues" }, ...[...new Set(trade.legs.map(({ venue }) => venue))].map((venue) => h("span", { class: "venue" }, venue)))),
        h("td", {}, confidence(trade), stateOfTrade(statusNow(trade, this.chains))))));
      if (!items.length) this.body.append(emptyRow(7, "No trade of this transaction was seen."));
    } catch (error) {
      this.note.textContent = "";
      this.body.replaceChildren(emptyRow(7, error.message));
    }
  }
}
