// One chain: its state and why, heights, endpoint, plugin, what became no trade, and its trades.

import { stateOf, wrongWith } from "./chains.js";
import { ago, count, exactly, h, short } from "./format.js";
import { emptyRow, facts, figure, panel, table } from "./parts.js";
import { linkTo } from "./place.js";
import { Tape } from "./tape.js";

/** What the reasons mean, for which something that looks like a trade became none. */
const REASONS = {
  unbacked: "nothing moved as the event says",
  "not-a-pool": "its tokens are unknown",
  unlisted: "it is of a vault that is not in the plugin's list",
};

export class Chain {
  constructor({ client, chains }, id, query) {
    this.chains = chains;
    this.id = id;
    this.title = `${id} · Chaintape`;
    this.name = h("h1", {}, chains.name(id));
    this.state = h("span", { class: "pill" }, "…");
    this.figures = h("dl", { class: "figures" });
    this.reasons = h("ul", { class: "reasons", hidden: true });
    this.about = h("div", {});
    this.dropped = h("tbody");
    this.candidates = h("tbody");
    this.tape = new Tape(client.stream, chains, { id: "chain-trades", title: "Trades", fixed: { chain: id }, asked: query });
    this.element = h("div", {},
      h("div", { class: "who" }, this.name, this.state, h("div", { class: "scopes" }, h("a", { class: "tool", href: linkTo("", [], { chain: id }) }, "On the tape"))),
      this.reasons,
      this.figures,
      panel("How it is followed", [], this.about),
      h("div", { class: "pair even" },
        panel("Became no trade", [h("span", { class: "dim" }, "looked like one, since the chain began: a count that grows is a venue that is new")],
          table("Became no trade", ["Venue", "Why", ">Count"], this.dropped, "short")),
        panel("Plugins waiting", [h("span", { class: "dim" }, "dropped in and not in force")], table("Plugins waiting", ["File", "State", "Why, and what to do"], this.candidates, "short"))),
      this.tape.element);
    this.draw = () => this.#draw();
    chains.addEventListener("changed", this.draw);
    this.#draw();
  }

  close() {
    this.chains.removeEventListener("changed", this.draw);
    this.tape.close();
  }

  #draw() {
    const chain = this.chains.get(this.id);
    if (!chain) {
      this.reasons.hidden = this.chains.ids().length === 0;
      this.reasons.replaceChildren(h("li", {}, `No chain ${this.id} is followed here: ${this.chains.ids().map((id) => this.chains.name(id)).join(", ")}.`));
      return;
    }
    const state = stateOf(chain);
    const block = (one) => (one ? count(one.height) : "—");
    this.name.textContent = this.chains.name(this.id);
    this.state.className = `pill ${state}`;
    this.state.textContent = state;
    const reasons = [chain.reason, ...wrongWith(chain)].filter(Boolean);
    this.reasons.hidden = !reasons.length;
    this.reasons.replaceChildren(...reasons.map((reason) => h("li", {}, reason)));
    this.figures.replaceChildren(
      figure("State", state, { small: chain.since ? `since ${ago(chain.since)}` : "" }),
      figure("On the tape", block(chain.published), { small: chain.published ? short(chain.published.hash) : "", exact: chain.published?.hash }),
      figure("Head", block(chain.latest), { small: `${count(chain.lagBlocks)} behind it` }),
      figure("Final at", block(chain.finalized), { exact: chain.finalized?.hash }),
      figure("Unbacked", count(chain.unbacked), { small: "trades without backing, not published" }));
    const { watch, plugin, display, covered } = chain;
    const watched = [["not covered", watch.gap], ["lost", watch.lost], ["doubled", watch.doubled], ["set aside unread", watch.deadLettered]];
    this.about.replaceChildren(facts([
      ["Id", h("span", { class: "mono" }, chain.chain)],
      ["Network", h("span", { class: "mono" }, chain.network)],
      ["Endpoint", chain.endpoint ?? "none in use"],
      ["Last heard of", ago(chain.at), exactly(chain.at)],
      ["Completeness proved by", chain.proof],
      ["Plugin", `${plugin.id} ${plugin.version}`, plugin.digest],
      ["Heights on the tape", covered.map(({ from, to }) => `${count(from)}–${count(to)}`).join(", ") || "none"],
      ["Must be zero", watched.map(([name, figure]) => `${count(figure)} ${name}`).join(", ")],
      ["Symbol", display?.symbol],
    ]));
    const dropped = [...chain.dropped].sort((one, other) => other.count - one.count);
    this.dropped.replaceChildren(...dropped.map(({ venue, reason, count: times }) => h("tr", {},
      h("td", {}, h("span", { class: "venue" }, venue)), h("td", { class: "dim", title: REASONS[reason] }, reason), h("td", { class: "r" }, count(times)))));
    if (!dropped.length) this.dropped.append(emptyRow(3, "Nothing."));
    this.candidates.replaceChildren(...chain.candidates.map(({ file, state: standing, reason, fix }) => h("tr", {},
      h("td", { class: "mono" }, file), h("td", {}, standing), h("td", { class: "says" }, [reason, fix].filter(Boolean).join(" ")))));
    if (!chain.candidates.length) this.candidates.append(emptyRow(3, "None."));
  }
}
