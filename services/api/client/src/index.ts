// A typed client of the Chaintape api, for browsers and Node.

export { Client, type ClientOptions } from "./client.js";
export { fromUnits, sumOf, toUnits, valueAt } from "./decimal.js";
export { parseExact } from "./exact.js";
export { Live, type LiveState } from "./live.js";
export { ProblemError, Rest, type Answer, type Path, type Question, type RestOptions } from "./rest.js";
export {
  compareTrades, fold, totalOf, tradeKey,
  type Balance, type Candle, type Chain, type ChainTotals, type Position, type States, type Totals, type Trade, type Wallet,
} from "./states.js";
export {
  Stream,
  type Change, type Channel, type ConnectionState, type Filters, type Gap, type Message, type Refusal, type Resumed, type Snapshot, type Socket,
  type StreamOptions,
} from "./stream.js";
export type { components, paths } from "./schema.js";
