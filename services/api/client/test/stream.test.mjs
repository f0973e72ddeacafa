// The stream client against a scripted socket: it asks again after a loss, goes on from the last `at`, and knows when not to.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { HELLO, Scripted, sockets } from "./support/scripted.mjs";

globalThis.WebSocket = Scripted;
const { Stream } = await import("../dist/stream.js");

const begin = () => {
  sockets.length = 0;
  const stream = new Stream("http://127.0.0.1:8080");
  const received = [];
  stream.subscribe("tape", "trades", { chain: "mock" }, (message) => received.push(message));
  sockets[0].sent.length = 0;
  sockets[0].deliver(HELLO);
  return { stream, received };
};
const again = (stream) => {
  sockets.at(-1).close();
  stream.hurry();
  sockets.at(-1).deliver(HELLO);
};

test("a subscription is asked once the server has greeted", () => {
  const { stream } = begin();
  assert.equal(sockets[0].url, "ws://127.0.0.1:8080/v1/stream");
  assert.deepEqual(sockets[0].sent, [{ op: "subscribe", id: "tape", channel: "trades", filter: { chain: "mock" } }]);
  stream.close();
});

test("after a loss it resumes from the last place it received", () => {
  const { stream, received } = begin();
  sockets[0].deliver({ type: "snapshot", id: "tape", channel: "trades", data: { items: [] }, at: "a1" });
  sockets[0].deliver({ type: "apply", channel: "trades", data: {}, at: "a2" });
  again(stream);
  assert.equal(sockets[1].sent[0].resume, "a2");
  sockets[1].deliver({ type: "apply", channel: "trades", data: {}, at: "a3" });
  assert.equal(received.length, 2, "nothing counts before it was resumed");
  sockets[1].deliver({ type: "resumed", id: "tape", at: "a2" });
  sockets[1].deliver({ type: "apply", channel: "trades", data: {}, at: "a3" });
  assert.deepEqual(received.map(({ type }) => type), ["snapshot", "apply", "resumed", "apply"]);
  again(stream);
  assert.equal(sockets[2].sent[0].resume, "a3");
  stream.close();
});

test("a reset begins anew, and so does a gap", () => {
  const { stream, received } = begin();
  sockets[0].deliver({ type: "snapshot", id: "tape", channel: "trades", data: { items: [] }, at: "a1" });
  again(stream);
  sockets[1].deliver({ type: "reset", id: "tape" });
  sockets[1].deliver({ type: "apply", channel: "trades", data: {}, at: "a8" });
  sockets[1].deliver({ type: "snapshot", id: "tape", channel: "trades", data: { items: [] }, at: "a9" });
  assert.deepEqual(received.map(({ type }) => type), ["snapshot", "snapshot"]);
  sockets[1].deliver({ type: "gap", channel: "trades", missed: 812 });
  assert.equal(sockets[1].sent.at(-1).resume, undefined, "what was missed lies below the last place");
  stream.close();
});

test("a change reaches the subscriptions that it names, and moves the place of all", () => {
  const { stream, received } = begin();
  const others = [];
  stream.subscribe("other", "trades", { chain: "other" }, (message) => others.push(message));
  for (const id of ["tape", "other"]) {
    sockets[0].deliver({ type: "snapshot", id, channel: "trades", data: { items: [] }, at: "a1" });
  }
  sockets[0].deliver({ type: "apply", channel: "trades", data: {}, at: "a2", ids: ["tape"] });
  sockets[0].deliver({ type: "apply", channel: "trades", data: {}, at: "a3", ids: ["other", "tape"] });
  assert.deepEqual([received, others].map((heard) => heard.map(({ at }) => at)), [["a1", "a2", "a3"], ["a1", "a3"]]);
  sockets[0].deliver({ type: "apply", channel: "trades", data: {}, at: "a4", ids: ["other"] });
  again(stream);
  assert.deepEqual(sockets[1].sent.map(({ resume }) => resume), ["a4", "a4"]);
  stream.close();
});

test("a subscription that ended sends and receives nothing", () => {
  const { stream, received } = begin();
  const stop = stream.subscribe("other", "chains", {}, (message) => received.push(message));
  stop();
  assert.deepEqual(sockets[0].sent.at(-1), { op: "unsubscribe", id: "other" });
  again(stream);
  assert.deepEqual(sockets[1].sent.map(({ id }) => id), ["tape"]);
  stream.close();
});

test("nothing is opened before something is asked for", () => {
  sockets.length = 0;
  const stream = new Stream("https://api.example");
  assert.equal(stream.state, "idle");
  assert.equal(sockets.length, 0);
  const states = [];
  stream.addEventListener("state", ({ detail }) => states.push(detail));
  stream.subscribe("tape", "trades", {}, () => {});
  stream.subscribe("chains", "chains", {}, () => {});
  assert.deepEqual(sockets.map(({ url }) => url), ["wss://api.example/v1/stream"]);
  sockets[0].deliver(HELLO);
  sockets[0].close();
  assert.deepEqual(states, ["connecting", "live", "lost"]);
  stream.close();
});

test("a connection that is lost is opened again, later each time, until it is closed for good", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const random = mock.method(Math, "random", () => 1);
  try {
    const { stream } = begin();
    for (const waitMs of [400, 800, 1_600]) {
      const opened = sockets.length;
      sockets.at(-1).close();
      mock.timers.tick(waitMs - 1);
      assert.equal(sockets.length, opened, `not before ${waitMs} ms`);
      mock.timers.tick(1);
      assert.equal(sockets.length, opened + 1);
    }
    sockets.at(-1).deliver(HELLO);
    sockets.at(-1).close();
    mock.timers.tick(400);
    assert.equal(sockets.length, 5, "after a greeting it waits as at first");
    stream.close();
    mock.timers.tick(60_000);
    assert.equal(sockets.length, 5);
  } finally {
    random.mock.restore();
    mock.timers.reset();
  }
});

test("a connection on which nothing arrives counts as lost", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { stream } = begin();
    mock.timers.tick(39_000);
    sockets[0].deliver({ type: "heartbeat", now: 1 });
    mock.timers.tick(39_000);
    assert.equal(stream.state, "live");
    mock.timers.tick(1_001);
    assert.equal(stream.state, "lost");
    stream.close();
  } finally {
    mock.timers.reset();
  }
});

test("a refusal that passes is asked again, another is not", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { stream, received } = begin();
    const asked = () => sockets[0].sent.length;
    sockets[0].deliver({ type: "error", id: "tape", code: "behind", detail: "metrics is behind" });
    mock.timers.tick(2_000);
    assert.equal(asked(), 2);
    sockets[0].deliver({ type: "error", id: "tape", code: "bad-message", field: "filter.chain", detail: "is no chain" });
    mock.timers.tick(20_000);
    assert.equal(asked(), 2);
    assert.deepEqual(received.map(({ code }) => code), ["behind", "bad-message"]);
    stream.close();
  } finally {
    mock.timers.reset();
  }
});

test("where there is no WebSocket one is passed, or a sentence says so", () => {
  const built = globalThis.WebSocket;
  delete globalThis.WebSocket;
  try {
    assert.throws(() => new Stream("http://127.0.0.1:1").subscribe("tape", "trades", {}, () => {}), /new Stream\(base, \{ WebSocket \}\)/);
    sockets.length = 0;
    const stream = new Stream("http://127.0.0.1:1", { WebSocket: Scripted });
    stream.subscribe("tape", "trades", {}, () => {});
    assert.equal(sockets.length, 1);
    stream.close();
  } finally {
    globalThis.WebSocket = built;
  }
});
