// How every view looks at three widths, light and dark: nothing hangs over the edge, nothing is clipped, and axe-core finds
// nothing serious.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { begin, end, get, open, shot, until } from "./support.mjs";

const WIDTHS = [390, 820, 1440];
const SCHEMES = ["light", "dark"];
/** What axe-core calls worse than moderate. */
const SERIOUS = ["serious", "critical"];
const axe = await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

let browser;
/** Each view with what shows that it is there. */
let views;

before(async () => {
  browser = await begin();
  const { items: [trade] } = await until("v1/trades?chain=mock", ({ items }) => items.length > 0);
  await until("v1/leaderboard?limit=1", ({ items }) => items.length > 0);
  await until("v1/platforms", ({ items }) => items.length > 0);
  const { items: [{ address }] } = await get("v1/leaderboard?limit=1");
  const side = trade.sold.quote ? trade.bought : trade.sold;
  await until(`v1/assets/mock/${encodeURIComponent(side.asset)}`, ({ price }) => price?.usd);
  const [user, asset, id, hash] = [address, side.asset, trade.tradeId, trade.transaction.hash].map(encodeURIComponent);
  views = [
    ["tape", "#/?chain=mock", "table.tape tbody tr"],
    ["user", `#/user/${user}`, "section[aria-label=Positions] tbody tr td b"],
    ["asset", `#/asset/mock/${asset}?interval=1m`, ".plot canvas"],
    ["assets", `#/assets?search=${side.symbol}`, "section tbody tr td a"],
    ["platforms", "#/platforms", "section tbody tr td a"],
    ["platform", "#/platform/tapeswap", "section[aria-label=Users] tbody tr"],
    ["chain", "#/chain/mock", ".facts dd"],
    ["trade", `#/trade/${id}`, ".facts dd"],
    ["transaction", `#/tx/mock/${hash}`, "section tbody tr td a"],
    ["leaders", "#/leaders", "section tbody tr"],
    ["explain", `#/explain/mock/${user}/${asset}`, "#explain-title"],
    ["docs", "docs", "h2.chapter"],
  ];
});

after(() => end(browser));

/** What hangs over the edge of the page, and cells and controls that are cut off by what they stand in. */
function clipped() {
  const found = [];
  const { clientWidth } = document.documentElement;
  if (document.documentElement.scrollWidth > clientWidth) found.push(`the page is ${document.documentElement.scrollWidth} wide on ${clientWidth}`);
  for (const one of document.querySelectorAll("header.bar > *, .tool, .pill, .figures dd, .stale")) {
    const { left, right, width } = one.getBoundingClientRect();
    // What is scrolled within a box of its own may lie beyond the edge.
    if (width > 0 && (left < -1 || right > clientWidth + 1) && !one.closest(".scroll, .chains, .places")) found.push(`${one.className}: ${one.textContent.slice(0, 40)} from ${left} to ${right}`);
  }
  // The tape is read without scrolling sideways.
  for (const tape of document.querySelectorAll(".scroll:has(> table.tape)")) {
    if (tape.scrollWidth > tape.clientWidth + 1) found.push(`the tape is ${tape.scrollWidth} wide in ${tape.clientWidth}`);
  }
  const nameless = [...document.querySelectorAll("button, a, input")].filter((one) => !one.textContent.trim() && !one.getAttribute("aria-label") && !one.labels?.length);
  return [...found, ...nameless.map((one) => `without a name: ${one.outerHTML}`)];
}

for (const width of WIDTHS) {
  for (const colorScheme of SCHEMES) {
    test(`every view at ${width} px, ${colorScheme}`, async () => {
      const context = await browser.newContext({ viewport: { width, height: width < 500 ? 844 : 900 }, colorScheme, reducedMotion: "reduce", ...(width < 500 && { hasTouch: true, isMobile: true }) });
      const problems = [];
      for (const [name, hash, sign] of views) {
        const { page, quiet } = await open(context, hash);
        await page.locator(sign).first().waitFor();
        await page.evaluate(() => document.fonts.ready);
        await shot(page, `${name}-${width}-${colorScheme}`);
        problems.push(...(await page.evaluate(clipped)).map((text) => `${name}: ${text}`));
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
        for (const { id, impact, nodes } of violations) {
          if (SERIOUS.includes(impact)) problems.push(`${name}: ${impact} ${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 120)} (${node.any[0]?.message ?? ""})`).join("; ")}`);
        }
        quiet();
        await page.close();
      }
      assert.deepEqual(problems, []);
      await context.close();
    });
  }
}

/** The bar is one row, or on a phone the two rows that it is meant to have. */
test("the bar at the top does not wrap", async () => {
  for (const width of WIDTHS) {
    const context = await browser.newContext({ viewport: { width, height: 844 } });
    const { page } = await open(context);
    const tops = await page.locator("header.bar > *").evaluateAll((all) => all.map((one) => {
      const { top, height } = one.getBoundingClientRect();
      return Math.round(top + height / 2);
    }));
    const rows = new Set(tops.map((middle) => Math.round(middle / 20)));
    assert.ok(rows.size <= (width < 720 ? 2 : 1), `${width} px: rows at ${tops}`);
    assert.ok((await page.locator("header.bar").boundingBox()).height <= (width < 720 ? 112 : 60));
    await context.close();
  }
});
