// A user's profit, live: `<PnlWidget address="0x…" />` below a `<ChaintapeProvider client={new Client("https://api.example")}>`.
// Realized profit comes with each trade over the stream; the worth of what is held is read again every few seconds.

import { useConnection, useRest, useUserMetrics } from "@chaintape/client/react";

const WORTH_EVERY_MS = 3_000;

export function PnlWidget({ address }: { address: string }) {
  const connection = useConnection();
  const { data, refusal } = useUserMetrics(address);
  const { answer: worth, error } = useRest("/v1/users/{address}/worth", { path: { address } }, WORTH_EVERY_MS);
  if (refusal && !data) return <p role="alert">{refusal.detail}</p>;
  if (!data) return <p>Loading…</p>;
  return (
    <section aria-label="Profit and loss" data-connection={connection}>
      <dl>
        <dt>Realized</dt>
        <dd>{usd(data.total.realizedPnlUsd)}</dd>
        <dt>Unrealized</dt>
        <dd>{worth ? usd(worth.total.unrealizedPnlUsd) : error ? error.message : "…"}</dd>
        <dt>Fees</dt>
        <dd>{usd(data.total.feesUsd)}</dd>
      </dl>
      <table>
        <thead>
          <tr><th>Asset</th><th>Value</th><th>Unrealized</th></tr>
        </thead>
        <tbody>
          {data.positions.map((position) => (
            <tr key={`${position.chain}/${position.asset}`}>
              <td title={position.asset}>{position.symbol ?? position.asset.slice(0, 10)}</td>
              <td>{position.valueUsd ? usd(position.valueUsd) : "no price"}</td>
              <td>{position.unrealizedPnlUsd ? usd(position.unrealizedPnlUsd) : "no price"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const usd = (text: string) => Number(text).toLocaleString("en-US", { style: "currency", currency: "USD" });
