// The stream: one WebSocket for every subscription, opened again when it is lost. Each subscription goes on from the last
// `at` it was told; where the api cannot go on from there it says `reset` and sends a new snapshot.

import type { components } from "./schema.js";

/** A trade as it travels on the tape. */
export type Trade = components["schemas"]["TradeExecutedV1"];
/** A chain as it is. */
export type Chain = components["schemas"]["ChainView"];

/** The channels, and what may be asked of each. */
export interface Filters {
  trades: { chain?: string; trader?: string; asset?: string; venue?: string };
  "user.metrics": { address: string; chain?: string };
  "user.portfolio": { address: string; chain?: string };
  chains: Record<string, never>;
}
export type Channel = keyof Filters;

/** What a subscriber is told. */
export type Message =
  | { type: "snapshot"; id: string; channel: Channel; data: unknown; at: string }
  | { type: "apply" | "revert"; channel: "trades"; data: Trade; at: string }
  | { type: "update"; channel: Channel; data: unknown; at: string }
  | { type: "resumed"; id: string; at: string }
  | { type: "reset"; id: string }
  | { type: "gap"; channel: "trades"; missed: number }
  | { type: "error"; id?: string; code: string; field?: string; detail: string };

type Incoming =
  | Message
  | { type: "hello"; version: string; heartbeatMs: number; maxSubscriptions: number }
  | { type: "heartbeat" | "pong" | "unsubscribed" };

/** How the line is. */
export type State = "connecting" | "live" | "lost";

interface Wanted {
  ask: { op: "subscribe"; id: string; channel: Channel; filter: object; limit?: number };
  on: (message: Message) => void;
  /** Whether its snapshot has come, or it was resumed: only then do changes mean something. */
  ready: boolean;
  /** Up to where it was told. */
  at: string | null;
}

const FIRST_WAIT = 400;
const LONGEST_WAIT = 15_000;
/** The server beats its heart every 15 seconds; silence this long means that the line is dead. */
const SILENCE = 40_000;
const AGAIN_AFTER_ERROR = 2_000;
const PASSING = ["starting", "behind", "unavailable", "too-fast"];

/** A WebSocket of one api. Tells its `state` as events. */
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
   * Wants a channel. `on` is called with every message of it: the snapshot that bears the id, then the changes of the
   * channel, which every subscription of it gets, whatever its filter. Returns how to stop.
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

  /** Tries at once instead of waiting: the network is back, the page is looked at again. */
  hurry(): void {
    if (this.#again === undefined || this.#closed) return;
    this.#wait = FIRST_WAIT;
    this.#open();
  }

  /** Closes the line for good. */
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
    socket.onmessage = (event) => socket === this.#socket && this.#hear(JSON.parse(String(event.data)) as Incoming);
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

  /** Asks for a subscription: from where it was told, if it was. */
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
        for (const wanted of this.#of(message.channel)) {
          wanted.at = message.at;
          wanted.on(message);
        }
        break;
      case "gap":
        // What was missed is not told by resuming: `at` is beyond it.
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
