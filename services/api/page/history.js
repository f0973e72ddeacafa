// One user's realized profit and loss over time, as finely as its span asks for: by the trade, the hour or the day.

import { fromUnits, toUnits } from "./client/decimal.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** With so few hours or days a curve would be a line and a cliff: it is drawn by the trade. */
const FEW_POINTS = 3;
/** Requests that a curve by the trade may cost; beyond that it is drawn by the hour. */
const MAX_EXPLAIN_REQUESTS = 8;
const STEPS_PER_REQUEST = 500;

/** Points `{at, value}` of the profit added up over a window, oldest first, and what they are made of. */
export async function realizedOverTime(rest, user, window, now = Date.now()) {
  let history = await read(rest, user, window);
  const first = history.items[0]?.at;
  if (first === undefined) return { points: [], made: "" };
  // Days of a history that began this week say less than its hours.
  if (history.stepMs > HOUR_MS && first > now - 6 * DAY_MS) history = await read(rest, user, "7d");
  const active = history.items.filter(({ realizedPnlUsd }) => toUnits(realizedPnlUsd) !== 0n);
  if (active.length <= FEW_POINTS) {
    const steps = await byTrade(rest, user, window === "all" ? 0 : first);
    if (steps) return { points: addedUp(steps, now), made: "by the trade" };
  }
  const made = history.stepMs > HOUR_MS ? "by the day" : "by the hour";
  // What happened within a stretch stands at its end, as far as that has come.
  const steps = history.items.map(({ at, realizedPnlUsd }) => ({ at: Math.min(at + history.stepMs, Math.max(now, at)), realizedPnlUsd }));
  return { points: addedUp(steps, now, history.items[0]?.at), made };
}

const read = (rest, { address, chain }, window) =>
  rest.get("/v1/users/{address}/history", { path: { address }, query: { window, ...(chain && { chain }) } });

/** Adds up steps in order: from nothing at the beginning, to now. */
export function addedUp(steps, now, beginning = steps[0]?.at) {
  let sum = 0n;
  const points = steps.map(({ at, realizedPnlUsd }) => {
    sum += toUnits(realizedPnlUsd);
    return { at, value: fromUnits(sum) };
  });
  if (!points.length) return points;
  const last = points.at(-1);
  const isRecent = now - last.at < DAY_MS && now > last.at;
  return [{ at: Math.min(beginning, points[0].at) - 1, value: "0" }, ...points, ...(isRecent ? [{ at: now, value: last.value }] : [])];
}

/** Every sale with what it realized, in the order of time; nothing where there are too many for a few requests. */
async function byTrade(rest, { address, chain }, from) {
  const { items, next } = await rest.get("/v1/users/{address}/positions", { path: { address }, query: { limit: 500, ...(chain && { chain }) } });
  const sold = items.filter(({ realizedPnlUsd }) => toUnits(realizedPnlUsd) !== 0n);
  if (next || sold.length > MAX_EXPLAIN_REQUESTS) return null;
  const steps = [];
  let requests = 0;
  for (const { chain: of, asset } of sold) {
    let cursor;
    do {
      requests += 1;
      if (requests > MAX_EXPLAIN_REQUESTS) return null;
      const page = await rest.get("/v1/users/{address}/positions/{chain}/{asset}/explain", {
        path: { address, chain: of, asset }, query: { limit: STEPS_PER_REQUEST, ...(cursor && { cursor }) },
      });
      steps.push(...page.items.filter(({ at, realizedPnlUsd }) => realizedPnlUsd && at >= from));
      cursor = page.next;
    } while (cursor);
  }
  return steps.sort((one, other) => one.at - other.at);
}
