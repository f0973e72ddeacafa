// The page: shows what the part of the address behind `#` names, and the state of the stream.

import { Chains } from "./chains.js";
import { Explain } from "./explain.js";
import { Leaders } from "./leaders.js";
import { Rest } from "./client/rest.js";
import { Stream } from "./client/stream.js";
import { Tape } from "./tape.js";
import { User } from "./user.js";
import { h } from "./format.js";

const main = document.getElementById("main");
const link = document.getElementById("link");
const news = document.getElementById("news");
const lookup = document.getElementById("lookup");
const places = document.querySelectorAll("nav.places a");
const STATES = { live: ["live", "Live"], connecting: ["", "Connecting"], lost: ["lost", "Reconnecting"] };

const rest = new Rest(location.href);
const stream = new Stream(location.href);
addEventListener("online", () => stream.hurry());
document.addEventListener("visibilitychange", () => document.hidden || stream.hurry());
stream.addEventListener("state", ({ detail }) => {
  const [name, text] = STATES[detail];
  link.className = `link ${name}`;
  if (link.lastChild.textContent !== text) link.lastChild.textContent = text;
});

const chains = new Chains(stream);
let view = null;

function home() {
  const tape = new Tape(stream, chains, { id: "trades", title: "Live tape" });
  const select = () => tape.show(chains.selected);
  chains.addEventListener("selected", select);
  select();
  const element = h("div", {}, h("h1", { class: "hidden" }, "The tape"), chains.element, tape.element);
  const close = () => {
    chains.removeEventListener("selected", select);
    tape.close();
  };
  return { element, tape, close, title: "Chaintape" };
}

function user(parts) {
  const [chain, address] = parts.length > 1 ? parts : [null, parts[0]];
  const one = new User(rest, stream, chains, address, chain);
  return { element: one.element, tape: one.tape, close: () => one.close(), title: `${address} · Chaintape` };
}

function leaders() {
  const board = new Leaders(rest);
  return { element: board.element, tape: null, close: () => board.close(), title: "Leaders · Chaintape" };
}

function explain([chain, address, asset]) {
  const one = new Explain(rest, chains, { chain, address, asset });
  return { element: one.element, tape: null, close: () => {}, title: `${address} explained · Chaintape` };
}

/** Shows what the part of the address behind `#` names. */
function route() {
  const [place, ...parts] = location.hash.replace(/^#\/?/, "").split("/").map(plain).filter(Boolean);
  const first = view === null;
  view?.close();
  if (place === "user" && parts.length) view = user(parts);
  else if (place === "explain" && parts.length === 3) view = explain(parts);
  else if (place === "leaders") view = leaders();
  else view = home();
  for (const anchor of places) anchor.toggleAttribute("aria-current", anchor.dataset.place === (place ?? ""));
  main.replaceChildren(view.element);
  document.title = view.title;
  if (!first) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

function plain(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

lookup.addEventListener("submit", (event) => {
  event.preventDefault();
  const address = lookup.address.value.trim();
  if (!address) return;
  location.hash = `#/user/${encodeURIComponent(address)}`;
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
