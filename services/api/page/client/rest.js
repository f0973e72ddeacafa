// REST, typed by the OpenAPI document: paths, parameters and responses are those of `schema.ts`, which is generated from it.
import { parseExact } from "./exact.js";
/** A problem document, thrown. */
export class ProblemError extends Error {
    problem;
    retryAfter;
    constructor(problem, 
    /** Seconds after which a retry may succeed. */
    retryAfter) {
        super(`${problem.title}: ${problem.detail}`);
        this.problem = problem;
        this.retryAfter = retryAfter;
        this.name = "ProblemError";
    }
}
/** Reads from one api. Responses are kept with their ETags, so that an unchanged one is not sent again. */
export class Rest {
    #base;
    #headers;
    #maxKept;
    #known = new Map();
    /** `base` is where the api is. */
    constructor(base, { headers = {}, maxKept = 64 } = {}) {
        this.#base = new URL(base);
        this.#headers = headers;
        this.#maxKept = maxKept;
    }
    /** Reads a path, or throws a `ProblemError`. Integers that a number does not hold exactly are `bigint`s. */
    async get(path, question = {}) {
        const url = this.#url(path, question);
        const known = this.#known.get(url);
        const response = await fetch(url, {
            headers: { ...this.#headers, ...(known && { "if-none-match": known.tag }) },
            ...(question.signal && { signal: question.signal }),
        });
        if (response.status === 304 && known)
            return known.answer;
        if (!response.ok)
            throw await problem(response);
        const answer = parseExact(await response.text());
        const tag = response.headers.get("etag");
        if (tag)
            this.#keep(url, tag, answer);
        return answer;
    }
    /** Every item of a list, page after page. */
    async *items(path, question = {}) {
        let cursor;
        do {
            const query = { ...question.query, ...(cursor && { cursor }) };
            const page = (await this.get(path, { ...question, query }));
            yield* page.items;
            cursor = page.next ?? undefined;
        } while (cursor);
    }
    #url(path, question) {
        const parts = (question.path ?? {});
        const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(parts[name] ?? ""));
        const url = new URL(filled, this.#base);
        for (const [name, value] of Object.entries((question.query ?? {}))) {
            if (value !== undefined && value !== null)
                url.searchParams.set(name, String(value));
        }
        return url.href;
    }
    #keep(url, tag, answer) {
        this.#known.delete(url);
        this.#known.set(url, { tag, answer });
        const oldest = this.#known.keys().next();
        if (this.#known.size > this.#maxKept && !oldest.done)
            this.#known.delete(oldest.value);
    }
}
async function problem(response) {
    const fallback = { type: "about:blank", title: response.statusText || "Error", status: response.status, detail: "no reason was given" };
    const body = (await response.json().catch(() => fallback));
    const after = Number(response.headers.get("retry-after"));
    return new ProblemError(body, Number.isFinite(after) && after > 0 ? after : null);
}
