// How exact texts are shown to people: rounded for the eye, whole in the title.

const cents = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
const compact = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", notation: "compact", minimumFractionDigits: 1, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat("en-US");

/** Dollars for a table cell. */
export function usd(text) {
  const value = Number(text);
  if (value !== 0 && Math.abs(value) < 0.01) return value < 0 ? "> −$0.01" : "< $0.01";
  return cents.format(value).replace("-", "−");
}

/** Dollars for a headline. */
export function headline(text) {
  const value = Number(text);
  return Math.abs(value) >= 1e6 ? compact.format(value).replace("-", "−") : usd(text);
}

export const count = (number) => whole.format(number);

/** A raw amount with the point set. */
export function pointed(raw, decimals) {
  if (decimals === undefined || decimals === null) return raw;
  const digits = raw.padStart(decimals + 1, "0");
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return digits.slice(0, digits.length - decimals) + (decimals > 0 && fraction ? `.${fraction}` : "");
}

const POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const power = (number) => [...String(number)].map((digit) => POWERS[digit]).join("");
const SIZES = [[12, "T"], [9, "B"]];

/** An exact amount, shortened to what the eye can use: 40.29 × 10²¹, 1.235 B, 1,234.5, 0.00042. */
export function amount(text) {
  const [integer, fraction = ""] = text.split(".");
  if (integer.length > 15) {
    const before = ((integer.length - 1) % 3) + 1;
    return `${trimmed(integer, before)} × 10${power(integer.length - before)}`;
  }
  const [digits, name] = SIZES.find(([digits]) => integer.length > digits) ?? [];
  if (digits) return `${trimmed(integer, integer.length - digits)} ${name}`;
  const grouped = integer.replace(/\B(?=(\d{3})+$)/g, ",");
  if (!fraction) return grouped;
  const room = Math.max(2, 6 - (integer === "0" ? 0 : integer.length));
  const leading = integer === "0" ? fraction.match(/^0*/)[0].length : 0;
  if (leading > 7) return "< 0.0000001";
  const shown = fraction.slice(0, leading + room).replace(/0+$/, "");
  return shown ? `${grouped}.${shown}` : grouped;
}

/** The first four digits of a number, or more before the point, cut and not rounded. */
function trimmed(digits, before) {
  const fraction = digits.slice(before, Math.max(before, 4)).replace(/0+$/, "");
  return digits.slice(0, before) + (fraction && `.${fraction}`);
}

/** The price of a whole unit: cents for what costs a dollar, digits for what costs less. */
export function price(text) {
  const value = Number(text);
  if (value >= 1 || value === 0) return cents.format(value);
  const exponent = Math.floor(Math.log10(value));
  if (exponent < -9) return `$${(value / 10 ** exponent).toFixed(2)} × 10⁻${power(-exponent)}`;
  return `$${value.toFixed(3 - exponent).replace(/0+$/, "")}`;
}

/** A part of one as a percentage with a decimal, cut and not rounded: what is not whole never reads 100 %. */
export const percent = (part) => `${Math.trunc(Number(part) * 1000) / 10} %`;

/** A change as a percentage with its sign. */
export const change = (part) => `${Number(part) < 0 ? "−" : "+"}${percent(part.replace("-", ""))}`;

/** A long identity, by its ends. */
export const short = (text) => (text.length > 15 ? `${text.slice(0, 6)}…${text.slice(-4)}` : text);

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** The last moment that a date holds: block times are what chains say, and may lie beyond. */
const LAST_MOMENT = 8.64e15;
const dateOf = (ms) => new Date(Math.min(Number(ms), LAST_MOMENT));

/** The time of a trade: the clock for today's, the date for older ones. */
export function when(ms) {
  const date = dateOf(ms);
  return date.toDateString() === new Date().toDateString() ? clock.format(date) : day.format(date);
}

export const exactly = (ms) => `${full.format(dateOf(ms))}`;

/** How long ago. */
export function ago(ms) {
  const seconds = Math.max(0, Math.round((Date.now() - Number(ms)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h ago` : day.format(dateOf(ms));
}

/** An element with attributes and children; texts are texts, never markup. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sign of a text of dollars as a class. */
export const trend = (text) => (text.startsWith("-") ? "down" : /[1-9]/.test(text) ? "up" : "");
