// The page in a real browser, over a real `chaintape` on a mock chain: what a trader sees, in the order in which they would.
//
// Needs the program (CHAINTAPE_BIN, by default target/debug/chaintape), plugins (PLUGINS_DIR, by default target/plugins) and
// a Chromium (CHROMIUM, by default /usr/bin/chromium). Screenshots are kept in target/journeys.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const from = (name, usual) => process.env[name] ?? usual;
const PROGRAM = from("CHAINTAPE_BIN", join(root, "target/debug/chaintape"));
const SHOTS = from("JOURNEYS_DIR", join(root, "target/journeys"));
const ADDR = from("JOURNEYS_ADDR", "127.0.0.1:18090");
const PAGE = `http://${ADDR}/`;
/** Two blocks a second; every 8th shows another branch of 3 blocks for a moment. */
const CHAIN = `id = "mock"
plugin = "mock"
endpoints = []
start = "latest"
poll_ms = 100

[settings]
block-ms = 500
trades-per-block = 3
users = 12
reorg-every = 8
reorg-depth = 3
finality = 16

[display]
name = "Mock chain"
explorer_tx = "https://explorer.example/tx/{}"
explorer_address = "https://explorer.example/address/{}"
`;

let folder;
let program;
let browser;

/** Starts the program and waits until it is ready. */
async function start() {
  const environment = {
    ...process.env,
    APP_ENV: "dev",
    API_ADDR: ADDR,
    API_RATE_PER_SECOND: "0",
    CHAINS_DIR: join(folder, "chains"),
    PLUGINS_DIR: from("PLUGINS_DIR", join(root, "target/plugins")),
    PORTFOLIO_PROVIDER: "mock",
    PORTFOLIO_TRACK: "all",
    LOG: `sqlite:${join(folder, "tape.db")}`,
    DATABASE_URL: `sqlite:${folder}`,
  };
  program = spawn(PROGRAM, [], { env: environment, cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  for (let tries = 0; tries < 300; tries += 1) {
    const ready = await fetch(`${PAGE}ready`).then((answer) => answer.ok, () => false);
    if (ready) return;
    await new Promise((later) => setTimeout(later, 100));
  }
  throw new Error("chaintape was not ready within 30 s");
}

/** Kills it without a farewell. */
async function kill() {
  const gone = new Promise((ended) => program.once("exit", ended));
  program.kill("SIGKILL");
  await gone;
}

/** A page whose console is listened to; `quiet` asserts that nothing was wrong. */
async function open(context, hash = "") {
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(PAGE) && !request.url().startsWith("data:")) wrong.push(`asked ${request.url()}`);
  });
  await page.goto(`${PAGE}${hash}`);
  return { page, quiet: () => assert.deepEqual(wrong, []), wrong };
}

const shot = (page, name) => page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "chaintape-journeys-"));
  await mkdir(SHOTS, { recursive: true });
  await mkdir(join(folder, "chains"));
  await writeFile(join(folder, "chains/mock.toml"), CHAIN);
  await start();
  browser = await chromium.launch({ executablePath: from("CHROMIUM", "/usr/bin/chromium"), args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  if (program?.exitCode === null) await kill();
  await rm(folder, { recursive: true, force: true });
});

test("trades appear live", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const { page, quiet } = await open(context);
  await page.locator("#link.live").waitFor();
  await page.locator("table.tape tbody tr").first().waitFor();
  const first = await page.locator("table.tape tbody tr").first().getAttribute("data-id");
  await page.waitForFunction((id) => document.querySelector("table.tape tbody tr")?.dataset.id !== id, first);
  assert.equal(await page.locator(".chain .name").first().textContent(), "Mock chain");
  // Also in rows that came before their chain was known.
  await page.waitForFunction(() => [...document.querySelectorAll("table.tape td.on")].every((cell) => cell.textContent === "Mock chain"));
  const link = page.locator("table.tape td.time a").first();
  assert.match(await link.getAttribute("href"), /^https:\/\/explorer\.example\/tx\//);
  await shot(page, "tape");
  quiet();
  await context.close();
});

test("a reorg visibly takes a trade back", async () => {
  const context = await browser.newContext();
  const { page, quiet } = await open(context);
  const struck = page.locator("table.tape tr.gone").first();
  await struck.waitFor({ timeout: 60_000 });
  const id = await struck.getAttribute("data-id");
  assert.equal(await struck.locator(".state").textContent(), "reverted");
  await shot(page, "reorg");
  await page.waitForFunction((gone) => !document.querySelector(`tr.gone[data-id="${CSS.escape(gone)}"]`), id, { timeout: 20_000 });
  quiet();
  await context.close();
});

test("one user has figures, a curve, positions, a portfolio and trades that are explained", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const { page, quiet } = await open(context);
  await page.locator("table.tape td.trader a").first().click();
  await page.locator(".figures dd").first().waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".figures dd").length === 6);
  await page.locator(".plot canvas").first().waitFor({ timeout: 20_000 });
  for (const window of ["24h", "7d", "30d", "all"]) {
    await page.locator(`button[data-window="${window}"]`).click();
    await page.locator(`button[data-window="${window}"][aria-pressed="true"]`).waitFor();
  }
  await page.locator("section[aria-label=Portfolio] tbody tr td b").first().waitFor({ timeout: 30_000 });
  await shot(page, "user");
  await page.locator("section[aria-label=Positions] tbody a").first().click();
  await page.locator("#explain-title").waitFor();
  await page.locator("section tbody tr").first().waitFor();
  await shot(page, "explain");
  quiet();
  await context.close();
});

test("leaders are ranked and lead to their users", async () => {
  const context = await browser.newContext();
  const { page, quiet } = await open(context, "#/leaders");
  const first = page.locator("section tbody tr").first();
  for (let tries = 0; tries < 12 && !(await first.isVisible()); tries += 1) {
    await page.waitForTimeout(5_000);
    await page.locator('button[data-id="volume"]').click();
  }
  await first.waitFor();
  await page.locator('button[data-id="24h"]').click();
  await shot(page, "leaders");
  await first.locator("a").click();
  await page.locator(".who h1").waitFor();
  quiet();
  await context.close();
});

test("an api that was killed and came back is resumed", async () => {
  const context = await browser.newContext();
  const { page, wrong } = await open(context);
  await page.locator("#link.live").waitFor();
  await page.locator("table.tape tbody tr").first().waitFor();
  await kill();
  await page.locator("#link.lost").waitFor();
  await shot(page, "lost");
  await start();
  await page.locator("#link.live").waitFor({ timeout: 30_000 });
  const newest = await page.locator("table.tape tbody tr").first().getAttribute("data-id");
  await page.waitForFunction((id) => document.querySelector("table.tape tbody tr")?.dataset.id !== id, newest, { timeout: 30_000 });
  const unexpected = wrong.filter((text) => !/WebSocket|ERR_CONNECTION|Failed to load resource/.test(text));
  assert.deepEqual(unexpected, [], "but for the lost line nothing is wrong");
  await context.close();
});

test("it works on a phone, in the dark, by keyboard", async () => {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, isMobile: true });
  const { page, quiet } = await open(context);
  await page.locator("table.tape tbody tr").first().waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.equal(wide, false, "nothing hangs over the edge");
  await shot(page, "phone");
  await page.keyboard.press("/");
  await page.keyboard.type("0x" + "ab".repeat(20));
  await page.keyboard.press("Enter");
  await page.locator(".who h1").waitFor();
  const nameless = await page.evaluate(() => [...document.querySelectorAll("button, a, input")]
    .filter((one) => !one.textContent.trim() && !one.getAttribute("aria-label") && !one.labels?.length).map((one) => one.outerHTML));
  assert.deepEqual(nameless, [], "every control has a name");
  quiet();
  await context.close();
});

test("the reference is readable", async () => {
  const context = await browser.newContext();
  const { page, quiet } = await open(context, "docs");
  await page.locator("h2.chapter").first().waitFor();
  assert.ok((await page.locator("h3").count()) > 20);
  await shot(page, "docs");
  quiet();
  await context.close();
});
