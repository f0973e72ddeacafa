// The page's own rules that need no browser: how amounts read, what the address bar says, how finely a curve is drawn.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { amount, change, percent, pointed, price, usd } from "../../page/format.js";
import { realizedOverTime } from "../../page/history.js";
import { linkTo, parsePlace, toTrade } from "../../page/place.js";

test("amounts are short, and never in the notation of programmers", () => {
  for (const [text, shown] of [
    ["0", "0"], ["1234.5", "1,234.5"], ["999999999", "999,999,999"], ["1234567890", "1.234 B"], ["123456789012345", "123.4 T"],
    ["40290000000000000000000", "40.29 × 10²¹"], ["1000000000000000000", "1 × 10¹⁸"], ["9999999999999999", "9.999 × 10¹⁵"],
    ["0.00042", "0.00042"], ["0.000000001", "< 0.0000001"], ["12.3456789", "12.3456"], ["5.000000", "5"],
  ]) assert.equal(amount(text), shown, text);
  assert.equal(amount(pointed("40290000000000000000000", 18)), "40,290");
  assert.equal(amount(pointed("40290000000000000000000", undefined)), "40.29 × 10²¹");
  for (let digits = 1; digits <= 78; digits += 1) assert.doesNotMatch(amount("9".repeat(digits)), /e|NaN|undefined/);
});

test("prices, parts and dollars keep what matters", () => {
  assert.deepEqual(["0", "3021.456", "0.5", "0.00001234567", "0.00000000000123"].map(price), ["$0.00", "$3,021.46", "$0.5", "$0.00001235", "$1.23 × 10⁻¹²"]);
  assert.deepEqual(["0.999999", "1", "0.0005"].map(percent), ["99.9 %", "100 %", "0 %"]);
  assert.deepEqual(["-0.05", "0.051"].map(change), ["−5 %", "+5.1 %"]);
  assert.deepEqual(["-0.001", "0.001", "-12.5"].map(usd), ["> −$0.01", "< $0.01", "−$12.50"]);
});

test("an address names a place, its parts and its filters, whatever they contain", () => {
  const id = "mock/0xab/0xcd/0";
  assert.deepEqual(parsePlace(toTrade(id)), { place: "trade", parts: [id], query: {} });
  const link = linkTo("asset", ["osmosis", "ibc/27?39#&"], { interval: "1m", venue: undefined, platform: "a b" });
  assert.deepEqual(parsePlace(link), { place: "asset", parts: ["osmosis", "ibc/27?39#&"], query: { interval: "1m", platform: "a b" } });
  assert.deepEqual(parsePlace(""), { place: "", parts: [], query: {} });
  assert.equal(linkTo("", [], { chain: "mock" }), "#/?chain=mock");
  assert.deepEqual(parsePlace("#/user/%E0%A4%A"), { place: "user", parts: ["%E0%A4%A"], query: {} });
});

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = 1_800_000_000_000;

/** An api that answers with a history by window, and with positions that are explained. */
function api({ windows, steps = [] }) {
  const asked = [];
  return {
    asked,
    async get(path, { query = {} }) {
      asked.push(`${path.split("/").at(-1)} ${query.window ?? ""}`.trim());
      if (path.endsWith("/history")) return windows[query.window];
      if (path.endsWith("/positions")) return { items: [{ chain: "mock", asset: "cat", realizedPnlUsd: "1" }, { chain: "mock", asset: "dog", realizedPnlUsd: "0" }] };
      return { items: steps };
    },
  };
}
const by = (stepMs, ...points) => ({ stepMs, items: points.map(([at, realizedPnlUsd]) => ({ at, realizedPnlUsd })) });

test("on the first day a curve is drawn by the trade", async () => {
  const steps = Array.from({ length: 20 }, (_, number) => ({ at: NOW - HOUR + number * 60_000, realizedPnlUsd: number % 2 ? "-1" : "2" }));
  const rest = api({ windows: { all: by(DAY, [NOW - DAY / 2, "10"]), "7d": by(HOUR, [NOW - HOUR, "10"]) }, steps: [...steps, { at: NOW - HOUR + 5, realizedPnlUsd: undefined }] });
  const { points, made } = await realizedOverTime(rest, { address: "0xa" }, "all", NOW);
  assert.equal(made, "by the trade");
  assert.equal(points.length, 22, "from nothing, each sale, and now");
  assert.deepEqual([points[0].value, points[1].value, points[2].value, points.at(-1)], ["0", "2", "1", { at: NOW, value: "10" }]);
  assert.ok(points.every(({ at }, index) => index === 0 || at >= points[index - 1].at));
});

test("in the first week by the hour, later by the day", async () => {
  const hours = Array.from({ length: 30 }, (_, hour) => [NOW - 40 * HOUR + hour * HOUR, "1"]);
  const young = api({ windows: { all: by(DAY, [NOW - 2 * DAY, "24"], [NOW - DAY, "6"]), "7d": by(HOUR, ...hours) } });
  assert.equal((await realizedOverTime(young, { address: "0xa" }, "all", NOW)).made, "by the hour");
  assert.deepEqual(young.asked, ["history all", "history 7d"]);
  const days = Array.from({ length: 40 }, (_, day) => [NOW - (40 - day) * DAY, "1.5"]);
  const old = api({ windows: { all: by(DAY, ...days) } });
  const { points, made } = await realizedOverTime(old, { address: "0xa" }, "all", NOW);
  assert.deepEqual([made, points.length, points.at(-1).value, old.asked], ["by the day", 41, "60", ["history all"]]);
  assert.deepEqual(await realizedOverTime(api({ windows: { all: by(DAY) } }), { address: "0xa" }, "all", NOW), { points: [], made: "" });
});

test("everything that the page loads is a file of its own that the api serves", async () => {
  const page = new URL("../../page/", import.meta.url);
  const served = await readFile(new URL("../../src/http/page.rs", import.meta.url), "utf8");
  const paths = (await readdir(page, { recursive: true })).filter((path) => /[.]\w+$/.test(path));
  for (const path of paths) assert.ok(served.includes(`include_str!("../../page/${path}")`), `${path} is not served`);
  for (const path of paths.filter((name) => name.endsWith(".js") && !name.startsWith("vendor"))) {
    const text = await readFile(new URL(path, page), "utf8");
    for (const [, name] of text.matchAll(/^(?:import|export) .*from "([^"]+)";$/gm)) {
      const target = new URL(name, new URL(path, page)).href.slice(page.href.length);
      assert.ok(paths.includes(target), `${path} imports ${name}`);
    }
  }
});
