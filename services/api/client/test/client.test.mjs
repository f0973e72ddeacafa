// A client's live states: shared by all who ask the same, told once for many messages, ended with the last listener.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HELLO, Scripted, sockets, trade } from "./support/scripted.mjs";

const { Client } = await import("../dist/client.js");

const begin = () => {
  sockets.length = 0;
  return new Client("http://127.0.0.1:8080", { WebSocket: Scripted });
};
const frame = () => new Promise((later) => setTimeout(later, 40));

test("the same question is asked once, whoever asks it", async () => {
  const client = begin();
  const one = client.live("trades", { chain: "mock", asset: undefined }, 5);
  const other = client.live("trades", { chain: "mock" }, 5);
  assert.equal(one, other);
  assert.notEqual(one, client.live("trades", { chain: "mock" }, 6));
  let told = 0;
  const stops = [one.listen(() => (told += 1)), other.listen(() => (told += 1))];
  sockets[0].deliver(HELLO);
  const asked = sockets[0].sent.filter(({ op }) => op === "subscribe");
  const id = asked[0].id;
  assert.ok(asked.every((message) => message.id === id));
  sockets[0].deliver({ type: "snapshot", id, channel: "trades", data: { items: [] }, at: "a1" });
  for (let number = 1; number <= 9; number += 1) sockets[0].deliver({ type: "apply", channel: "trades", data: trade(number), at: "a2", ids: [id] });
  assert.equal(told, 0, "nobody is told in the middle of a block");
  await frame();
  assert.equal(told, 2, "each once for ten messages");
  assert.deepEqual(one.get().data.map(({ tradeId }) => tradeId), [9, 8, 7, 6, 5].map((number) => `mock/b/${number}/0`));
  stops[0]();
  assert.ok(!sockets[0].sent.some(({ op }) => op === "unsubscribe"));
  stops[1]();
  assert.deepEqual(sockets[0].sent.at(-1), { op: "unsubscribe", id });
  assert.equal(one.get().data, undefined, "what nobody keeps up to date is not shown later");
  client.close();
});

test("a refusal stands beside the data until there are new ones", async () => {
  const client = begin();
  const live = client.live("chains", {});
  const stop = live.listen(() => {});
  sockets[0].deliver(HELLO);
  const { id } = sockets[0].sent.at(-1);
  sockets[0].deliver({ type: "error", id, code: "behind", detail: "metrics is behind" });
  assert.equal(live.get().refusal.detail, "metrics is behind");
  sockets[0].deliver({ type: "snapshot", id, channel: "chains", data: { items: [] }, at: "a1" });
  assert.deepEqual(live.get(), { data: [], refusal: undefined });
  const state = live.get();
  sockets[0].deliver({ type: "resumed", id, at: "a2" });
  assert.equal(live.get(), state, "the same object until it changes");
  stop();
  client.close();
});

test("every request carries the headers that were given", async () => {
  const seen = [];
  const original = globalThis.fetch;
  globalThis.fetch = async (url, { headers }) => {
    seen.push([url, headers]);
    return headers["if-none-match"] ? new Response(null, { status: 304 }) : new Response('{"items":[1]}', { headers: { etag: 'W/"x"' } });
  };
  try {
    const client = new Client("http://127.0.0.1:8080", { headers: { authorization: "Bearer key" } });
    const first = await client.rest.get("/v1/trades", { query: { chain: "mock" } });
    assert.equal(await client.rest.get("/v1/trades", { query: { chain: "mock" } }), first, "not sent again");
    assert.deepEqual(seen.map(([, headers]) => headers), [{ authorization: "Bearer key" }, { authorization: "Bearer key", "if-none-match": 'W/"x"' }]);
  } finally {
    globalThis.fetch = original;
  }
});
