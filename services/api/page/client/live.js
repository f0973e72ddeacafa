// The state of a channel as it is now, for whoever shows it: told at most once per frame, subscribed while somebody listens.
import { fold } from "./states.js";
let subscriptions = 0;
/** The state of one channel. */
export class Live {
    stream;
    channel;
    filter;
    limit;
    #listeners = new Set();
    #state = { data: undefined, refusal: undefined };
    #stop;
    #scheduled = false;
    constructor(stream, channel, filter, limit) {
        this.stream = stream;
        this.channel = channel;
        this.filter = filter;
        this.limit = limit;
    }
    /** The state now: the same object until it changes. */
    get = () => this.#state;
    /** Calls `listener` when the state has changed, until the function that it returns is called. */
    listen = (listener) => {
        this.#listeners.add(listener);
        this.#stop ??= this.#subscribe();
        return () => {
            this.#listeners.delete(listener);
            if (this.#listeners.size > 0)
                return;
            this.#stop?.();
            this.#stop = undefined;
            // What nobody keeps up to date is no state any more.
            this.#state = { data: undefined, refusal: undefined };
        };
    };
    #subscribe() {
        subscriptions += 1;
        const id = `live-${subscriptions}`;
        return this.stream.subscribe(id, this.channel, this.filter, (message) => {
            if (message.type === "error")
                this.#state = { ...this.#state, refusal: message };
            else {
                const data = fold(this.channel, this.#state.data, message, this.limit);
                if (data === this.#state.data && !this.#state.refusal)
                    return;
                this.#state = { data, refusal: undefined };
            }
            this.#tell();
        }, this.limit);
    }
    /** Many trades of a block arrive at once: whoever listens is told once. */
    #tell() {
        if (this.#scheduled)
            return;
        this.#scheduled = true;
        setTimeout(() => {
            this.#scheduled = false;
            for (const listener of this.#listeners)
                listener();
        }, FRAME_MS);
    }
}
const FRAME_MS = 16;
