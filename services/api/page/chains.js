// The chains: one card each, and their names and links for the other modules.

import { ago, count, h } from "./format.js";

/** A chain of which nothing was heard for so long is stale. */
const STALE_AFTER_MS = 30_000;

/** The chain's state now. */
function stateOf({ state, at }) {
  return state !== "parked" && Date.now() - at > STALE_AFTER_MS ? "stale" : state;
}

export class Chains extends EventTarget {
  #chains = new Map();
  #cards = new Map();
  selected = null;

  constructor(stream) {
    super();
    this.element = h("ul", { class: "chains", "aria-label": "Chains" });
    stream.subscribe("chains", "chains", {}, (message) => this.#hear(message));
    // A chain of which nothing is heard any more sends no update that says so.
    setInterval(() => this.#chains.forEach((chain) => this.#show(chain)), STALE_AFTER_MS / 4);
  }

  name(chain) {
    return this.#chains.get(chain)?.display?.name ?? chain;
  }

  /** A link to a block explorer, where the chain names one. */
  link(chain, kind, identity) {
    const pattern = this.#chains.get(chain)?.display?.[`explorer_${kind}`];
    return pattern?.startsWith("https://") ? pattern.replace("{}", encodeURIComponent(identity)) : null;
  }

  ids() {
    return [...this.#chains.keys()];
  }

  #hear(message) {
    if (message.type === "snapshot") {
      this.#chains = new Map(message.data.items.map((chain) => [chain.chain, chain]));
      for (const [id, card] of this.#cards) {
        if (!this.#chains.has(id)) {
          card.remove();
          this.#cards.delete(id);
        }
      }
      message.data.items.forEach((chain) => this.#show(chain));
      this.dispatchEvent(new Event("names"));
    } else if (message.type === "update") {
      const known = this.#chains.has(message.data.chain);
      this.#chains.set(message.data.chain, message.data);
      this.#show(message.data);
      if (!known) this.dispatchEvent(new Event("names"));
    }
  }

  #show(chain) {
    let item = this.#cards.get(chain.chain);
    if (!item) {
      item = h("li", {}, h("button", { class: "chain", type: "button", onclick: () => this.#toggle(chain.chain) }));
      this.#cards.set(chain.chain, item);
      const after = [...this.#cards.keys()].sort().find((id) => id > chain.chain && this.#cards.get(id) !== item);
      this.element.insertBefore(item, after ? this.#cards.get(after) : null);
    }
    const fact = (term, value, title) => h("div", { title }, h("dt", {}, term), h("dd", {}, value));
    const card = item.firstChild;
    card.setAttribute("aria-pressed", String(this.selected === chain.chain));
    card.title = `As of ${ago(chain.at)}; select to show only ${this.name(chain.chain)} on the tape`;
    card.replaceChildren(
      h("div", { class: "top" }, h("span", { class: "name" }, this.name(chain.chain)), h("span", { class: `pill ${stateOf(chain)}`, title: chain.endpoint }, stateOf(chain))),
      h("div", { class: "height" }, chain.published ? count(chain.published.height) : "—"),
      h("dl", {},
        fact("final at", chain.finalized ? count(chain.finalized.height) : "—"),
        fact("behind", count(chain.lagBlocks), "blocks between the chain's head and the tape"),
        fact(chain.plugin.id, chain.plugin.version, chain.plugin.digest)),
      ...(chain.reason ? [h("p", { class: "reason" }, chain.reason)] : []),
      ...wrong(chain).map((sentence) => h("p", { class: "reason" }, sentence)),
    );
  }

  #toggle(id) {
    this.selected = this.selected === id ? null : id;
    for (const [chain, item] of this.#cards) item.firstChild.setAttribute("aria-pressed", String(this.selected === chain));
    this.dispatchEvent(new Event("selected"));
  }
}

/** One sentence for each figure of a chain that should be zero and is not, and each plugin that waits or was refused. */
function wrong({ watch, covered, candidates }) {
  const gaps = covered.slice(1).map((run, at) => [covered[at].to + 1, run.from - 1]).filter(([from, to]) => from <= to);
  const runs = gaps.map(([from, to]) => (from === to ? count(from) : `${count(from)}–${count(to)}`)).join(", ");
  const figures = [
    [watch.gap, `heights not covered: ${runs}`],
    [watch.lost, "records lost"],
    [watch.doubled, "records doubled"],
    [watch.deadLettered, "records set aside unread"],
  ];
  const held = candidates.map(({ file, state, reason, fix }) => [`${file} is ${state}`, reason, fix].filter(Boolean).join(": "));
  return [...figures.filter(([figure]) => figure > 0).map(([figure, what]) => `${count(figure)} ${what}`), ...held];
}
