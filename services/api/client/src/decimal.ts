// Exact sums of the decimal texts that amounts are sent as: a number would round them.

/** Digits after the point of an amount of dollars. */
const DIGITS = 18;

/** A decimal text in units of `10^-digits`; further digits are cut off. */
export function toUnits(text: string, digits = DIGITS): bigint {
  const [whole = "", fraction = ""] = text.replace("-", "").split(".");
  const value = BigInt((whole || "0") + fraction.slice(0, digits).padEnd(digits, "0"));
  return text.startsWith("-") ? -value : value;
}

/** Units of `10^-digits` as a decimal text without needless zeros. */
export function fromUnits(value: bigint, digits = DIGITS): string {
  const text = (value < 0n ? -value : value).toString().padStart(digits + 1, "0");
  const fraction = digits > 0 ? text.slice(-digits).replace(/0+$/, "") : "";
  return `${value < 0n ? "-" : ""}${text.slice(0, text.length - digits)}${fraction && `.${fraction}`}`;
}

/** The sum of decimal texts with at most 18 fractional digits. */
export function sumOf(texts: Iterable<string>): string {
  let sum = 0n;
  for (const text of texts) sum += toUnits(text);
  return fromUnits(sum);
}

/** What so many smallest units are worth at the price of a whole unit, to 18 fractional digits. */
export function valueAt(priceUsd: string, raw: bigint, decimals: number): string {
  const digits = Math.max(DIGITS, priceUsd.split(".")[1]?.length ?? 0);
  return fromUnits((toUnits(priceUsd, digits) * raw) / 10n ** BigInt(digits - DIGITS + decimals));
}
