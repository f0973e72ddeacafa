// The page in a real browser, over a real `chaintape` on a mock chain: what a trader sees, in the order in which they would.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { begin, end, get, kill, open, PAGE, shot, SOON_MS, start, until } from "./support.mjs";

let browser;

before(async () => {
  browser = await begin();
});

after(() => end(browser));

test("trades appear live, and lead to everything that they name", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const { page, quiet } = await open(context);
  await page.locator("#link.live").waitFor();
  await page.locator("table.tape tbody tr").first().waitFor();
  const first = await page.locator("table.tape tbody tr").first().getAttribute("data-id");
  await page.waitForFunction((id) => document.querySelector("table.tape tbody tr")?.dataset.id !== id, first);
  assert.equal(await page.locator(".chain .name").first().textContent(), "Mock chain");
  // Also in rows that came before their chain was known.
  await page.waitForFunction(() => [...document.querySelectorAll("table.tape td.on")].every((cell) => cell.textContent === "Mock chain"));
  const links = await page.locator("table.tape tbody tr").first().locator("a").evaluateAll((all) => all.map((one) => one.getAttribute("href").split("/")[1]));
  for (const place of ["trade", "chain", "user", "asset"]) assert.ok(links.includes(place), `${place} in ${links}`);
  await shot(page, "tape");
  quiet();
  await context.close();
});

test("a reorg visibly takes a trade back", async () => {
  const context = await browser.newContext();
  const { page, quiet } = await open(context);
  const struck = page.locator("table.tape tr.gone").first();
  await struck.waitFor({ timeout: 2 * SOON_MS });
  const id = await struck.getAttribute("data-id");
  assert.equal(await struck.locator(".state").textContent(), "reverted");
  await shot(page, "reorg");
  await page.waitForFunction((gone) => !document.querySelector(`tr.gone[data-id="${CSS.escape(gone)}"]`), id, { timeout: SOON_MS });
  quiet();
  await context.close();
});

test("filters stand in the address bar, and a link with filters shows the same", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const { page, quiet } = await open(context);
  await page.locator("table.tape tbody tr").first().waitFor();
  await page.locator(".chain").first().click();
  await page.waitForFunction(() => location.hash === "#/?chain=mock");
  await page.getByRole("button", { name: /^Filter/ }).click();
  await page.getByLabel("Platform", { exact: true }).fill("tapeswap");
  await page.getByLabel("At least $").fill("50");
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForFunction(() => location.hash === "#/?chain=mock&platform=tapeswap&minUsd=50");
  const allMatch = () => {
    const rows = [...document.querySelectorAll("table.tape tbody tr")];
    return rows.length > 0 && rows.every((row) => row.querySelector(".venue.platform")?.textContent === "tapeswap" && Number(row.querySelector("td.usd").textContent.replace(/[$,]/g, "")) >= 50);
  };
  await page.waitForFunction(allMatch);
  await page.reload();
  await page.waitForFunction(allMatch);
  assert.equal(await page.getByLabel("Platform", { exact: true }).inputValue(), "tapeswap");
  assert.equal(await page.locator(".chain").first().getAttribute("aria-pressed"), "true");
  await shot(page, "filters");
  await page.getByRole("button", { name: "Clear" }).click();
  await page.waitForFunction(() => location.hash === "#/" && [...document.querySelectorAll("table.tape tbody tr")].some((row) => !row.querySelector(".venue.platform")));
  // What names nothing is answered with the api's sentence.
  await page.getByLabel("Chain", { exact: true }).fill("mokc");
  await page.getByRole("button", { name: "Show" }).click();
  await page.locator("p.empty", { hasText: "mock" }).waitFor();
  quiet();
  await context.close();
});

test("one user has worth, a curve, positions, a portfolio and trades that are explained", async () => {
  await until("v1/leaderboard?limit=1", ({ items }) => items.length > 0);
  const { items: [{ address }] } = await get("v1/leaderboard?limit=1");
  await until(`v1/users/${address}/positions`, ({ items }) => items.some(({ valueUsd, realizedPnlUsd }) => valueUsd && realizedPnlUsd !== "0"));
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const { page, quiet } = await open(context, `#/user/${encodeURIComponent(address)}?window=24h`);
  await page.locator('button[data-id="24h"][aria-pressed="true"]').waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".figures dd").length === 7);
  await page.waitForFunction(() => /^[+−-]?\$/.test(document.querySelector(".figures dd").textContent));
  await page.locator(".plot canvas").first().waitFor();
  // Minutes after the start a curve by the day would be a line and a cliff.
  await page.waitForFunction(() => /by the trade|by the hour/.test(document.querySelector(".plot").getAttribute("aria-label")));
  for (const window of ["7d", "30d", "all"]) {
    await page.locator(`button[data-id="${window}"]`).click();
    await page.locator(`button[data-id="${window}"][aria-pressed="true"]`).waitFor();
    assert.equal(await page.evaluate(() => new URLSearchParams(location.hash.split("?")[1]).get("window")), window === "all" ? null : window);
  }
  // The worth shown is that of the quantity at the price, less what is held at unknown cost.
  const priced = await page.waitForFunction(() => {
    const rows = [...document.querySelectorAll("section[aria-label=Positions] tbody tr")];
    const row = rows.find(({ children }) => [4, 5, 6].every((cell) => /\$/.test(children[cell]?.textContent)));
    return row && [...row.children].map((cell) => cell.title);
  });
  const cells = await priced.jsonValue();
  const [held, priceOf, value] = [cells[2].split(",")[0], cells[4].split(",")[0], cells[5]].map(Number);
  assert.ok(value > 0 && value <= held * priceOf * 1.001 + 0.02, `${held} at ${priceOf} is not ${value}`);
  await page.locator("section[aria-label=Portfolio] tbody tr td b").first().waitFor({ timeout: 2 * SOON_MS });
  await page.waitForFunction(() => [...document.querySelectorAll("section[aria-label=Portfolio] tbody tr")].some((row) => /\$/.test(row.children[4]?.textContent)));
  await shot(page, "user");
  await page.locator("section[aria-label=Positions] tbody tr td:last-child a").first().click();
  await page.locator("#explain-title").waitFor();
  await page.locator("section tbody tr").first().waitFor();
  await shot(page, "explain");
  await page.locator("section tbody tr td a").first().click();
  await page.getByRole("heading", { name: "Trade", exact: true }).waitFor();
  quiet();
  await context.close();
});

test("an asset has a price, candles that move, pools and trades", async () => {
  const { items: [{ sold, bought }] } = await get("v1/trades?chain=mock&limit=1");
  const { asset, symbol } = sold.quote ? bought : sold;
  await until(`v1/assets/mock/${encodeURIComponent(asset)}`, ({ price }) => price?.usd);
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const { page, quiet } = await open(context, `#/assets?search=${symbol}`);
  await page.locator("table").getByRole("link", { name: symbol, exact: true }).first().click();
  await page.getByRole("heading", { name: symbol, exact: true }).waitFor();
  await page.waitForFunction(() => /^\$/.test(document.querySelector(".figures dd").textContent));
  await page.locator('button[data-id="1m"]').click();
  await page.waitForFunction(() => /interval=1m/.test(location.hash));
  await page.waitForFunction((name) => document.querySelector(".plot").getAttribute("aria-label").includes(`candles of ${name}`), symbol);
  const painted = () => {
    const canvas = document.querySelector(".plot canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const style = getComputedStyle(document.documentElement);
    const near = (name) => {
      const [red, green, blue] = style.getPropertyValue(name).trim().match(/\w\w/g).map((part) => parseInt(part, 16));
      let count = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200 && Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 24) count += 1;
      return count;
    };
    return near("--good") + near("--bad") > 20;
  };
  // In the colours of the page, a frame after the words are there.
  await page.waitForFunction(painted);
  const words = await page.locator(".plot").getAttribute("aria-label");
  await page.waitForFunction((before) => document.querySelector(".plot").getAttribute("aria-label") !== before, words, { timeout: 2 * SOON_MS });
  await page.locator("table.tape tbody tr").first().waitFor();
  await shot(page, "asset");
  quiet();
  await context.close();
});

test("a platform has fees, days, users and trades", async () => {
  await until("v1/platforms", ({ items }) => items.some(({ platform, feesUsd }) => platform === "tapeswap" && feesUsd !== "0"));
  await until("v1/platforms/tapeswap/leaderboard", ({ items }) => items.length > 0);
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const { page, quiet } = await open(context, "#/platforms");
  await page.getByRole("link", { name: "tapeswap" }).click();
  await page.getByRole("heading", { name: "tapeswap" }).waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll(".figures dd")].filter((figure) => /^[$\d]/.test(figure.textContent)).length === 4);
  await page.locator(".plot canvas").first().waitFor();
  await page.locator("section[aria-label=Users] tbody a").first().waitFor();
  await page.locator('button[data-id="fees"]').click();
  await page.waitForFunction(() => location.hash === "#/platform/tapeswap?by=fees");
  await page.locator("table.tape tbody tr .venue.platform").first().waitFor();
  await shot(page, "platform");
  quiet();
  await context.close();
});

test("a chain says its state, heights, endpoint and plugin, and what is wrong with it", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const { page, quiet } = await open(context);
  await page.getByRole("link", { name: "Details of Mock chain" }).click();
  await page.getByRole("heading", { name: "Mock chain" }).waitFor();
  const facts = page.locator(".facts");
  for (const name of ["Network", "Endpoint", "Plugin", "Heights on the tape", "Must be zero"]) await facts.getByText(name, { exact: true }).waitFor();
  const height = await page.locator(".figures dd").nth(1).textContent();
  await page.waitForFunction((before) => document.querySelectorAll(".figures dd")[1].textContent !== before, height);
  await shot(page, "chain");
  quiet();
  await context.close();

  // What this chain never has: reasons, endpoints that do not answer, venues that are not known.
  const troubled = await browser.newContext();
  await troubled.routeWebSocket(/\/v1\/stream/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((text) => {
      const message = JSON.parse(text);
      for (const chain of message.channel === "chains" ? message.data.items ?? [message.data] : []) {
        Object.assign(chain, {
          state: "parked", reason: "the node's genesis is another one", endpoint: "two of three do not answer", dropped: [{ venue: "new-swap", reason: "not-a-pool", count: 1234 }],
          candidates: [{ file: "mock-9.wasm", state: "refused", reason: "it has no signature", fix: "sign it" }], watch: { ...chain.watch, lost: 2 },
        });
      }
      socket.send(JSON.stringify(message));
    });
  });
  const other = await open(troubled, "#/chain/mock");
  for (const text of ["the node's genesis is another one", "2 records lost", "two of three do not answer", "new-swap", "1,234", "it has no signature sign it"]) {
    await other.page.getByText(text).first().waitFor();
  }
  await shot(other.page, "chain-parked");
  other.quiet();
  await troubled.close();
});

test("a trade is linked to by its id, with evidence, confidence and pools, and changes as it becomes final", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const { items } = await get("v1/trades?chain=mock&limit=1");
  const [{ tradeId, transaction }] = items;
  const { page, quiet } = await open(context, `#/trade/${encodeURIComponent(tradeId)}`);
  await page.getByText("exact: by what moved").waitFor();
  await page.getByText("Why this trader").waitFor();
  assert.equal(await page.getByRole("link", { name: "explorer" }).getAttribute("href"), `https://explorer.example/tx/${encodeURIComponent(transaction.hash)}`);
  // Sixteen blocks later it is final, or it was taken back: either is told on the page that is open.
  await page.locator(".state.finalized, .state.reverted").first().waitFor({ timeout: 2 * SOON_MS });
  await page.locator(`.facts a[href^="#/tx/"]`).click();
  await page.locator("section tbody tr td a").first().waitFor();
  await shot(page, "transaction");
  // Looking up the hash leads to the same place.
  const place = await page.evaluate(() => location.hash);
  await page.goto(PAGE);
  await page.locator("#address").fill(tradeId);
  await page.keyboard.press("Enter");
  await page.waitForFunction((id) => location.hash === `#/trade/${encodeURIComponent(id)}`, tradeId);
  assert.match(place, /^#\/tx\/mock\//);
  quiet();
  await context.close();

  // A token whose decimals nobody knows, and an amount of which only a trace would be sure.
  const strange = await browser.newContext();
  await strange.route("**/v1/trades/**", async (route) => {
    const trade = structuredClone(items[0]);
    Object.assign(trade, { attributes: { confidence: "estimated" }, valuation: null, sold: { asset: "0x2602000000000000000000000000000000000983", raw: "40290000000000000000000", quote: false } });
    await route.fulfill({ json: trade });
  });
  const other = await open(strange, `#/trade/${encodeURIComponent(tradeId)}`);
  await other.page.getByText("40.29 × 10²¹").first().waitFor();
  await other.page.locator("abbr.raw").first().waitFor();
  await other.page.getByText(/^estimated: an amount of native coin/).waitFor();
  await shot(other.page, "trade-estimated");
  other.quiet();
  await strange.close();
});

test("leaders are ranked, by what the address says, and lead to their users", async () => {
  await until("v1/leaderboard?window=24h&by=fees&limit=1", ({ items }) => items.length > 0);
  const context = await browser.newContext();
  const { page, quiet } = await open(context, "#/leaders?by=fees&window=24h");
  await page.locator('button[data-id="fees"][aria-pressed="true"]').waitFor();
  await page.locator('button[data-id="24h"][aria-pressed="true"]').waitFor();
  await page.locator("section tbody tr").first().waitFor();
  await shot(page, "leaders");
  await page.locator("section tbody tr a").first().click();
  await page.locator(".who h1").waitFor();
  quiet();
  await context.close();
});

test("an api that was killed and came back is resumed, and meanwhile a banner says what is old", async () => {
  const context = await browser.newContext();
  const { page, wrong } = await open(context);
  await page.locator("#link.live").waitFor();
  await page.locator("table.tape tbody tr").first().waitFor();
  assert.equal(await page.locator("#stale").isVisible(), false);
  await kill();
  await page.locator("#link.lost").waitFor();
  await page.getByText(/^Not live since .*: what is shown may be old/).waitFor();
  await shot(page, "lost");
  await start();
  await page.getByRole("button", { name: "Reconnect now" }).click({ timeout: 2_000 }).catch(() => {});
  await page.locator("#link.live").waitFor({ timeout: 2 * SOON_MS });
  await page.locator("#stale").waitFor({ state: "hidden" });
  const newest = await page.locator("table.tape tbody tr").first().getAttribute("data-id");
  await page.waitForFunction((id) => document.querySelector("table.tape tbody tr")?.dataset.id !== id, newest, { timeout: 2 * SOON_MS });
  const unexpected = wrong.filter((text) => !/WebSocket|ERR_CONNECTION|Failed to load resource/.test(text));
  assert.deepEqual(unexpected, [], "but for the lost line nothing is wrong");
  await context.close();
});

test("it works by keyboard", async () => {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, isMobile: true });
  const { page, quiet } = await open(context);
  await page.locator("table.tape tbody tr").first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("0x" + "ab".repeat(20));
  await page.keyboard.press("Enter");
  await page.locator(".who h1").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("CAT");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash === "#/assets?search=CAT");
  quiet();
  await context.close();
});

test("the reference is searched, and its examples run", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const { page, wrong } = await open(context, "docs");
  await page.locator("h2.chapter").first().waitFor();
  const all = await page.locator("section.panel:visible").count();
  assert.ok(all > 60, `${all} operations and shapes`);
  await page.getByLabel("Search the reference").fill("candles interval");
  await page.waitForFunction(() => /^\d+ found$/.test(document.querySelector("[role=status]").textContent));
  const operation = page.locator("#listCandles");
  await operation.getByText("Try it").click();
  await operation.getByLabel("interval").fill("1m");
  await operation.getByRole("button", { name: "Send" }).click();
  await operation.getByText(/^200 OK/).waitFor();
  assert.match(await operation.locator("pre").textContent(), /"interval": "1m"/);
  assert.match(await operation.locator(".sent").textContent(), /^curl 'http.*candles[?]interval=1m'$/);
  // What is refused is shown as the problem that it is.
  await operation.getByLabel("interval").fill("5m");
  await operation.getByRole("button", { name: "Send" }).click();
  await operation.getByText(/^400 Bad Request/).waitFor();
  await page.getByLabel("Search the reference").fill("");
  const stream = page.locator("section.panel:has(form[aria-label='Try the stream'])");
  await stream.getByText("Try it").click();
  await stream.getByRole("button", { name: "chains" }).click();
  await stream.getByRole("button", { name: "Send" }).click();
  await stream.getByText(/"type": "snapshot"[^]*"channel": "chains"/).waitFor();
  await shot(page, "docs");
  await page.goto(`${PAGE}docs#CandleView`);
  await page.waitForFunction(() => document.querySelector("#CandleView")?.getBoundingClientRect().top < innerHeight);
  assert.deepEqual(wrong.filter((text) => !/status of 400/.test(text)), []);
  await context.close();
});
