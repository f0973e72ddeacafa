// A WebSocket that a test speaks through: what the client sent, and what the server would send.

/** Sockets that the client opened, newest last. */
export const sockets = [];

export class Scripted {
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

export const HELLO = { type: "hello", version: "v1", heartbeatMs: 15000, maxSubscriptions: 32 };

/** A trade as far as the client looks at it. */
export const trade = (number, fields = {}) => ({
  tradeId: `mock/b/${number}/0`,
  chain: "mock",
  block: { timestamp: 1_000 * number, height: number, hash: `b${number}` },
  transaction: { index: 0, hash: `t${number}`, from: "0xa" },
  ordinal: 0,
  trader: { address: "0xa", evidence: "tx-sender" },
  status: "observed",
  ...fields,
});
