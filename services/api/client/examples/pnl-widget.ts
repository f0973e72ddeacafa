// A user's profit in an element of a page, live: `pnlWidget(document.querySelector("#pnl")!, "https://api.example", "0x…")`.
// Realized profit comes with each trade over the stream; what is not realized is asked for again when something changed.

import { Rest, Stream, type components, type Message } from "chaintape-client";

type Chain = { chain: string; realizedPnlUsd: string };
type Snapshot = { chains: Chain[] };
type Update = { chain: string; totals: components["schemas"]["TotalsView"] };

const ASK_AGAIN_AFTER_MS = 3_000;

/** Shows the profit until the function that it returns is called. */
export function pnlWidget(element: { textContent: string | null }, base: string, address: string): () => void {
  const rest = new Rest(base);
  const stream = new Stream(base);
  const realized = new Map<string, number>();
  let unrealized: string | undefined;
  let asking: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;

  const show = () => {
    const sum = [...realized.values()].reduce((all, one) => all + one, 0);
    const open = unrealized === undefined ? "…" : usd(Number(unrealized));
    if (!stopped) element.textContent = `Realized ${usd(sum)} · unrealized ${open}`;
  };
  const ask = async () => {
    asking = undefined;
    const worth = await rest.get("/v1/users/{address}/worth", { path: { address } }).catch(() => undefined);
    unrealized = worth?.total.unrealizedPnlUsd ?? unrealized;
    show();
  };
  const hear = (message: Message) => {
    if (message.type === "snapshot") {
      realized.clear();
      for (const one of (message.data as Snapshot).chains) realized.set(one.chain, Number(one.realizedPnlUsd));
    } else if (message.type === "update") {
      const { chain, totals } = message.data as Update;
      realized.set(chain, Number(totals.realizedPnlUsd));
    } else if (message.type === "error") {
      element.textContent = message.detail;
      return;
    }
    show();
    // Trades come in blocks: one question for all of them.
    asking ??= setTimeout(ask, unrealized === undefined ? 0 : ASK_AGAIN_AFTER_MS);
  };
  stream.subscribe("pnl", "user.metrics", { address }, hear);
  return () => {
    stopped = true;
    clearTimeout(asking);
    stream.close();
  };
}

const usd = (amount: number) => amount.toLocaleString("en-US", { style: "currency", currency: "USD" });
