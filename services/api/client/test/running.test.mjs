// The client and its example against a running `chaintape` on a mock chain (CHAINTAPE_BIN, PLUGINS_DIR); skipped without them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ProblemError, Rest } from "../dist/index.js";
import { pnlWidget } from "../dist/examples/pnl-widget.js";

const ADDR = process.env.CLIENT_TEST_ADDR ?? "127.0.0.1:18094";
const BASE = `http://${ADDR}`;
const READY_MS = 120_000;
const CHAIN = `id = "mock"
plugin = "mock"
endpoints = []
start = "latest"
poll_ms = 100

[settings]
block-ms = 500
trades-per-block = 3
users = 3
reorg-every = 8
reorg-depth = 3
`;
const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const PLUGINS = process.env.PLUGINS_DIR ?? join(ROOT, "target/plugins");
const skip = process.env.CHAINTAPE_BIN ? false : "CHAINTAPE_BIN names no program";

let folder;
let program;

/** Waits until something is so. */
async function until(is, what) {
  for (const end = Date.now() + READY_MS; Date.now() < end; ) {
    const found = await is();
    if (found) return found;
    await new Promise((later) => setTimeout(later, 100));
  }
  throw new Error(`${what} within ${READY_MS} ms`);
}

before(async () => {
  if (skip) return;
  folder = await mkdtemp(join(tmpdir(), "chaintape-client-"));
  await mkdir(join(folder, "chains"));
  await writeFile(join(folder, "chains/mock.toml"), CHAIN);
  // Only the plugin that is needed: each is compiled when the program starts.
  await mkdir(join(folder, "plugins"));
  for (const file of await readdir(PLUGINS)) {
    if (/^mock-.*[.]wasm$/.test(file)) await copyFile(join(PLUGINS, file), join(folder, "plugins", file));
  }
  const env = {
    ...process.env, APP_ENV: "dev", API_ADDR: ADDR, API_RATE_PER_SECOND: "0", CHAINS_DIR: join(folder, "chains"),
    PLUGINS_DIR: join(folder, "plugins"),
    PORTFOLIO_PROVIDER: "mock", PORTFOLIO_TRACK: "all", LOG: `sqlite:${join(folder, "tape.db")}`, DATABASE_URL: `sqlite:${folder}`,
  };
  program = spawn(process.env.CHAINTAPE_BIN, [], { env, cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  await until(() => fetch(`${BASE}/ready`).then(({ ok }) => ok, () => false), "chaintape is ready");
});

after(async () => {
  program?.kill("SIGKILL");
  if (folder) await rm(folder, { recursive: true, force: true });
});

test("pages are walked, answers are typed and problems are thrown", { skip }, async () => {
  const rest = new Rest(BASE);
  await until(async () => (await rest.get("/v1/trades")).items.length > 3, "there are trades");
  const ids = [];
  for await (const trade of rest.items("/v1/trades", { query: { chain: "mock", limit: 2 } })) {
    ids.push(trade.tradeId);
    if (ids.length === 4) break;
  }
  assert.equal(new Set(ids).size, 4);
  const refused = await rest.get("/v1/trades", { query: { chain: "mokc" } }).catch((error) => error);
  assert.ok(refused instanceof ProblemError && refused.problem.field === "chain", String(refused));
});

test("the example shows a user's profit as trades come", { skip }, async () => {
  const { items } = await new Rest(BASE).get("/v1/trades");
  const element = { textContent: "" };
  const stop = pnlWidget(element, BASE, items[0].trader.address);
  await until(() => /^Realized -?\$[\d,.]+ · unrealized -?\$[\d,.]+$/.test(element.textContent), "the profit is shown");
  const first = element.textContent;
  await until(() => element.textContent !== first, "it changes with the next trades");
  stop();
  const example = await readFile(new URL("../examples/pnl-widget.ts", import.meta.url), "utf8");
  assert.ok(example.trimEnd().split("\n").length <= 60);
});
