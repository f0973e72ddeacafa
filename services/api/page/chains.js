// The chains: one card each, and their names and links for the other modules.

import { ago, count, h } from "./format.js";
import { toChain } from "./place.js";

/** A chain of which nothing was heard for so long is stale. */
const STALE_AFTER_MS = 30_000;

/** The chain's state now. */
export function stateOf({ state, at }) {
  return state !== "parked" && Date.now() - at > STALE_AFTER_MS ? "stale" : state;
}

/** What the chains are called and do; tells `names` when one is new and `changed` when anything is. */
export class Chains extends EventTarget {
  #chains = new Map();

  constructor(client) {
    super();
    const live = client.live("chains", {});
    live.listen(() => {
      const known = [...this.#chains.keys()].join();
      this.#chains = new Map((live.get().data ?? []).map((chain) => [chain.chain, chain]));
      if ([...this.#chains.keys()].join() !== known) this.dispatchEvent(new Event("names"));
      this.dispatchEvent(new Event("changed"));
    });
    // A chain of which nothing is heard any more sends no update that says so.
    setInterval(() => this.dispatchEvent(new Event("changed")), STALE_AFTER_MS / 4);
  }

  get(chain) {
    return this.#chains.get(chain);
  }

  all() {
    return [...this.#chains.values()];
  }

  ids() {
    return [...this.#chains.keys()];
  }

  name(chain) {
    return this.#chains.get(chain)?.display?.name ?? chain;
  }

  /** A link to a block explorer, where the chain names one. */
  link(chain, kind, identity) {
    const pattern = this.#chains.get(chain)?.display?.[`explorer_${kind}`];
    return isSafe(pattern) ? pattern.replace("{}", encodeURIComponent(identity)) : null;
  }
}

/** Only pages of others that are safe to open. */
const isSafe = (pattern) => pattern?.startsWith("https://");

/** A card for each chain; `select` is told which one was chosen, or none. */
export class ChainCards {
  #cards = new Map();

  constructor(chains, selected, select) {
    this.chains = chains;
    this.selected = selected;
    this.select = select;
    this.element = h("ul", { class: "chains", "aria-label": "Chains" });
    this.draw = () => this.#draw();
    chains.addEventListener("changed", this.draw);
    this.#draw();
  }

  close() {
    this.chains.removeEventListener("changed", this.draw);
  }

  /** Shows which chain is chosen. */
  choose(id) {
    this.selected = id;
    for (const [chain, item] of this.#cards) item.firstChild.setAttribute("aria-pressed", String(id === chain));
  }

  #draw() {
    const ids = this.chains.ids().sort();
    for (const [id, item] of this.#cards) {
      if (ids.includes(id)) continue;
      item.remove();
      this.#cards.delete(id);
    }
    ids.forEach((id, at) => {
      let item = this.#cards.get(id);
      if (!item) {
        item = h("li", {},
          h("button", { class: "chain", type: "button", onclick: () => {
            this.choose(this.selected === id ? undefined : id);
            this.select(this.selected);
          } }),
          h("a", { class: "details", href: toChain(id) }));
        this.#cards.set(id, item);
      }
      if (this.element.children[at] !== item) this.element.insertBefore(item, this.element.children[at] ?? null);
      this.#show(item, this.chains.get(id));
    });
  }

  #show(item, chain) {
    const name = this.chains.name(chain.chain);
    const fact = (term, value, title) => h("div", { title }, h("dt", {}, term), h("dd", {}, value));
    const [card, details] = item.children;
    card.setAttribute("aria-pressed", String(this.selected === chain.chain));
    card.title = `As of ${ago(chain.at)}; select to show only ${name} on the tape`;
    card.replaceChildren(
      h("span", { class: "top" }, h("span", { class: "name" }, name), h("span", { class: `pill ${stateOf(chain)}`, title: chain.endpoint }, stateOf(chain))),
      h("span", { class: "height" }, chain.published ? count(chain.published.height) : "—"),
      h("dl", {},
        fact("final at", chain.finalized ? count(chain.finalized.height) : "—"),
        fact("behind", count(chain.lagBlocks), "blocks between the chain's head and the tape"),
        fact(chain.plugin.id, chain.plugin.version, chain.plugin.digest)),
      ...brief([chain.reason, ...wrongWith(chain)].filter(Boolean)).map((sentence) => h("span", { class: "reason" }, sentence)),
    );
    details.textContent = "Details";
    details.setAttribute("aria-label", `Details of ${name}`);
  }
}

/** The first sentences, and how many more there are among the details. */
const brief = (sentences) => (sentences.length > 2 ? [sentences[0], `and ${count(sentences.length - 1)} more`] : sentences);

/** One sentence for each figure of a chain that should be zero and is not, and each plugin that waits or was refused. */
export function wrongWith({ watch, covered, candidates }) {
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
