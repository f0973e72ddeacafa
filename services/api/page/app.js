// The page: shows what the part of the address behind `#` names, and the state of the stream.

import { Asset, Assets } from "./asset.js";
import { Chain } from "./chain.js";
import { ChainCards, Chains } from "./chains.js";
import { Explain } from "./explain.js";
import { exactly, h } from "./format.js";
import { Leaders } from "./leaders.js";
import { linkTo, parsePlace, toTrade, toTransaction, toUser } from "./place.js";
import { Platform, Platforms } from "./platform.js";
import { Tape } from "./tape.js";
import { Trade, Transaction } from "./trade.js";
import { User } from "./user.js";
import { Client } from "./client/client.js";

const main = document.getElementById("main");
const link = document.getElementById("link");
const stale = document.getElementById("stale");
const news = document.getElementById("news");
const lookup = document.getElementById("lookup");
const places = document.querySelectorAll("nav.places a");
const STATES = { live: ["live", "Live"], idle: ["", "Connecting"], connecting: ["", "Connecting"], lost: ["lost", "Reconnecting"] };
/** A connection that is back within this time is not worth a banner. */
const STALE_AFTER_MS = 2_500;

const client = new Client(location.href);
const { rest, stream } = client;
addEventListener("online", () => stream.hurry());
document.addEventListener("visibilitychange", () => document.hidden || stream.hurry());

let lostAt = null;
let warning = 0;
stream.addEventListener("state", ({ detail }) => {
  const [name, text] = STATES[detail];
  link.className = `link ${name}`;
  if (link.lastChild.textContent !== text) link.lastChild.textContent = text;
  if (detail === "live") {
    clearTimeout(warning);
    [lostAt, warning, stale.hidden] = [null, 0, true];
  } else if (lostAt === null) {
    lostAt = Date.now();
    warning = setTimeout(() => {
      stale.firstElementChild.textContent = `Not live since ${exactly(lostAt)}: what is shown may be old. It goes on where it was once the connection is back.`;
      stale.hidden = false;
    }, STALE_AFTER_MS);
  }
});
stale.querySelector("button").addEventListener("click", () => stream.hurry());

/** What every view may use. */
const app = { client, chains: new Chains(client) };

/** The tape with the chains above it. */
class Home {
  constructor({ client: { stream: tapeStream }, chains }, query) {
    this.title = "Chaintape";
    this.tape = new Tape(tapeStream, chains, { id: "trades", title: "Live tape", asked: query, changed: ({ chain }) => this.cards.choose(chain) });
    this.cards = new ChainCards(chains, query.chain, (chain) => this.tape.ask({ chain }));
    this.element = h("div", {}, h("h1", { class: "hidden" }, "The tape"), this.cards.element, this.tape.element);
  }

  close() {
    this.cards.close();
    this.tape.close();
  }
}

/** The view of each place, by how many parts its address has. */
const VIEWS = {
  leaders: ([], query) => new Leaders(app, query),
  assets: ([], query) => new Assets(app, query),
  asset: ([chain, asset], query) => chain && asset && new Asset(app, chain, asset, query),
  platforms: () => new Platforms(app),
  platform: ([platform], query) => platform && new Platform(app, platform, query),
  chain: ([chain], query) => chain && new Chain(app, chain, query),
  trade: ([id]) => id && new Trade(app, id),
  tx: ([chain, hash]) => chain && hash && new Transaction(app, chain, hash),
  user: ([one, other], query) => one && (other ? new User(app, other, one, query) : new User(app, one, undefined, query)),
  explain: ([chain, address, asset]) => asset && new Explain(app, chain, address, asset),
};
/** Which entry of the navigation a place belongs to. */
const BELONGS = { asset: "assets", platform: "platforms" };

let view = null;

/** Shows what the part of the address behind `#` names. */
function route() {
  const { place, parts, query } = parsePlace(location.hash);
  const first = view === null;
  view?.close();
  view = VIEWS[place]?.(parts, query) || new Home(app, query);
  const entry = BELONGS[place] ?? place;
  for (const anchor of places) {
    if (anchor.dataset.place === entry) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  main.replaceChildren(view.element);
  document.title = view.title;
  if (!first) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

/** Where a text that somebody looks up leads: a trade, a transaction, an asset or a user. */
async function placeOf(text) {
  if (text.split("/").length === 4) return toTrade(text);
  const isTransaction = /^0x[0-9a-f]{64}$/i.test(text) || /^[1-9A-HJ-NP-Za-km-z]{80,90}$/.test(text) || /^[0-9A-F]{64}$/.test(text);
  if (isTransaction) {
    const found = await rest.get("/v1/trades", { query: { tx: text, status: "all", limit: 1 } }).catch(() => null);
    const [trade] = found?.items ?? [];
    if (trade) return toTransaction(trade.chain, trade.transaction.hash);
  }
  return /^[^\s:/]{1,20}$/.test(text) && !/^0x/i.test(text) ? linkTo("assets", [], { search: text }) : toUser(text);
}

lookup.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = lookup.address.value.trim();
  if (!text) return;
  const place = await placeOf(text);
  if (location.hash === place) route();
  else location.hash = place;
  lookup.address.value = "";
});

addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.matches("input") && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    lookup.address.focus();
  }
});

// Screen readers announce now and then how many trades arrived, never row by row.
setInterval(() => {
  const arrived = view?.tape?.news() ?? 0;
  news.textContent = arrived ? `${arrived} new ${arrived === 1 ? "trade" : "trades"}` : "";
}, 20_000);

addEventListener("hashchange", route);
route();
