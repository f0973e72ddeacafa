const DIGITS = 18;
function toUnits(text, digits = DIGITS) {
  const [whole = "", fraction = ""] = text.replace("-", "").split(".");
  const value = BigInt((whole || "0") + fraction.slice(0, digits).padEnd(digits, "0"));
  return text.startsWith("-") ? -value : value;
}
function fromUnits(value, digits = DIGITS) {
  const text = (value < 0n ? -value : value).toString().padStart(digits + 1, "0");
  const fraction = digits > 0 ? text.slice(-digits).replace(/0+$/, "") : "";
  return `${value < 0n ? "-" : ""}${text.slice(0, text.length - digits)}${fraction && `.${fraction}`}`;
}
function sumOf(texts) {
  let sum = 0n;
  for (const text of texts) sum += toUnits(text);
  return fromUnits(sum);
}
function valueAt(priceUsd, raw, decimals) {
  const digits = Math.max(DIGITS, priceUsd.split(".")[1]?.length ?? 0);
  return fromUnits(toUnits(priceUsd, digits) * raw / 10n ** BigInt(digits - DIGITS + decimals));
}
export {
  fromUnits,
  sumOf,
  toUnits,
  valueAt
};
