// One api: its REST and its stream, and the live states that are shared by all who show them.
import { Live } from "./live.js";
import { Rest } from "./rest.js";
import { Stream } from "./stream.js";
/** An api. Nothing is sent before something is asked for, so that it may be made anywhere, also while rendering on a server. */
export class Client {
    rest;
    stream;
    #live = new Map();
    /** `base` is where the api is. */
    constructor(base, options = {}) {
        this.rest = new Rest(base, options);
        this.stream = new Stream(base, options);
    }
    /** The state of a channel; the same for the same question. */
    live(channel, filter, limit) {
        const fields = Object.entries(filter).filter(([, value]) => value !== undefined).sort();
        const key = JSON.stringify([channel, fields, limit]);
        let live = this.#live.get(key);
        if (!live) {
            live = new Live(this.stream, channel, Object.fromEntries(fields), limit);
            if (this.#live.size >= MAX_KEPT)
                this.#live.clear();
            this.#live.set(key, live);
        }
        return live;
    }
    /** Closes the stream for good. */
    close() {
        this.stream.close();
    }
}
/** Questions whose states are shared; beyond that they begin anew, each working for whoever holds it. */
const MAX_KEPT = 1_000;
