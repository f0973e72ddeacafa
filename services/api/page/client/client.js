import { Live } from "./live.js";
import { Rest } from "./rest.js";
import { Stream } from "./stream.js";
class Client {
  rest;
  stream;
  #live = /* @__PURE__ */ new Map();
  /** `base` is where the api is. */
  constructor(base, options = {}) {
    this.rest = new Rest(base, options);
    this.stream = new Stream(base, options);
  }
  /** The state of a channel; the same for the same question. */
  live(channel, filter, limit) {
    const fields = Object.entries(filter).filter(([, value]) => value !== void 0).sort();
    const key = JSON.stringify([channel, fields, limit]);
    let live = this.#live.get(key);
    if (!live) {
      live = new Live(this.stream, channel, Object.fromEntries(fields), limit);
      if (this.#live.size >= MAX_KEPT) this.#live.clear();
      this.#live.set(key, live);
    }
    return live;
  }
  /** Closes the stream for good. */
  close() {
    this.stream.close();
  }
}
const MAX_KEPT = 1e3;
export {
  Client
};
