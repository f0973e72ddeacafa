// What each channel's messages add up to: a snapshot and its changes, folded into one state.

import { fromUnits, sumOf, toUnits, valueAt } from "./decimal.js";
import type { components } from "./messages.js";
import type { Channel, Message } from "./stream.js";

type Shapes = components["schemas"];

/** A trade as it travels on the tape. */
export type Trade = Shapes["TradeExecutedV1"];
/** A chain as it is. */
export type Chain = Shapes["ChainView"];
/** A user's totals on one chain. */
export type ChainTotals = Shapes["ChainTotals"];
/** A user's totals over chains. */
export type Totals = Shapes["TotalsView"];
/** What a user holds of an asset by the trades. */
export type Position = Shapes["PositionView"];
/** What a user holds of an asset as a provider tells. */
export type Balance = Shapes["BalanceView"];
/** A tracked wallet. */
export type Wallet = Shapes["WalletView"];
/** What happened to an asset in a stretch of time. */
export type Candle = Shapes["CandleView"];

/** The state of each channel. */
export interface States {
  /** Newest first, as many as the limit of the subscription. */
  trades: Trade[];
  "user.metrics": { address: string; total: Totals; chains: ChainTotals[]; positions: Position[]; truncated: boolean };
  "user.portfolio": { address: string; wallets: Wallet[]; balances: Balance[]; truncated: boolean };
  /** By id. */
  chains: Chain[];
  prices: Shapes["PriceState"];
  /** Oldest first, as many as the limit of the subscription. */
  candles: Candle[];
}

/** How many trades, or candles, a subscription holds without a limit of its own. */
const USUAL_LIMIT = { trades: 50, candles: 100 };

/** The state after a message. What a message does not change is the same object as before. */
export function fold<C extends Channel>(channel: C, state: States[C] | undefined, message: Message<C>, limit?: number): States[C] | undefined {
  const folds = FOLDS as unknown as { [K in Channel]: (state: States[K] | undefined, message: Message<K>, limit?: number) => States[K] | undefined };
  return folds[channel](state, message, limit);
}

const FOLDS = {
  trades: foldTrades,
  "user.metrics": foldMetrics,
  "user.portfolio": foldPortfolio,
  chains: foldChains,
  prices: foldPrice,
  candles: foldCandles,
};

/** A trade detected again may be charged to another trader; both are there until the old one is reverted. */
export const tradeKey = ({ tradeId, trader }: Trade): string => `${tradeId} ${trader.address}`;

type OrderPart = number | string;
const tapeOrder = (trade: Trade): OrderPart[] => [
  trade.block.timestamp, trade.chain, trade.block.height, trade.transaction.index, trade.ordinal, trade.tradeId, trade.trader.address,
];

/** Negative where one trade stands before another on a list whose newest is first. */
export function compareTrades(one: Trade, other: Trade): number {
  const [mine, theirs] = [tapeOrder(one), tapeOrder(other)];
  const at = mine.findIndex((part, index) => part !== theirs[index]);
  if (at < 0) return 0;
  return (mine[at] as OrderPart) > (theirs[at] as OrderPart) ? -1 : 1;
}

function foldTrades(state: Trade[] | undefined, message: Message<"trades">, limit = USUAL_LIMIT.trades): Trade[] | undefined {
  switch (message.type) {
    case "snapshot":
      return message.data.items;
    case "apply":
    case "revert": {
      const key = tradeKey(message.data);
      const others = (state ?? []).filter((trade) => tradeKey(trade) !== key);
      if (message.type === "revert") return others;
      const place = others.findIndex((trade) => compareTrades(message.data, trade) < 0);
      others.splice(place < 0 ? others.length : place, 0, message.data);
      return others.slice(0, limit);
    }
    default:
      return state;
  }
}

const AMOUNTS = [
  "volumeUsd", "feesUsd", "realizedPnlUsd", "realizedPnlNetUsd", "proceedsUsd", "proceedsWithoutBasisUsd", "basisWithoutProceedsUsd",
  "proceedsInDoubtUsd", "implausibleUsd",
] as const;
const COUNTS = ["swaps", "unvalued", "cycles", "implausible"] as const;

/** Totals added up over chains. */
export function totalOf(chains: Totals[]): Totals {
  const amounts = AMOUNTS.map((name) => [name, sumOf(chains.map((one) => one[name]))]);
  const counts = COUNTS.map((name) => [name, chains.reduce((sum, one) => sum + one[name], 0)]);
  const total = Object.fromEntries([...amounts, ...counts]) as Totals;
  const coverage = coverageOf(total);
  return { ...total, ...(coverage !== undefined && { coverage }) };
}

/** Of all that was sold, the part whose proceeds and basis are both known and in no doubt; nothing where nothing was sold. */
function coverageOf({ proceedsUsd, proceedsInDoubtUsd, proceedsWithoutBasisUsd, basisWithoutProceedsUsd }: Totals): string | undefined {
  const all = toUnits(proceedsUsd) + toUnits(proceedsWithoutBasisUsd) + toUnits(basisWithoutProceedsUsd);
  if (all <= 0n) return undefined;
  return fromUnits(((toUnits(proceedsUsd) - toUnits(proceedsInDoubtUsd)) * 1_000_000n) / all, 6);
}

function foldMetrics(state: States["user.metrics"] | undefined, message: Message<"user.metrics">): States["user.metrics"] | undefined {
  if (message.type === "snapshot") return message.data;
  if (message.type !== "update" || !state) return state;
  const { chain, totals, positions } = message.data;
  const old = state.chains.find((one) => one.chain === chain);
  // What a snapshot of balances puts in doubt is not in an update: what was known of it stands until the next snapshot.
  const { coverage: _, ...newest }: ChainTotals = {
    ...totals,
    chain,
    proceedsUsd: totals.proceedsUsd ?? "0",
    basisWithoutProceedsUsd: totals.basisWithoutProceedsUsd ?? "0",
    implausible: totals.implausible ?? 0,
    implausibleUsd: totals.implausibleUsd ?? "0",
    proceedsInDoubtUsd: old?.proceedsInDoubtUsd ?? "0",
  };
  const coverage = coverageOf(newest);
  const chains = [...state.chains.filter((one) => one.chain !== chain), { ...newest, ...(coverage !== undefined && { coverage }) }];
  const changed = positions.map((position) => {
    const known = state.positions.find((one) => one.chain === chain && one.asset === position.asset);
    return valuedAgain({
      ...known,
      ...position,
      chain,
      proceedsUsd: position.proceedsUsd ?? "0",
      basisWithoutProceedsUsd: position.basisWithoutProceedsUsd ?? "0",
    });
  });
  const kept = state.positions.filter((one) => one.chain !== chain || !positions.some(({ asset }) => asset === one.asset));
  chains.sort(byChain);
  return { ...state, chains, total: totalOf(chains), positions: [...kept, ...changed].sort(byAsset) };
}

const byChain = (one: { chain: string }, other: { chain: string }) => (one.chain < other.chain ? -1 : one.chain > other.chain ? 1 : 0);
const byAsset = (one: { chain: string; asset: string }, other: { chain: string; asset: string }) =>
  byChain(one, other) || (one.asset < other.asset ? -1 : one.asset > other.asset ? 1 : 0);

/** A position whose quantity or basis changed, at the price that was told last: figures of the old quantity would be wrong. */
function valuedAgain(position: Position): Position {
  const { averageCostUsd, valueUsd, unknownValueUsd, unrealizedPnlUsd, coverage, ...rest } = position;
  const { priceUsd, decimals, quantity, unknownQuantity, basisUsd } = rest;
  if (typeof priceUsd !== "string" || typeof decimals !== "number") return rest;
  const value = valueAt(priceUsd, BigInt(quantity), decimals);
  return {
    ...rest,
    valueUsd: value,
    unknownValueUsd: valueAt(priceUsd, BigInt(unknownQuantity), decimals),
    unrealizedPnlUsd: fromUnits(toUnits(value) - toUnits(basisUsd)),
  };
}

function foldPortfolio(state: States["user.portfolio"] | undefined, message: Message<"user.portfolio">): States["user.portfolio"] | undefined {
  if (message.type === "snapshot") {
    const { items, ...rest } = message.data;
    return { ...rest, balances: items };
  }
  if (message.type !== "update" || !state) return state;
  const { chain, provider, takenAt, asOf, incomplete, leftOut, incompleteReason, changes } = message.data;
  const known = state.wallets.find((wallet) => wallet.chain === chain);
  if ((known?.takenAt ?? 0) > takenAt) return state;
  const wallet: Wallet = {
    chain, provider, takenAt,
    incomplete: incomplete ?? false,
    ...(asOf !== undefined && { asOf }),
    ...(leftOut !== undefined && { leftOut }),
    ...(incompleteReason !== undefined && { incompleteReason }),
  };
  const balances = new Map(state.balances.map((balance) => [`${balance.chain}/${balance.asset}`, balance]));
  for (const { asset, after, before: _, kept, ...told } of changes) {
    const key = `${chain}/${asset}`;
    // How the new amount differs from the trades, and what it is worth, the next snapshot says.
    const { priceUsd, priceAt, priceSource } = balances.get(key) ?? {};
    if (after === "0") balances.delete(key);
    else {
      const valued = typeof priceUsd === "string" && typeof told.decimals === "number";
      balances.set(key, {
        ...told, chain, asset, provider, takenAt, raw: after, kept: kept ?? false,
        ...(valued && { priceUsd, priceAt: priceAt ?? null, priceSource: priceSource ?? null, valueUsd: valueAt(priceUsd, BigInt(after), told.decimals as number) }),
      });
    }
  }
  const wallets = [...state.wallets.filter((one) => one.chain !== chain), wallet].sort(byChain);
  return { ...state, wallets, balances: [...balances.values()].sort(byAsset) };
}

function foldChains(state: Chain[] | undefined, message: Message<"chains">): Chain[] | undefined {
  if (message.type === "snapshot") return message.data.items;
  if (message.type !== "update") return state;
  return [...(state ?? []).filter(({ chain }) => chain !== message.data.chain), message.data].sort(byChain);
}

function foldPrice(state: States["prices"] | undefined, message: Message<"prices">): States["prices"] | undefined {
  return message.type === "snapshot" || message.type === "update" ? message.data : state;
}

function foldCandles(state: Candle[] | undefined, message: Message<"candles">, limit = USUAL_LIMIT.candles): Candle[] | undefined {
  if (message.type === "snapshot") return message.data.items;
  if (message.type !== "update") return state;
  const { candle } = message.data;
  const others = (state ?? []).filter(({ at }) => at !== candle.at);
  // Without trades it is gone: a reorg took them back.
  if (candle.trades > 0) others.push(candle);
  return others.sort((one, other) => one.at - other.at).slice(-limit);
}
