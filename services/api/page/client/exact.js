const MARK = "\0";
const LONG = /"(?:[^"\\]|\\.)*"|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g;
function parseExact(text) {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  let marked = false;
  const mark = (found) => {
    if (found.startsWith('"') || Number.isSafeInteger(Number(found))) return found;
    marked = true;
    return `"\\u0000${found}"`;
  };
  const source = text.replace(LONG, mark);
  if (!marked) return JSON.parse(text);
  return JSON.parse(
    source,
    (_, value) => typeof value === "string" && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value
  );
}
export {
  parseExact
};
