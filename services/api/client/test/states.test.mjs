// What the messages of a channel add up to, against the plainest way of adding them up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromUnits, sumOf, toUnits, valueAt } from "../dist/decimal.js";
import { compareTrades, fold, tradeKey } from "../dist/states.js";
import { trade } from "./support/scripted.mjs";

const change = (type, data) => ({ type, channel: "trades", data, at: "a", ids: ["x"] });

test("decimals are added exactly", () => {
  assert.equal(sumOf(["0.1", "0.2", "-0.000000000000000001", "12345678901234567890"]), "12345678901234567890.299999999999999999");
  assert.equal(sumOf([]), "0");
  for (const text of ["0", "-0.5", "1.000000000000000001", "-12"]) assert.equal(fromUnits(toUnits(text)), text);
  assert.equal(fromUnits(toUnits("1.2345678", 6), 6), "1.234567");
  assert.equal(fromUnits(42n, 0), "42");
  assert.equal(valueAt("2.5", 3_000_000n, 6), "7.5");
  assert.equal(valueAt("0.000000000000000000000000000000000001", 10n ** 30n, 0), "0.000001");
  assert.equal(valueAt("1234.56", 1n, 18), "0.000000000000001234");
});

test("any series of applies and reverts leaves the newest of what is applied", () => {
  let seed = 7;
  const draw = (below) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  for (let round = 0; round < 200; round += 1) {
    const limit = 1 + draw(6);
    const applied = new Map();
    let state = fold("trades", undefined, { type: "snapshot", id: "x", channel: "trades", data: { items: [] }, at: "a" }, limit);
    for (let step = 0; step < 30; step += 1) {
      const data = trade(draw(8), { trader: { address: `0x${draw(2)}` }, status: draw(2) ? "observed" : "finalized" });
      // A list that was cut has forgotten what lies below: only what it holds is taken back here.
      const isKnown = state.some((one) => tradeKey(one) === tradeKey(data));
      if (isKnown && draw(3) === 0) {
        state = fold("trades", state, change("revert", data), limit);
        applied.delete(tradeKey(data));
        for (const key of [...applied.keys()]) if (!state.some((one) => tradeKey(one) === key)) applied.delete(key);
      } else {
        state = fold("trades", state, change("apply", data), limit);
        applied.set(tradeKey(data), data);
      }
      const expected = [...applied.values()].sort(compareTrades).slice(0, limit);
      assert.deepEqual(state, expected);
      for (const key of [...applied.keys()]) if (!state.some((one) => tradeKey(one) === key)) applied.delete(key);
    }
  }
});

const TOTALS = {
  volumeUsd: "10", feesUsd: "0.1", realizedPnlUsd: "1", realizedPnlNetUsd: "0.9", proceedsUsd: "6", proceedsWithoutBasisUsd: "2",
  basisWithoutProceedsUsd: "0", proceedsInDoubtUsd: "1", implausibleUsd: "0", swaps: 3, unvalued: 1, cycles: 0, implausible: 0,
};
const POSITION = {
  chain: "mock", asset: "cat", symbol: "CAT", decimals: 2, quantity: "300", unknownQuantity: "100", basisUsd: "3", realizedPnlUsd: "1",
  proceedsUsd: "6", proceedsWithoutBasisUsd: "0", basisWithoutProceedsUsd: "0", priceUsd: "1.5", priceAt: 1, priceSource: "tape",
  valueUsd: "4.5", unknownValueUsd: "1.5", unrealizedPnlUsd: "1.5", averageCostUsd: "1", coverage: "0.75",
};
const snapshot = () => fold("user.metrics", undefined, {
  type: "snapshot", id: "x", channel: "user.metrics", at: "a",
  data: { address: "0xa", total: TOTALS, chains: [{ chain: "eth", ...TOTALS }, { chain: "mock", ...TOTALS }], positions: [POSITION], truncated: false },
});
const update = (data) => ({ type: "update", channel: "user.metrics", at: "b", ids: ["x"], data: { chain: "mock", trader: "0xa", asOf: { partition: 1, offset: 1 }, positions: [], ...data } });

test("a user's totals are those of the chains, and coverage is that of the sums", () => {
  const { proceedsInDoubtUsd: _, ...told } = TOTALS;
  const state = fold("user.metrics", snapshot(), update({ totals: { ...told, volumeUsd: "12.5", swaps: 4 } }));
  assert.equal(state.total.volumeUsd, "22.5");
  assert.equal(state.total.swaps, 7);
  // What is in doubt is not in an update: of both chains what the snapshot said of it.
  assert.equal(state.total.proceedsInDoubtUsd, "2");
  // (12 - 2) of (12 + 4)
  assert.equal(state.total.coverage, "0.625");
  assert.deepEqual(state.chains.map(({ chain }) => chain), ["eth", "mock"]);
});

test("a position that changed is worth what it holds now at the price that was told last", () => {
  const position = { asset: "cat", symbol: "CAT", decimals: 2, quantity: "500", unknownQuantity: "0", basisUsd: "9", realizedPnlUsd: "2", proceedsWithoutBasisUsd: "0" };
  const unpriced = { asset: "dog", decimals: 2, quantity: "5", unknownQuantity: "0", basisUsd: "1", realizedPnlUsd: "0", proceedsWithoutBasisUsd: "0" };
  const state = fold("user.metrics", snapshot(), update({ totals: TOTALS, positions: [position, unpriced] }));
  const [cat, dog] = state.positions;
  assert.deepEqual([cat.valueUsd, cat.unrealizedPnlUsd, cat.unknownValueUsd, cat.realizedPnlUsd], ["7.5", "-1.5", "0", "2"]);
  assert.ok(!("coverage" in cat) && !("averageCostUsd" in cat), "figures of the old quantity are gone");
  assert.ok(dog.chain === "mock" && dog.valueUsd === undefined, "no price, no figure");
});

test("balances come, change and go; what is older than what is known changes nothing", () => {
  const balance = { chain: "mock", asset: "cat", raw: "100", decimals: 2, provider: "moralis", takenAt: 5, kept: false, spam: null, verified: null, priceUsd: "2", valueUsd: "2", drift: "7", net: "93" };
  const begin = fold("user.portfolio", undefined, {
    type: "snapshot", id: "x", channel: "user.portfolio", at: "a",
    data: { address: "0xa", wallets: [{ chain: "mock", provider: "moralis", takenAt: 5, incomplete: false }], items: [balance], truncated: false },
  });
  assert.deepEqual(begin.balances, [balance]);
  const told = (takenAt, changes) => ({ type: "update", channel: "user.portfolio", at: "b", ids: ["x"], data: { chain: "mock", address: "0xa", provider: "moralis", takenAt, changes } });
  const cat = { asset: "cat", symbol: "CAT", decimals: 2, before: "100", after: "300" };
  const more = fold("user.portfolio", begin, told(6, [cat, { asset: "ant", decimals: 0, before: "0", after: "1" }]));
  assert.deepEqual(more.balances.map(({ asset, raw, valueUsd }) => [asset, raw, valueUsd]), [["ant", "1", undefined], ["cat", "300", "6"]]);
  assert.ok(!("drift" in more.balances[1]), "how far it is from the trades is of the old amount");
  assert.equal(fold("user.portfolio", more, told(5, [{ ...cat, after: "1" }])), more);
  assert.deepEqual(fold("user.portfolio", more, told(7, [{ ...cat, after: "0" }])).balances.map(({ asset }) => asset), ["ant"]);
});

test("candles are kept in order, the newest of each, and one without trades is gone", () => {
  const candle = (at, trades = 1) => ({ at, trades, priced: trades, volumeUsd: "1" });
  const told = (one) => ({ type: "update", channel: "candles", at: "b", ids: ["x"], data: { chain: "mock", asset: "cat", interval: "1m", candle: one } });
  let state = fold("candles", undefined, { type: "snapshot", id: "x", channel: "candles", at: "a", data: { chain: "mock", asset: "cat", interval: "1m", items: [candle(1), candle(3)] } }, 3);
  state = fold("candles", state, told(candle(2)), 3);
  state = fold("candles", state, told(candle(3, 9)), 3);
  assert.deepEqual(state.map(({ at, trades }) => [at, trades]), [[1, 1], [2, 1], [3, 9]]);
  state = fold("candles", state, told(candle(4)), 3);
  assert.deepEqual(state.map(({ at }) => at), [2, 3, 4]);
  assert.deepEqual(fold("candles", state, told(candle(3, 0)), 3).map(({ at }) => at), [2, 4]);
});

test("chains and prices are what was told last; other messages change nothing", () => {
  const chains = fold("chains", [{ chain: "a", lagBlocks: 1 }, { chain: "c" }], { type: "update", channel: "chains", at: "b", ids: ["x"], data: { chain: "b" } });
  assert.deepEqual(chains.map(({ chain }) => chain), ["a", "b", "c"]);
  assert.equal(fold("prices", { priceUsd: "1" }, { type: "update", channel: "prices", at: "b", ids: ["x"], data: { priceUsd: "2" } }).priceUsd, "2");
  for (const channel of ["trades", "user.metrics", "user.portfolio", "chains", "prices", "candles"]) {
    const state = {};
    assert.equal(fold(channel, state, { type: "resumed", id: "x", at: "b" }), state);
  }
});
