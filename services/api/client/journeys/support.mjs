// What the journeys share: a real `chaintape` on a mock chain, a real browser, and pages whose console is listened to.
//
// Needs the program (CHAINTAPE_BIN, by default target/debug/chaintape), plugins (PLUGINS_DIR, by default target/plugins) and
// a Chromium (CHROMIUM, by default /usr/bin/chromium). Screenshots are kept in target/journeys. With JOURNEYS_PAGE_DIR the page's
// files are those of a folder instead of those in the program, so that a change is seen without a build.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const from = (name, usual) => process.env[name] ?? usual;
const PROGRAM = from("CHAINTAPE_BIN", join(root, "target/debug/chaintape"));
const SHOTS = from("JOURNEYS_DIR", join(root, "target/journeys"));
const ADDR = from("JOURNEYS_ADDR", "127.0.0.1:18090");
/** Where the program answers within this time; longer on a machine that is busy. */
const READY_MS = Number(from("JOURNEYS_READY_MS", "60000"));
export const PAGE = `http://${ADDR}/`;
/** How long something may take to be seen. */
export const SOON_MS = Number(from("JOURNEYS_SOON_MS", "30000"));

/** Two blocks a second; every 8th shows another branch of 3 blocks for a moment. A platform earns fees. */
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

[settings.platforms.tapeswap]
routers = ["mock:tapeswap:router"]
codes = ["tape-wallet"]
fee-recipient = "mock:tapeswap:fees"
fee-bps = 85
one-in = 3

[display]
name = "Mock chain"
symbol = "MOCK"
explorer_tx = "https://explorer.example/tx/{}"
explorer_address = "https://explorer.example/address/{}"
`;

let folder;
let program;

/** Starts the program and waits until it is ready. */
export async function start() {
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
  for (const end = Date.now() + READY_MS; Date.now() < end; ) {
    const ready = await fetch(`${PAGE}ready`).then((answer) => answer.ok, () => false);
    if (ready) return;
    await new Promise((later) => setTimeout(later, 100));
  }
  throw new Error(`chaintape was not ready within ${READY_MS} ms`);
}

/** Kills it without a farewell. */
export async function kill() {
  const gone = new Promise((ended) => program.once("exit", ended));
  program.kill("SIGKILL");
  await gone;
}

/** Lays out a folder, starts the program and a browser. */
export async function begin() {
  folder = await mkdtemp(join(tmpdir(), "chaintape-journeys-"));
  await mkdir(SHOTS, { recursive: true });
  await mkdir(join(folder, "chains"));
  await writeFile(join(folder, "chains/mock.toml"), CHAIN);
  await start();
  // A page that did not come over the network may not open a WebSocket to this machine, unless it is let.
  const args = ["--no-sandbox", ...(process.env.JOURNEYS_PAGE_DIR ? ["--disable-features=LocalNetworkAccessChecks"] : [])];
  return chromium.launch({ executablePath: from("CHROMIUM", "/usr/bin/chromium"), args });
}

/** Ends what `begin` began. */
export async function end(browser) {
  await browser?.close();
  if (program?.exitCode === null) await kill();
  if (folder) await rm(folder, { recursive: true, force: true });
}

/** What the api answers. */
export const get = async (path) => (await fetch(`${PAGE}${path}`)).json();

/** Waits until the api answers as wanted. */
export async function until(path, is) {
  for (const stop = Date.now() + 4 * SOON_MS; Date.now() < stop; ) {
    const answer = await get(path);
    if (is(answer)) return answer;
    await new Promise((later) => setTimeout(later, 250));
  }
  throw new Error(`/${path} did not answer as wanted`);
}

const TYPES = { css: "text/css", html: "text/html; charset=utf-8", js: "text/javascript", svg: "image/svg+xml" };

/** Answers for the page's files from a folder, with the headers of the program. */
async function serveFrom(context, pages) {
  const names = { "/": "index.html", "/docs": "docs.html", "/favicon.svg": "favicon.svg" };
  await context.route(({ pathname }) => pathname in names || pathname.startsWith("/page/"), async (route) => {
    const { pathname } = new URL(route.request().url());
    const name = names[pathname] ?? pathname.slice("/page/".length);
    const { "content-security-policy": policy } = (await route.fetch()).headers();
    const headers = { "content-type": TYPES[name.split(".").at(-1)], "content-security-policy": policy };
    await route.fulfill({ status: 200, headers, body: await readFile(join(pages, name)) });
  });
}

/** A page whose console is listened to; `quiet` asserts that nothing was wrong. */
export async function open(context, hash = "") {
  context.setDefaultTimeout(SOON_MS);
  if (process.env.JOURNEYS_PAGE_DIR && context.pages().length === 0) await serveFrom(context, process.env.JOURNEYS_PAGE_DIR);
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

export const shot = (page, name) => page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
