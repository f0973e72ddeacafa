// What each channel's messages add up to: a snapshot and its changes, folded into one state.
import { fromUnits, sumOf, toUnits, valueAt } from "./decimal.js";
/** How many trades, or candles, a subscription holds without a limit of its own. */
const USUAL_LIMIT = { trades: 50, candles: 100 };
/** The state after a message. What a message does not change is the same object as before. */
export function fold(channel, state, message, limit) {
    const folds = FOLDS;
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
export const tradeKey = ({ tradeId, trader }) => `${tradeId} ${trader.address}`;
const tapeOrder = (trade) => [
    trade.block.timestamp, trade.chain, trade.block.height, trade.transaction.index, trade.ordinal, trade.tradeId, trade.trader.address,
];
/** Negative where one trade stands before another on a list whose newest is first. */
export function compareTrades(one, other) {
    const [mine, theirs] = [tapeOrder(one), tapeOrder(other)];
    const at = mine.findIndex((part, index) => part !== theirs[index]);
    if (at < 0)
        return 0;
    return mine[at] > theirs[at] ? -1 : 1;
}
function foldTrades(state, message, limit = USUAL_LIMIT.trades) {
    switch (message.type) {
        case "snapshot":
            return message.data.items;
        case "apply":
        case "revert": {
            const key = tradeKey(message.data);
            const others = (state ?? []).filter((trade) => tradeKey(trade) !== key);
            if (message.type === "revert")
                return others;
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
];
const COUNTS = ["swaps", "unvalued", "cycles", "implausible"];
/** Totals added up over chains. */
export function totalOf(chains) {
    const amounts = AMOUNTS.map((name) => [name, sumOf(chains.map((one) => one[name]))]);
    const counts = COUNTS.map((name) => [name, chains.reduce((sum, one) => sum + one[name], 0)]);
    const total = Object.fromEntries([...amounts, ...counts]);
    const coverage = coverageOf(total);
    return { ...total, ...(coverage !== undefined && { coverage }) };
}
/** Of all that was sold, the part whose proceeds and basis are both known and in no doubt; nothing where nothing was sold. */
function coverageOf({ proceedsUsd, proceedsInDoubtUsd, proceedsWithoutBasisUsd, basisWithoutProceedsUsd }) {
    const all = toUnits(proceedsUsd) + toUnits(proceedsWithoutBasisUsd) + toUnits(basisWithoutProceedsUsd);
    if (all <= 0n)
        return undefined;
    return fromUnits(((toUnits(proceedsUsd) - toUnits(proceedsInDoubtUsd)) * 1000000n) / all, 6);
}
function foldMetrics(state, message) {
    if (message.type === "snapshot")
        return message.data;
    if (message.type !== "update" || !state)
        return state;
    const { chain, totals, positions } = message.data;
    const old = state.chains.find((one) => one.chain === chain);
    // What a snapshot of balances puts in doubt is not in an update: what was known of it stands until the next snapshot.
    const { coverage: _, ...newest } = {
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
const byChain = (one, other) => (one.chain < other.chain ? -1 : one.chain > other.chain ? 1 : 0);
const byAsset = (one, other) => byChain(one, other) || (one.asset < other.asset ? -1 : one.asset > other.asset ? 1 : 0);
/** A position whose quantity or basis changed, at the price that was told last: figures of the old quantity would be wrong. */
function valuedAgain(position) {
    const { averageCostUsd, valueUsd, unknownValueUsd, unrealizedPnlUsd, coverage, ...rest } = position;
    const { priceUsd, decimals, quantity, unknownQuantity, basisUsd } = rest;
    if (typeof priceUsd !== "string" || typeof decimals !== "number")
        return rest;
    const value = valueAt(priceUsd, BigInt(quantity), decimals);
    return {
        ...rest,
        valueUsd: value,
        unknownValueUsd: valueAt(priceUsd, BigInt(unknownQuantity), decimals),
        unrealizedPnlUsd: fromUnits(toUnits(value) - toUnits(basisUsd)),
    };
}
function foldPortfolio(state, message) {
    if (message.type === "snapshot") {
        const { items, ...rest } = message.data;
        return { ...rest, balances: items };
    }
    if (message.type !== "update" || !state)
        return state;
    const { chain, provider, takenAt, asOf, incomplete, leftOut, incompleteReason, changes } = message.data;
    const known = state.wallets.find((wallet) => wallet.chain === chain);
    if ((known?.takenAt ?? 0) > takenAt)
        return state;
    const wallet = {
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
        if (after === "0")
            balances.delete(key);
        else {
            const valued = typeof priceUsd === "string" && typeof told.decimals === "number";
            balances.set(key, {
                ...told, chain, asset, provider, takenAt, raw: after, kept: kept ?? false,
                ...(valued && { priceUsd, priceAt: priceAt ?? null, priceSource: priceSource ?? null, valueUsd: valueAt(priceUsd, BigInt(after), told.decimals) }),
            });
        }
    }
    const wallets = [...state.wallets.filter((one) => one.chain !== chain), wallet].sort(byChain);
    return { ...state, wallets, balances: [...balances.values()].sort(byAsset) };
}
function foldChains(state, message) {
    if (message.type === "snapshot")
        return message.data.items;
    if (message.type !== "update")
        return state;
    return [...(state ?? []).filter(({ chain }) => chain !== message.data.chain), message.data].sort(byChain);
}
function foldPrice(state, message) {
    return message.type === "snapshot" || message.type === "update" ? message.data : state;
}
function foldCandles(state, message, limit = USUAL_LIMIT.candles) {
    if (message.type === "snapshot")
        return message.data.items;
    if (message.type !== "update")
        return state;
    const { candle } = message.data;
    const others = (state ?? []).filter(({ at }) => at !== candle.at);
    // Without trades it is gone: a reorg took them back.
    if (candle.trades > 0)
        others.push(candle);
    return others.sort((one, other) => one.at - other.at).slice(-limit);
}
