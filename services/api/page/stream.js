// The stream: one WebSocket for the whole page, opened again when it is lost, with every subscription asked anew.

const SILENCE = 40_000;
const FIRST_WAIT = 400;
const LONGEST_WAIT = 15_000;

export class Stream extends EventTarget {
  #socket = null;
  #wanted = new Map();
  #wait = FIRST_WAIT;
  #silence = 0;
  #again = 0;

  constructor() {
    super();
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
    this.#open();
  }

  /**
   * Wants a channel. `on` is called with every message of it: the snapshot that bears the id, and the changes of the
   * channel. Returns how to stop.
   */
  subscribe(id, channel, filter, limit, on) {
    const ask = { op: "subscribe", id, channel, filter, ...(limit && { limit }) };
    this.#wanted.set(id, { ask, on, ready: false });
    this.#say(ask);
    return () => {
      if (this.#wanted.get(id)?.ask !== ask) return;
      this.#wanted.delete(id);
      this.#say({ op: "unsubscribe", id });
    };
  }

  #say(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #open() {
    clearTimeout(this.#again);
    this.#again = 0;
    this.#tell("connecting");
    const url = new URL("/v1/stream", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    socket.onclose = () => socket === this.#socket && this.#lost();
    this.#listen();
  }

  /** The server beats its heart every 15 seconds; long silence means that the line is dead. */
  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket?.close(), SILENCE);
  }

  #lost() {
    clearTimeout(this.#silence);
    this.#socket = null;
    for (const want of this.#wanted.values()) want.ready = false;
    this.#tell("lost");
    this.#again = setTimeout(() => this.#open(), this.#wait * (0.5 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  #hurry() {
    if (this.#again) {
      this.#wait = FIRST_WAIT;
      this.#open();
    }
  }

  #hear(message) {
    this.#listen();
    switch (message.type) {
      case "hello":
        this.#wait = FIRST_WAIT;
        this.#tell("live");
        for (const { ask } of this.#wanted.values()) this.#say(ask);
        break;
      case "snapshot": {
        const want = this.#wanted.get(message.id);
        if (want) {
          want.ready = true;
          want.on(message);
        }
        break;
      }
      case "apply":
      case "revert":
      case "update":
        for (const { ask, on, ready } of this.#wanted.values()) if (ready && ask.channel === message.channel) on(message);
        break;
      case "gap":
        for (const { ask } of this.#wanted.values()) if (ask.channel === message.channel) this.#say(ask);
        break;
      case "error": {
        const want = this.#wanted.get(message.id);
        if (want && ["starting", "behind", "unavailable"].includes(message.code)) {
          want.on(message);
          setTimeout(() => this.#wanted.get(message.id) === want && this.#say(want.ask), 2_000);
        } else if (want) want.on(message);
        break;
      }
    }
  }

  #tell(state) {
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}
