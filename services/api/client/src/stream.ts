// The stream: one WebSocket for every subscription, reconnected when it is lost. Each subscription resumes from the last
// `at` it received; where the api cannot resume from there it sends `reset` and a new snapshot.

import { parseExact } from "./exact.js";
import type { components } from "./messages.js";

type Shapes = components["schemas"];
type Payload<Name extends string> = `message.${Name}` extends keyof Shapes ? Shapes[`message.${Name}`] : never;

/** The channels that can be subscribed to. */
export type Channel = "trades" | "user.metrics" | "user.portfolio" | "chains" | "prices" | "candles";

/** The filter of each channel. */
export type Filters = { [C in Channel]: NonNullable<Payload<`subscribe.${C}`> extends { filter?: infer F } ? F : never> };

/** The state at the beginning of a subscription. */
export type Snapshot<C extends Channel = Channel> = Payload<`snapshot.${C}`>;
/** What changes afterwards: trades are applied and reverted, everything else has newer states. */
export type Change<C extends Channel = Channel> = Payload<C extends "trades" ? "apply" | "revert" : `update.${C}`>;
/** A request that was refused. The client repeats it by itself where the reason passes. */
export type Refusal = Omit<Payload<"error">, "type"> & { type: "error" };
/** The subscription goes on where it was. */
export type Resumed = Payload<"resumed">;
/** So many trades were dropped for a reader that was too slow; a new snapshot follows. */
export type Gap = Omit<Payload<"gap">, "type" | "channel"> & { type: "gap"; channel: "trades" };

/** The messages that a subscriber to a channel receives, told apart by `type`. */
export type Message<C extends Channel = Channel> = C extends Channel
  ? Snapshot<C> | Change<C> | Resumed | Refusal | (C extends "trades" ? Gap : never)
  : never;

/** The state of the connection; `idle` until the first subscription. */
export type ConnectionState = "idle" | "connecting" | "live" | "lost";

/** As much of a WebSocket as is needed. */
export interface Socket {
  readonly readyState: number;
  send(text: string): void;
  close(): void;
  // eslint-disable-next-line -- events differ between browsers and the packages for Node
  onmessage: any;
  onclose: any;
}

/** Settings of a stream. */
export interface StreamOptions {
  /** The WebSocket to use where there is none built in (Node before 22): the one of the package `ws`. */
  WebSocket?: new (url: string) => Socket;
}

interface Wanted {
  ask: { op: "subscribe"; id: string; channel: Channel; filter: object; limit?: number };
  on: (message: Message) => void;
  /** Whether it has received its snapshot or was resumed: changes before that are ignored. */
  ready: boolean;
  /** The last `at` it received. */
  at: string | null;
}

type Incoming =
  | Message
  | { type: "reset"; id: string }
  | { type: "hello"; version: string; heartbeatMs: number; maxSubscriptions: number }
  | { type: "heartbeat" | "pong" | "unsubscribed" };

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 15_000;
/** The server sends a heartbeat every 15 seconds; after this long without a message the connection counts as lost. */
const SILENCE_MS = 40_000;
const AGAIN_AFTER_ERROR_MS = 2_000;
const PASSING = ["starting", "behind", "unavailable", "too-fast"];
/** `readyState` of an open WebSocket. */
const OPEN = 1;

/** A WebSocket of one api, opened with the first subscription. Reports its state by `state` events. */
export class Stream extends EventTarget {
  readonly #url: URL;
  readonly #options: StreamOptions;
  readonly #wanted = new Map<string, Wanted>();
  #state: ConnectionState = "idle";
  #socket: Socket | null = null;
  #wait = FIRST_WAIT_MS;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** `base` is where the api is, as `http…`. */
  constructor(base: string | URL, options: StreamOptions = {}) {
    super();
    this.#url = new URL("/v1/stream", base);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#options = options;
  }

  /** The state of the connection. */
  get state(): ConnectionState {
    return this.#state;
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
    on: (message: Message<C>) => void,
    limit?: number,
  ): () => void {
    const ask = { op: "subscribe" as const, id, channel, filter, ...(limit !== undefined && { limit }) };
    // What the server sends under an id is of the channel that was asked for under it.
    const wanted: Wanted = { ask, on: on as (message: Message) => void, ready: false, at: null };
    this.#wanted.set(id, wanted);
    if (this.#socket) this.#say(ask);
    else if (this.#again === undefined && !this.#closed) this.#open();
    return () => {
      if (this.#wanted.get(id) !== wanted) return;
      this.#wanted.delete(id);
      this.#say({ op: "unsubscribe", id });
    };
  }

  /** Reconnects at once instead of waiting: the network is back, or the page is visible again. */
  hurry(): void {
    if (this.#again === undefined || this.#closed) return;
    this.#wait = FIRST_WAIT_MS;
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
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(message));
  }

  #open(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    this.#tell("connecting");
    const socket = this.#connect();
    this.#socket = socket;
    socket.onmessage = (event: { data: unknown }) =>
      socket === this.#socket && this.#hear(parseExact(String(event.data)) as Incoming);
    socket.onclose = () => socket === this.#socket && this.#lost();
    this.#listen();
  }

  #connect(): Socket {
    const Kind = this.#options.WebSocket ?? globalThis.WebSocket;
    if (!Kind) throw new Error("there is no WebSocket here: pass one, as `new Stream(base, { WebSocket })` with that of the package `ws`");
    return new Kind(this.#url.href);
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket?.close(), SILENCE_MS);
  }

  #lost(): void {
    clearTimeout(this.#silence);
    this.#socket = null;
    for (const wanted of this.#wanted.values()) wanted.ready = false;
    if (this.#closed) return;
    this.#tell("lost");
    this.#again = setTimeout(() => this.#open(), this.#wait * (0.5 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }

  /** Sends the request of a subscription: with the last `at` it received, if any. */
  #ask(wanted: Wanted): void {
    this.#say({ ...wanted.ask, ...(wanted.at !== null && { resume: wanted.at }) });
  }

  #hear(message: Incoming): void {
    this.#listen();
    switch (message.type) {
      case "hello":
        this.#wait = FIRST_WAIT_MS;
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
        const wanted = typeof message.id === "string" ? this.#wanted.get(message.id) : undefined;
        if (!wanted) break;
        wanted.on(message);
        if (PASSING.includes(message.code)) {
          setTimeout(() => this.#wanted.get(wanted.ask.id) === wanted && this.#ask(wanted), AGAIN_AFTER_ERROR_MS);
        }
        break;
      }
    }
  }

  #of(channel: Channel): Wanted[] {
    return [...this.#wanted.values()].filter((wanted) => wanted.ready && wanted.ask.channel === channel);
  }

  #tell(state: ConnectionState): void {
    this.#state = state;
    this.dispatchEvent(new CustomEvent<ConnectionState>("state", { detail: state }));
  }
}
