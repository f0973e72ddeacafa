// A typed client of the Chaintape api.

export { parseExact } from "./exact.js";
export { ProblemError, Rest, type Answer, type Path, type Question } from "./rest.js";
export { Stream, type Chain, type Channel, type Filters, type Message, type State, type Trade } from "./stream.js";
export type { components, paths } from "./schema.js";
