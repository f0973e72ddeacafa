// The stream client against a scripted socket: it asks again after a loss, goes on from the last `at`, and knows when not to.

import assert from "node:assert/strict";
import { test } from "node:test";

/** Sockets that the client opened, newest last. */
const sockets = [];

class Scripted {
  static OPEN = 1;
  readyState = 1;
  sent = [];
  constructor(url) {
    this.url = String(url);
    sockets.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
    this.onclose?.();
  }
  deliver(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}
globalThis.WebSocket = Scripted;
const { Stream } = await import("../dist/stream.js");

const HELLO = { type: "hello", version: "v1", heartbeatMs: 15000, maxSubscriptions: 32 };
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
