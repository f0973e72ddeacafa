// Holds the package's types to what is promised, as a user compiles them: nothing that arrives is `unknown` or `any`.

import type { Answer, Change, Channel, Filters, Message, Path, Snapshot, States } from "@chaintape/client";
import { Client } from "@chaintape/client";
import { useCandles, useRest, useTrades, useUserMetrics } from "@chaintape/client/react";

/** `true` of `unknown` and `any`. */
type IsLoose<T> = unknown extends T ? true : false;
type AnyLoose<T> = true extends { [K in keyof T]-?: IsLoose<T[K]> }[keyof T] ? true : false;
type Is<T extends false> = T;

/** The channels, paths and states with a loose type: none. */
export type Checks = [
  Is<AnyLoose<{ [C in Channel]: Snapshot<C>["data"] }>>,
  Is<AnyLoose<{ [C in Channel]: Change<C>["data"] }>>,
  Is<AnyLoose<States>>,
  Is<AnyLoose<Filters>>,
  Is<AnyLoose<{ [P in Path]: Answer<P> }>>,
];

const client = new Client("http://127.0.0.1:8080");

/** What is right compiles without a cast. */
export async function right(): Promise<(string | undefined)[]> {
  const { items } = await client.rest.get("/v1/trades", { query: { chain: "mock", minUsd: "100", limit: 5 } });
  const told: (string | undefined)[] = items.map((trade) => trade.sold.symbol ?? undefined);
  client.stream.subscribe("mine", "user.metrics", { address: "0x1" }, (message) => {
    if (message.type === "snapshot") told.push(message.data.total.volumeUsd, ...message.data.positions.map(({ asset }) => asset));
    else if (message.type === "update") told.push(message.data.totals.realizedPnlUsd);
    else if (message.type === "error") told.push(message.detail);
  });
  client.stream.subscribe("tape", "trades", {}, (message) => {
    if (message.type === "gap") told.push(String(message.missed));
    else if (message.type === "apply" || message.type === "revert") told.push(message.data.trader.address);
  });
  const price: Message<"prices"> | undefined = undefined;
  told.push(String(price));
  return told;
}

/** What is wrong does not compile. */
export function Wrong(): undefined {
  // @ts-expect-error: there is no such path
  void client.rest.get("/v1/trade");
  // @ts-expect-error: there is no such parameter
  void client.rest.get("/v1/trades", { query: { chian: "mock" } });
  // @ts-expect-error: a user's channel needs an address
  client.stream.subscribe("mine", "user.metrics", { chain: "mock" }, () => {});
  // @ts-expect-error: there is no such interval
  useCandles("mock", "mock:token:cat", "5m");
  // @ts-expect-error: there is no such field
  void useTrades({ chain: "mock" }).data?.[0]?.price;
  // @ts-expect-error: there is no such figure
  void useUserMetrics("0x1").data?.total.profit;
  // @ts-expect-error: there is no such figure
  void useRest("/v1/users/{address}/worth", { path: { address: "0x1" } }).answer?.total.profit;
  return undefined;
}
