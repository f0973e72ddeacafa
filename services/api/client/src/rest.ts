// REST, typed by the OpenAPI document: paths, parameters and responses are those of `schema.ts`, which is generated from it.

import { parseExact } from "./exact.js";
import type { components, paths } from "./schema.js";

/** The paths that answer with JSON. */
export type Path = {
  [P in keyof paths]: paths[P] extends { get: { responses: { 200: { content: { "application/json": unknown } } } } } ? P : never;
}[keyof paths];

type Get<P extends Path> = paths[P] extends { get: infer G } ? G : never;
type Parameters<P extends Path> = Get<P> extends { parameters: infer X } ? X : never;
type PathPart<P extends Path> = Parameters<P> extends { path: infer X } ? X : Record<string, never>;
type QueryPart<P extends Path> = Parameters<P> extends { query?: infer X } ? X : never;

/** The response body of a path. */
export type Answer<P extends Path> =
  Get<P> extends { responses: { 200: { content: { "application/json": infer A } } } } ? A : never;

/** The parameters of a path. */
export interface Question<P extends Path> {
  path?: PathPart<P>;
  query?: QueryPart<P>;
  signal?: AbortSignal;
}

/** A problem document, thrown. */
export class ProblemError extends Error {
  constructor(
    readonly problem: components["schemas"]["Problem"],
    /** Seconds after which a retry may succeed. */
    readonly retryAfter: number | null,
  ) {
    super(`${problem.title}: ${problem.detail}`);
    this.name = "ProblemError";
  }
}

/** Settings of REST. */
export interface RestOptions {
  /** Headers of every request, such as `{ authorization: "Bearer KEY" }`. */
  headers?: Record<string, string>;
  /** How many responses are kept at most, 64 by default. */
  maxKept?: number;
}

/** Reads from one api. Responses are kept with their ETags, so that an unchanged one is not sent again. */
export class Rest {
  readonly #base: URL;
  readonly #headers: Record<string, string>;
  readonly #maxKept: number;
  readonly #known = new Map<string, { tag: string; answer: unknown }>();

  /** `base` is where the api is. */
  constructor(base: string | URL, { headers = {}, maxKept = 64 }: RestOptions = {}) {
    this.#base = new URL(base);
    this.#headers = headers;
    this.#maxKept = maxKept;
  }

  /** Reads a path, or throws a `ProblemError`. Integers that a number does not hold exactly are `bigint`s. */
  async get<P extends Path>(path: P, question: Question<P> = {}): Promise<Answer<P>> {
    const url = this.#url(path, question);
    const known = this.#known.get(url);
    const response = await fetch(url, {
      headers: { ...this.#headers, ...(known && { "if-none-match": known.tag }) },
      ...(question.signal && { signal: question.signal }),
    });
    if (response.status === 304 && known) return known.answer as Answer<P>;
    if (!response.ok) throw await problem(response);
    const answer = parseExact(await response.text()) as Answer<P>;
    const tag = response.headers.get("etag");
    if (tag) this.#keep(url, tag, answer);
    return answer;
  }

  /** Every item of a list, page after page. */
  async *items<P extends Path>(
    path: P,
    question: Question<P> = {},
  ): AsyncGenerator<Answer<P> extends { items: (infer I)[] } ? I : never> {
    let cursor: string | undefined;
    do {
      const query = { ...(question.query as object), ...(cursor && { cursor }) } as QueryPart<P>;
      const page = (await this.get(path, { ...question, query })) as { items: never[]; next?: string | null };
      yield* page.items;
      cursor = page.next ?? undefined;
    } while (cursor);
  }

  #url<P extends Path>(path: P, question: Question<P>): string {
    const parts = (question.path ?? {}) as Record<string, string>;
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts[name] ?? ""));
    const url = new URL(filled, this.#base);
    for (const [name, value] of Object.entries((question.query ?? {}) as Record<string, unknown>)) {
      if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    }
    return url.href;
  }

  #keep(url: string, tag: string, answer: unknown): void {
    this.#known.delete(url);
    this.#known.set(url, { tag, answer });
    const oldest = this.#known.keys().next();
    if (this.#known.size > this.#maxKept && !oldest.done) this.#known.delete(oldest.value);
  }
}

async function problem(response: Response): Promise<ProblemError> {
  const fallback = { type: "about:blank", title: response.statusText || "Error", status: response.status, detail: "no reason was given" };
  const body = (await response.json().catch(() => fallback)) as components["schemas"]["Problem"];
  const after = Number(response.headers.get("retry-after"));
  return new ProblemError(body, Number.isFinite(after) && after > 0 ? after : null);
}
