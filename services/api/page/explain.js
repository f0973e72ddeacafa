// A position explained: the trades it is made of, each with its effect, lot by lot.

import { amount, count, exactly, h, pointed, short, trend, usd, when } from "./format.js";
import { table } from "./parts.js";
import { toAsset, toTrade, toUser } from "./place.js";

export class Explain {
  constructor({ client: { rest }, chains }, chain, address, asset) {
    this.title = `${address} explained · Chaintape`;
    this.chains = chains;
    this.chain = chain;
    this.body = h("tbody");
    this.note = h("span", { class: "dim" }, "…");
    this.more = h("button", { class: "tool", type: "button", hidden: true }, "More");
    const back = h("a", { class: "tool", href: toUser(address) }, "Back to the user");
    this.element = h("section", { class: "panel", "aria-labelledby": "explain-title" },
      h("header", {}, h("h1", { id: "explain-title", class: "mono", title: asset }, h("a", { href: toAsset(chain, asset) }, short(asset))), this.note, h("div", { class: "tools" }, back)),
      table("The trades behind a position", ["Time", "Side", ">Quantity", ">Worth", ">Cost", ">Realized", ">No basis", ">Held after", ">Cost after"], this.body),
      h("p", { class: "more" }, this.more));
    const path = "/v1/users/{address}/positions/{chain}/{asset}/explain";
    const read = async (cursor) => {
      try {
        const page = await rest.get(path, { path: { address, chain, asset }, query: { limit: 100, ...(cursor && { cursor }) } });
        this.#draw(page);
        this.more.hidden = !page.next;
        this.more.onclick = () => read(page.next);
      } catch (error) {
        this.note.textContent = error.message;
      }
    };
    read();
  }

  close() {}

  #draw({ method, position, items }) {
    const name = method === "fifo" ? "first in, first out" : "moving weighted average";
    this.note.textContent = `${position.symbol ?? ""} on ${this.chains.name(this.chain)}, by ${name}: realized ${usd(position.realizedPnlUsd)}, held at ${usd(position.basisUsd)}`;
    const dollars = (text, signed) => h("td", { class: `r ${signed && text ? trend(text) : ""}`, title: text }, text ? usd(text) : "—");
    this.body.append(...items.map((step) => {
      const time = h("td", { class: "dim", title: `${exactly(step.at)}, block ${count(step.height)}` }, h("a", { href: toTrade(step.tradeId) }, when(step.at)));
      const quantity = pointed(step.quantity, position.decimals);
      const held = pointed((BigInt(step.after.quantity) + BigInt(step.after.unknownQuantity)).toString(), position.decimals);
      const lots = (step.lots ?? []).map((lot) => `${pointed(lot.quantity, position.decimals)} at ${usd(lot.basisUsd)} of ${lot.tradeId}`).join("\n");
      return h("tr", {}, time, h("td", {}, step.side), h("td", { class: "r", title: quantity }, amount(quantity)),
        dollars(step.worthUsd), h("td", { class: "r", title: lots || step.basisReleasedUsd }, step.basisReleasedUsd ? usd(step.basisReleasedUsd) : "—"),
        dollars(step.realizedPnlUsd, true), dollars(step.proceedsWithoutBasisUsd === "0" ? undefined : step.proceedsWithoutBasisUsd),
        h("td", { class: "r", title: held }, amount(held)), dollars(step.after.basisUsd));
    }));
  }
}
