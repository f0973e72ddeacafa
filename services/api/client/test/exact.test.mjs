// Integers of 64 bits arrive as they were sent: as numbers where these hold them, else as big integers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExact } from "../dist/exact.js";
import { Rest } from "../dist/rest.js";

test("what a number does not hold exactly is a bigint", () => {
  for (const [text, value] of [
    ['{"height":9007199254740991}', { height: 9007199254740991 }],
    ['{"height":9007199254740992}', { height: 9007199254740992n }],
    ['{"height":9007199254740993,"hash":"0x1"}', { height: 9007199254740993n, hash: "0x1" }],
    ["[18446744073709551615,-9223372036854775808]", [18446744073709551615n, -9223372036854775808n]],
    ['{"raw":"18446744073709551615","a":1}', { raw: "18446744073709551615", a: 1 }],
    ['{"text":"\\"18446744073709551615, \\\\","height":18446744073709551615}', { text: '"18446744073709551615, \\', height: 18446744073709551615n }],
    ["1234567890123456.75", 1234567890123456.75],
    ["0.12345678901234567", 0.12345678901234567],
    ["12345678901234567e2", 12345678901234567e2],
    ['"1234567890123456789"', "1234567890123456789"],
    ["null", null],
  ]) {
    assert.deepEqual(parseExact(text), value, text);
  }
  for (const wrong of ["", "{", '{"a":18446744073709551615', "[18446744073709551615,]"]) assert.throws(() => parseExact(wrong), SyntaxError);
});

test("a page of trades keeps heights apart that round to one number", async () => {
  const body = '{"items":[{"block":{"height":18446744073709551614}},{"block":{"height":18446744073709551615}}]}';
  globalThis.fetch = async () => new Response(body, { headers: { "content-type": "application/json" } });
  const { items } = await new Rest("http://127.0.0.1:1").get("/v1/trades");
  assert.deepEqual(items.map((trade) => trade.block.height), [18446744073709551614n, 18446744073709551615n]);
});
