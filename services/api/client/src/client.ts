// One api: its REST and its stream, and the live states that are shared by all who show them.

import { Live } from "./live.js";
import { Rest, type RestOptions } from "./rest.js";
import { Stream, type Channel, type Filters, type StreamOptions } from "./stream.js";

/** Settings of a client. */
export interface ClientOptions extends RestOptions, StreamOptions {}

/** An api. Nothing is sent before something is asked for, so that it may be made anywhere, also while rendering on a server. */
export class Client {
  readonly rest: Rest;
  readonly stream: Stream;
  readonly #live = new Map<string, Live<Channel>>();

  /** `base` is where the api is. */
  constructor(base: string | URL, options: ClientOptions = {}) {
    this.rest = new Rest(base, options);
    this.stream = new Stream(base, options);
  }

  /** The state of a channel; the same for the same question. */
  live<C extends Channel>(channel: C, filter: Filters[C], limit?: number): Live<C> {
    const fields = Object.entries(filter).filter(([, value]) => value !== undefined).sort();
    const key = JSON.stringify([channel, fields, limit]);
    let live = this.#live.get(key) as Live<C> | undefined;
    if (!live) {
      live = new Live(this.stream, channel, Object.fromEntries(fields) as Filters[C], limit);
      if (this.#live.size >= MAX_KEPT) this.#live.clear();
      this.#live.set(key, live as unknown as Live<Channel>);
    }
    return live;
  }

  /** Closes the stream for good. */
  close(): void {
    this.stream.close();
  }
}

/** Questions whose states are shared; beyond that they begin anew, each working for whoever holds it. */
const MAX_KEPT = 1_000;
