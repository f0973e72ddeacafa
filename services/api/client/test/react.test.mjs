// The hooks as React renders them, in strict mode: what is asked for, what is shown, and what is left behind.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createElement, render, settle } from "./support/dom.mjs";
import { HELLO, Scripted, sockets, trade } from "./support/scripted.mjs";

const { Client } = await import("../dist/client.js");
const { useChannel, useClient, useConnection, useRest, useTrades } = await import("../dist/react.js");
const { PnlWidget } = await import("../dist/examples/pnl-widget.js");

const built = globalThis.fetch;
after(() => {
  globalThis.fetch = built;
});
const begin = () => {
  sockets.length = 0;
  return new Client("http://127.0.0.1:8080", { WebSocket: Scripted });
};
const wanted = () => {
  const ids = new Map();
  for (const { op, id, channel, filter } of sockets[0]?.sent ?? []) op === "subscribe" ? ids.set(id, { channel, filter }) : ids.delete(id);
  return ids;
};

test("trades are shown as they come and go, and a loss of the connection is", async () => {
  const client = begin();
  const Tape = ({ chain }) => {
    const { data } = useTrades({ chain }, 3);
    return createElement("p", null, useConnection(), ": ", data ? data.map(({ tradeId }) => tradeId).join(" ") : "nothing yet");
  };
  const { root, show, unmount } = await render(client, createElement(Tape, { chain: "mock" }));
  assert.equal(root.textContent, "connecting: nothing yet");
  await settle(() => sockets[0].deliver(HELLO));
  assert.equal(root.textContent, "live: nothing yet");
  const [[id, { filter }], ...others] = wanted();
  assert.deepEqual([filter, others], [{ chain: "mock" }, []], "strict mode renders twice and leaves one subscription");
  await settle(() => sockets[0].deliver({ type: "snapshot", id, channel: "trades", data: { items: [trade(1)] }, at: "a1" }));
  await settle(() => {
    sockets[0].deliver({ type: "apply", channel: "trades", data: trade(2), at: "a2", ids: [id] });
    sockets[0].deliver({ type: "revert", channel: "trades", data: trade(1), at: "a3", ids: [id] });
  });
  assert.equal(root.textContent, "live: mock/b/2/0");
  await show(createElement(Tape, { chain: "eth" }));
  assert.equal(root.textContent, "live: nothing yet", "what was of another filter is not shown");
  assert.deepEqual([...wanted().values()].map(({ filter: asked }) => asked), [{ chain: "eth" }]);
  await settle(() => sockets[0].close());
  assert.match(root.textContent, /^lost/);
  client.stream.hurry();
  await settle(() => sockets[1].deliver(HELLO));
  assert.equal(sockets[1].sent.length, 1, "asked again after the loss");
  await unmount();
  assert.equal(sockets[1].sent.at(-1).op, "unsubscribe");
  client.close();
});

test("components with the same question share a subscription", async () => {
  const client = begin();
  const Count = () => createElement("i", null, String(useChannel("chains", {}).data?.length ?? "-"));
  const { root, unmount } = await render(client, createElement("div", null, createElement(Count), createElement(Count)));
  await settle(() => sockets[0].deliver(HELLO));
  assert.equal(wanted().size, 1);
  const [id] = wanted().keys();
  await settle(() => sockets[0].deliver({ type: "snapshot", id, channel: "chains", data: { items: [{ chain: "mock" }] }, at: "a1" }));
  assert.equal(root.textContent, "11");
  await unmount();
  client.close();
});

test("an answer of REST is shown, read again, and a refusal waited out", async () => {
  const client = begin();
  const asked = [];
  // Strict mode asks twice: both are refused, and the one that counts asks again.
  const busy = () => new Response('{"type":"urn:x","title":"Busy","status":503,"detail":"try again"}', { status: 503, headers: { "retry-after": "0.01" } });
  const answers = [
    busy(),
    busy(),
    new Response('{"items":[{"chain":"mock"}]}'),
  ];
  globalThis.fetch = async (url, { signal }) => {
    signal.throwIfAborted();
    asked.push(url);
    return answers.shift() ?? new Response('{"items":[]}');
  };
  const Chains = ({ path }) => {
    const { answer, error } = useRest(path);
    return createElement("p", null, error ? error.message : answer ? String(answer.items.length) : "…");
  };
  const { root, show, unmount } = await render(client, createElement(Chains, { path: "/v1/chains" }));
  for (let tries = 0; tries < 50 && root.textContent !== "1"; tries += 1) await settle();
  assert.equal(root.textContent, "1");
  const before = asked.length;
  await settle();
  assert.equal(asked.length, before, "without an interval it is read once");
  await show(createElement(Chains, { path: "/v1/platforms" }));
  await settle();
  assert.equal(root.textContent, "0");
  assert.ok(asked.at(-1).endsWith("/v1/platforms"));
  await unmount();
  client.close();
});

test("a hook without a provider says what it needs", async () => {
  const client = begin();
  const seen = [];
  const Lost = () => {
    try {
      useClient();
    } catch (error) {
      seen.push(error.message);
    }
    return null;
  };
  const { unmount } = await render(null, createElement(Lost));
  assert.match(seen[0], /<ChaintapeProvider client=/);
  await unmount();
  client.close();
});

test("the example shows realized and unrealized profit, and says where there is no price", async () => {
  const client = begin();
  globalThis.fetch = async () => new Response('{"total":{"unrealizedPnlUsd":"-12.5"}}');
  const { root, unmount } = await render(client, createElement(PnlWidget, { address: "0xa" }));
  assert.equal(root.textContent, "Loading…");
  await settle(() => sockets[0].deliver(HELLO));
  const [[id, { filter }]] = wanted();
  assert.deepEqual(filter, { address: "0xa" });
  const position = { chain: "mock", asset: "mock:token:cat", symbol: "CAT", quantity: "1", unknownQuantity: "0", basisUsd: "0", realizedPnlUsd: "1" };
  const totals = { realizedPnlUsd: "1234.5", feesUsd: "3" };
  await settle(() => sockets[0].deliver({ type: "snapshot", id, channel: "user.metrics", at: "a1", data: { address: "0xa", total: totals, chains: [], positions: [position], truncated: false } }));
  await settle();
  assert.match(root.textContent, /Realized\$1,234\.50Unrealized-\$12\.50Fees\$3\.00/);
  assert.match(root.textContent, /CATno price/);
  await unmount();
  client.close();
});
