// The stream client against a scripted socket: it asks again after a loss, goes on from the last `at`, and knows when not to.

import assert from "node:assert/strict";
import { test } from "node:test";

/** Sockets that the client opened, newest last. */
const sockets = [];

class Scripted {
  static OPEN = 1;
  readyState = 1;
  said = [];
  constructor(url) {
    this.url = String(url);
    sockets.push(this);
  }
  send(text) {
    this.said.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
    this.onclose?.();
  }
  tell(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}
globalThis.WebSocket = Scripted;
const { Stream } = await import("../dist/stream.js");

const HELLO = { type: "hello", version: "v1", heartbeatMs: 15000, maxSubscriptions: 32 };
const begin = () => {
  sockets.length = 0;
  const stream = new Stream("http://127.0.0.1:8080");
  const heard = [];
  stream.subscribe("tape", "trades", { chain: "mock" }, (message) => heard.push(message));
  sockets[0].said.length = 0;
  sockets[0].tell(HELLO);
  return { stream, heard };
};
const again = (stream) => {
  sockets.at(-1).close();
  stream.hurry();
  sockets.at(-1).tell(HELLO);
};

test("a subscription is asked once the server has greeted", () => {
  const { stream } = begin();
  assert.equal(sockets[0].url, "ws://127.0.0.1:8080/v1/stream");
  assert.deepEqual(sockets[0].said, [{ op: "subscribe", id: "tape", channel: "trades", filter: { chain: "mock" } }]);
  stream.close();
});

test("after a loss it goes on from the last place it was told", () => {
  const { stream, heard } = begin();
  sockets[0].tell({ type: "snapshot", id: "tape", channel: "trades", data: { items: [] }, at: "a1" });
  sockets[0].tell({ type: "apply", channel: "trades", data: {}, at: "a2" });
  again(stream);
  assert.equal(sockets[1].said[0].resume, "a2");
  sockets[1].tell({ type: "apply", channel: "trades", data: {}, at: "a3" });
  assert.equal(heard.length, 2, "nothing counts before it was resumed");
  sockets[1].tell({ type: "resumed", id: "tape", at: "a2" });
  sockets[1].tell({ type: "apply", channel: "trades", data: {}, at: "a3" });
  assert.deepEqual(heard.map(({ type }) => type), ["snapshot", "apply", "resumed", "apply"]);
  again(stream);
  assert.equal(sockets[2].said[0].resume, "a3");
  stream.close();
});

test("a reset begins anew, and so does a gap", () => {
  const { stream, heard } = begin();
  sockets[0].tell({ type: "snapshot", id: "tape", channel: "trades", data: { items: [] }, at: "a1" });
  again(stream);
  sockets[1].tell({ type: "reset", id: "tape" });
  sockets[1].tell({ type: "apply", channel: "trades", data: {}, at: "a8" });
  sockets[1].tell({ type: "snapshot", id: "tape", channel: "trades", data: { items: [] }, at: "a9" });
  assert.deepEqual(heard.map(({ type }) => type), ["snapshot", "snapshot"]);
  sockets[1].tell({ type: "gap", channel: "trades", missed: 812 });
  assert.equal(sockets[1].said.at(-1).resume, undefined, "what was missed lies below the last place");
  stream.close();
});

test("who has stopped is asked nothing and told nothing", () => {
  const { stream, heard } = begin();
  const stop = stream.subscribe("other", "chains", {}, (message) => heard.push(message));
  stop();
  assert.deepEqual(sockets[0].said.at(-1), { op: "unsubscribe", id: "other" });
  again(stream);
  assert.deepEqual(sockets[1].said.map(({ id }) => id), ["tape"]);
  stream.close();
});
