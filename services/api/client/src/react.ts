// React hooks: the live states of the stream and the answers of REST, typed like the client's own.

import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import type { Client } from "./client.js";
import type { LiveState } from "./live.js";
import { ProblemError, type Answer, type Path, type Question } from "./rest.js";
import type { Channel, ConnectionState, Filters } from "./stream.js";

const ClientContext = createContext<Client | null>(null);

/** Gives the hooks below it their client. Make the client once, outside of components. */
export function ChaintapeProvider({ client, children }: { client: Client; children?: ReactNode }) {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** The client of the nearest provider. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error("this hook needs a client: render it within <ChaintapeProvider client={new Client(\"https://…\")}>");
  return client;
}

/** The state of the connection: what is shown while it is not `live` may be old. */
export function useConnection(): ConnectionState {
  const { stream } = useClient();
  const listen = useCallback((changed: () => void) => {
    stream.addEventListener("state", changed);
    return () => stream.removeEventListener("state", changed);
  }, [stream]);
  return useSyncExternalStore(listen, () => stream.state, () => "idle" as const);
}

const NOTHING: LiveState<never> = { data: undefined, refusal: undefined };

/** The live state of a channel. Components with the same question share one subscription. */
export function useChannel<C extends Channel>(channel: C, filter: Filters[C], limit?: number): LiveState<C> {
  const client = useClient();
  const question = JSON.stringify(filter);
  const live = useMemo(() => client.live(channel, JSON.parse(question) as Filters[C], limit), [client, channel, question, limit]);
  return useSyncExternalStore(live.listen, live.get, () => NOTHING);
}

/** The newest trades that pass a filter, newest first. */
export const useTrades = (filter: Filters["trades"] = {}, limit?: number) => useChannel("trades", filter, limit);
/** A user's totals and positions. */
export const useUserMetrics = (address: string, chain?: string) => useChannel("user.metrics", { address, ...(chain !== undefined && { chain }) });
/** What a user's wallets hold. */
export const useUserPortfolio = (address: string, chain?: string) => useChannel("user.portfolio", { address, ...(chain !== undefined && { chain }) });
/** The chains as they are. */
export const useChains = () => useChannel("chains", {});
/** The price of an asset. */
export const usePrice = (chain: string, asset: string) => useChannel("prices", { chain, asset });
/** The newest candles of an asset, oldest first. */
export const useCandles = (chain: string, asset: string, interval: "1m" | "1h" | "1d" = "1h", limit?: number) =>
  useChannel("candles", { chain, asset, interval }, limit);

/** An answer of REST, or why there is none. While it is read again the last one stays. */
export interface RestState<P extends Path> {
  readonly answer: Answer<P> | undefined;
  readonly error: Error | undefined;
}

/** The answer of a path, read again every `everyMs` where that is given; a refusal that passes is waited out. */
export function useRest<P extends Path>(path: P, question: Omit<Question<P>, "signal"> = {}, everyMs?: number): RestState<P> {
  const { rest } = useClient();
  const asked = JSON.stringify([path, question]);
  const [state, setState] = useState<RestState<P> & { asked: string }>({ asked, answer: undefined, error: undefined });
  useEffect(() => {
    const stop = new AbortController();
    let again: ReturnType<typeof setTimeout> | undefined;
    const [, { path: parts, query }] = JSON.parse(asked) as [P, Question<P>];
    const read = async (): Promise<void> => {
      let waitMs = everyMs;
      try {
        const answer = await rest.get(path, { ...(parts && { path: parts }), ...(query && { query }), signal: stop.signal });
        setState({ asked, answer, error: undefined });
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((last) => ({ asked, answer: last.asked === asked ? last.answer : undefined, error: error as Error }));
        if (error instanceof ProblemError && error.retryAfter !== null) waitMs = error.retryAfter * 1_000;
      }
      if (waitMs !== undefined && !stop.signal.aborted) again = setTimeout(read, waitMs);
    };
    void read();
    return () => {
      stop.abort();
      clearTimeout(again);
    };
  }, [rest, path, asked, everyMs]);
  // The answer to another question is none to this one.
  return state.asked === asked ? state : { answer: undefined, error: undefined };
}
