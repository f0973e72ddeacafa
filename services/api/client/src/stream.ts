// The stream: one WebSocket for every subscription, reconnected when it is lost. Each subscription resumes from the last
// `at` it received; where the api cannot resume from there it sends `reset` and a new snapshot.

import { parseExact } from "./exact.js";
import type { components } from "./schema.js";

/** A trade as it travels on the tape. */
export type Trade = components["schemas"]["TradeExecutedV1"];
/** A chain as it is. */
export type Chain = components["schemas"]["ChainView"];

/** The channels, and the filter of each. */
export interface Filters {
  trades: {
    chain?: string;
    trader?: string;
    asset?: string;
    venue?: string;
    pool?: string;
    platform?: string;
    kind?: string;
    /** Dollars as a decimal: only trades worth at least as much. */
    minUsd?: string;
  };
  "user.metrics": { address: string; chain?: string };
  "user.portfolio": { address: string; chain?: string };
  chains: Record<string, never>;
  prices: { chain: string; asset: string };
  candles: { chain: string; asset: string; interval?: "1m" | "1h" | "1d" };
}
export type Channel = keyof Filters;

/** The messages that a subscriber receives. */
export type Message =
  | { type: "snapshot"; id: string; channel: Channel; data: unknown; at: string }
  | { type: "apply" | "revert"; channel: "trades"; data: Trade; at: string; ids?: string[] }
  | { type: "update"; channel: Channel; data: unknown; at: string; ids?: string[] }
  | { type: "resumed"; id: string; at: string }
  | { type: "reset"; id: string }
  | { type: "gap"; channel: "trades"; missed: number }
  | { type: "error"; id?: string; code: string; field?: string; detail: string };

type Incoming =
  | Message
  | { type: "hello"; version: string; heartbeatMs: number; maxSubscriptions: number }
  | { type: "heartbeat" | "pong" | "unsubscribed" };

/** The state of the connection. */
export type State = "connecting" | "live" | "lost";

interface Wanted {
  ask: { op: "subscribe"; id: string; channel: Channel; filter: object; limit?: number };
  on: (message: Message) => void;
  /** Whether it has received its snapshot or was resumed: changes before that are ignored. */
  ready: boolean;
  /** The last `at` it received. */
  at: string | null;
}

const FIRST_WAIT = 400;
const LONGEST_WAIT = 15_000;
/** The server sends a heartbeat every 15 seconds; after this long without a message the connection counts as lost. */
const SILENCE = 40_000;
const AGAIN_AFTER_ERROR = 2_000;
const PASSING = ["starting", "behind", "unavailable", "too-fast"];

/** A WebSocket of one api. Reports its state by `state` events. */
export class Stream extends EventTarget {
  readonly #url: URL;
  readonly #wanted = new Map<string, Wanted>();
  #socket: WebSocket | null = null;
  #wait = FIRST_WAIT;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** `base` is where the api is, as `http…`. */
  constructor(base: string | URL) {
    super();
    this.#url = new URL("/v1/stream", base);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#open();
  }

  /**
   * Subscribes to a channel. `on` is called with the messages of the subscription: the snapshot, then the changes that
   * pass its filter. An api that does not yet name the subscriptions of a change (`ids`) has every subscription of the
   * channel receive it. Returns a function that unsubscribes.
   */
  subscribe<C extends Channel>(
    id: string,
    channel: C,
    filter: Filters[C],
    on: (message: Message) => void,
    limit?: number,
  ): () => void {
    const ask = { op: "subscribe" as const, id, channel, filter, ...(limit !== undefined && { limit }) };
    const wanted: Wanted = { ask, on, ready: false, at: null };
    this.#wanted.set(id, wanted);
    this.#say(ask);
    return () => {
      if (this.#wanted.get(id) !== wanted) return;
      this.#wanted.delete(id);
      this.#say({ op: "unsubscribe", id });
    };
  }

  /** Reconnects at once instead of waiting: the network is back, or the page is visible again. */
  hurry(): void {
    if (this.#again === undefined || this.#closed) return;
    this.#wait = FIRST_WAIT;
    this.#open();
  }

  /** Closes the connection for good. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#again);
    clearTimeout(this.#silence);
    this.#socket?.close();
  }

  #say(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #open(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    this.#tell("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onmessage = (event) => socket === this.#socket && this.#hear(parseExact(String(event.data)) as Incoming);
    socket.onclose = () => socket === this.#socket && this.#lost();
    this.#listen();
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket?.close(), SILENCE);
  }

  #lost(): void {
    clearTimeout(this.#silence);
    this.#socket = null;
    for (const wanted of this.#wanted.values()) wanted.ready = false;
    if (this.#closed) return;
    this.#tell("lost");
    this.#again = setTimeout(() => this.#open(), this.#wait * (0.5 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  /** Sends the request of a subscription: with the last `at` it received, if any. */
  #ask(wanted: Wanted): void {
    this.#say({ ...wanted.ask, ...(wanted.at !== null && { resume: wanted.at }) });
  }

  #hear(message: Incoming): void {
    this.#listen();
    switch (message.type) {
      case "hello":
        this.#wait = FIRST_WAIT;
        this.#tell("live");
        for (const wanted of this.#wanted.values()) this.#ask(wanted);
        break;
      case "snapshot":
      case "resumed": {
        const wanted = this.#wanted.get(message.id);
        if (!wanted) break;
        wanted.ready = true;
        wanted.at = message.at;
        wanted.on(message);
        break;
      }
      case "reset": {
        const wanted = this.#wanted.get(message.id);
        if (!wanted) break;
        wanted.ready = false;
        wanted.at = null;
        break;
      }
      case "apply":
      case "revert":
      case "update":
        // Who received a message has received everything of the channel below its `at`, whatever the filter.
        for (const wanted of this.#of(message.channel)) {
          wanted.at = message.at;
          if (message.ids === undefined || message.ids.includes(wanted.ask.id)) wanted.on(message);
        }
        break;
      case "gap":
        // Resuming would not deliver what was missed: `at` is beyond it.
        for (const wanted of this.#of(message.channel)) {
          wanted.at = null;
          wanted.on(message);
          this.#ask(wanted);
        }
        break;
      case "error": {
        const wanted = message.id === undefined ? undefined : this.#wanted.get(message.id);
        if (!wanted) break;
        wanted.on(message);
        if (PASSING.includes(message.code)) {
          setTimeout(() => this.#wanted.get(wanted.ask.id) === wanted && this.#ask(wanted), AGAIN_AFTER_ERROR);
        }
        break;
      }
    }
  }

  #of(channel: Channel): Wanted[] {
    return [...this.#wanted.values()].filter((wanted) => wanted.ready && wanted.ask.channel === channel);
  }

  #tell(state: State): void {
    this.dispatchEvent(new CustomEvent<State>("state", { detail: state }));
  }
}
