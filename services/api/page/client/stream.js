// The stream: one WebSocket for every subscription, reconnected when it is lost. Each subscription resumes from the last
// `at` it received; where the api cannot resume from there it sends `reset` and a new snapshot.
import { parseExact } from "./exact.js";
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
    #url;
    #options;
    #wanted = new Map();
    #state = "idle";
    #socket = null;
    #wait = FIRST_WAIT_MS;
    #silence;
    #again;
    #closed = false;
    /** `base` is where the api is, as `http…`. */
    constructor(base, options = {}) {
        super();
        this.#url = new URL("/v1/stream", base);
        this.#url.protocol = this.#url.protocol.replace("http", "ws");
        this.#options = options;
    }
    /** The state of the connection. */
    get state() {
        return this.#state;
    }
    /**
     * Subscribes to a channel. `on` is called with the messages of the subscription: the snapshot, then the changes that
     * pass its filter. An api that does not yet name the subscriptions of a change (`ids`) has every subscription of the
     * channel receive it. Returns a function that unsubscribes.
     */
    subscribe(id, channel, filter, on, limit) {
        const ask = { op: "subscribe", id, channel, filter, ...(limit !== undefined && { limit }) };
        // What the server sends under an id is of the channel that was asked for under it.
        const wanted = { ask, on: on, ready: false, at: null };
        this.#wanted.set(id, wanted);
        if (this.#socket)
            this.#say(ask);
        else if (this.#again === undefined && !this.#closed)
            this.#open();
        return () => {
            if (this.#wanted.get(id) !== wanted)
                return;
            this.#wanted.delete(id);
            this.#say({ op: "unsubscribe", id });
        };
    }
    /** Reconnects at once instead of waiting: the network is back, or the page is visible again. */
    hurry() {
        if (this.#again === undefined || this.#closed)
            return;
        this.#wait = FIRST_WAIT_MS;
        this.#open();
    }
    /** Closes the connection for good. */
    close() {
        this.#closed = true;
        clearTimeout(this.#again);
        clearTimeout(this.#silence);
        this.#socket?.close();
    }
    #say(message) {
        if (this.#socket?.readyState === OPEN)
            this.#socket.send(JSON.stringify(message));
    }
    #open() {
        clearTimeout(this.#again);
        this.#again = undefined;
        this.#tell("connecting");
        const socket = this.#connect();
        this.#socket = socket;
        socket.onmessage = (event) => socket === this.#socket && this.#hear(parseExact(String(event.data)));
        socket.onclose = () => socket === this.#socket && this.#lost();
        this.#listen();
    }
    #connect() {
        const Kind = this.#options.WebSocket ?? globalThis.WebSocket;
        if (!Kind)
            throw new Error("there is no WebSocket here: pass one, as `new Stream(base, { WebSocket })` with that of the package `ws`");
        return new Kind(this.#url.href);
    }
    #listen() {
        clearTimeout(this.#silence);
        this.#silence = setTimeout(() => this.#socket?.close(), SILENCE_MS);
    }
    #lost() {
        clearTimeout(this.#silence);
        this.#socket = null;
        for (const wanted of this.#wanted.values())
            wanted.ready = false;
        if (this.#closed)
            return;
        this.#tell("lost");
        this.#again = setTimeout(() => this.#open(), this.#wait * (0.5 + Math.random() / 2));
        this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
    }
    /** Sends the request of a subscription: with the last `at` it received, if any. */
    #ask(wanted) {
        this.#say({ ...wanted.ask, ...(wanted.at !== null && { resume: wanted.at }) });
    }
    #hear(message) {
        this.#listen();
        switch (message.type) {
            case "hello":
                this.#wait = FIRST_WAIT_MS;
                this.#tell("live");
                for (const wanted of this.#wanted.values())
                    this.#ask(wanted);
                break;
            case "snapshot":
            case "resumed": {
                const wanted = this.#wanted.get(message.id);
                if (!wanted)
                    break;
                wanted.ready = true;
                wanted.at = message.at;
                wanted.on(message);
                break;
            }
            case "reset": {
                const wanted = this.#wanted.get(message.id);
                if (!wanted)
                    break;
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
                    if (message.ids === undefined || message.ids.includes(wanted.ask.id))
                        wanted.on(message);
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
                if (!wanted)
                    break;
                wanted.on(message);
                if (PASSING.includes(message.code)) {
                    setTimeout(() => this.#wanted.get(wanted.ask.id) === wanted && this.#ask(wanted), AGAIN_AFTER_ERROR_MS);
                }
                break;
            }
        }
    }
    #of(channel) {
        return [...this.#wanted.values()].filter((wanted) => wanted.ready && wanted.ask.channel === channel);
    }
    #tell(state) {
        this.#state = state;
        this.dispatchEvent(new CustomEvent("state", { detail: state }));
    }
}
