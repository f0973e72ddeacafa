// JSON whose integers may exceed what a number holds exactly: heights, offsets and times are integers of 64 bits.
/** Stands before the digits of such an integer in a text; the api sends no text with this character. */
const MARK = "\u0000";
/** Texts, and integers of sixteen digits or more that stand outside of texts and are no part of a fraction or power. */
const LONG = /"(?:[^"\\]|\\.)*"|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g;
/**
 * Reads JSON. An integer beyond `Number.MAX_SAFE_INTEGER` (2^53 - 1) becomes a `bigint` instead of a number that is
 * nearly it; every other value is what `JSON.parse` makes of it.
 */
export function parseExact(text) {
    if (!/\d{16}/.test(text))
        return JSON.parse(text);
    let marked = false;
    const mark = (found) => {
        if (found.startsWith('"') || Number.isSafeInteger(Number(found)))
            return found;
        marked = true;
        return `"\\u0000${found}"`;
    };
    const source = text.replace(LONG, mark);
    if (!marked)
        return JSON.parse(text);
    return JSON.parse(source, (_, value) => typeof value === "string" && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value);
}
