// The client and its example against a running `chaintape` on a mock chain (CHAINTAPE_BIN, PLUGINS_DIR); skipped without them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createServer, connect } from "node:net";
import { createElement, render, settle } from "./support/dom.mjs";
import { Client, ProblemError, Rest, Stream, tradeKey } from "../dist/index.js";
import { PnlWidget } from "../dist/examples/pnl-widget.js";

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

test("a stream that is cut again and again misses no trade and repeats none", { skip }, async () => {
  // A line that can be cut between the client and the api.
  const open = new Set();
  const line = createServer((client) => {
    const server = connect(Number(ADDR.split(":")[1]), ADDR.split(":")[0]);
    for (const [one, other] of [[client, server], [server, client]]) {
      open.add(one);
      one.on("error", () => {}).on("close", () => { open.delete(one); other.destroy(); });
      one.pipe(other);
    }
  });
  await new Promise((listening) => line.listen(0, "127.0.0.1", listening));
  const follow = (base) => {
    const stream = new Stream(base);
    const changes = [];
    const kinds = [];
    stream.subscribe("tape", "trades", { chain: "mock" }, (message) => {
      kinds.push(message.type);
      if (message.type === "apply" || message.type === "revert") changes.push(`${message.type} ${message.data.status} ${tradeKey(message.data)}`);
    });
    return { stream, changes, kinds };
  };
  const whole = follow(BASE);
  const cut = follow(`http://127.0.0.1:${line.address().port}`);
  await until(() => cut.changes.length > 3 && whole.changes.length > 3, "trades arrive");
  for (let cuts = 1; cuts <= 3; cuts += 1) {
    for (const socket of open) socket.destroy();
    await until(() => cut.kinds.filter((kind) => kind === "resumed").length === cuts, "the stream is resumed");
    const seen = cut.changes.length;
    await until(() => cut.changes.length > seen + 3, "it goes on");
  }
  // What is of one trader is in one order; between traders it may be in another after a loss.
  cut.stream.close();
  const byTrader = (changes) => changes.reduce((all, change) => {
    const trader = change.split(" ").at(-1);
    return all.set(trader, [...(all.get(trader) ?? []), change]);
  }, new Map());
  for (const [trader, mine] of byTrader(cut.changes)) {
    const theirs = () => {
      const all = byTrader(whole.changes).get(trader) ?? [];
      const begin = all.indexOf(mine[0]);
      return begin < 0 ? [] : all.slice(begin, begin + mine.length);
    };
    await until(() => theirs().length === mine.length, `the other stream has the changes of ${trader}`);
    assert.deepEqual(mine, theirs());
  }
  assert.ok(!cut.kinds.slice(1).includes("snapshot"), "it was resumed and not begun anew");
  whole.stream.close();
  line.close();
});

test("the example shows a user's profit as trades come", { skip }, async () => {
  const { items } = await new Rest(BASE).get("/v1/trades");
  const client = new Client(BASE);
  const { root, unmount } = await render(client, createElement(PnlWidget, { address: items[0].trader.address }));
  const shown = () => root.querySelector("dl")?.textContent ?? "";
  const complete = /^Realized-?\$[\d,.]+Unrealized-?\$[\d,.]+Fees\$[\d,.]+$/;
  // What `act` gives can be awaited, but is no promise.
  const settled = async (is) => {
    await settle();
    return is();
  };
  await until(() => settled(() => complete.test(shown())), "the profit is shown");
  assert.ok(root.querySelectorAll("tbody tr").length > 0);
  const first = shown();
  await until(() => settled(() => shown() !== first), "it changes with the next trades");
  await unmount();
  client.close();
  const example = await readFile(new URL("../examples/pnl-widget.tsx", import.meta.url), "utf8");
  assert.ok(example.trimEnd().split("\n").length <= 60);
});
