// The AsyncAPI document as AsyncAPI's own parser reads it: valid, with every message of the stream and of the topics.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import parsing from "@asyncapi/parser";

const { Parser } = parsing;
const text = await readFile(new URL("../../asyncapi.json", import.meta.url), "utf8");

test("the document is valid", async () => {
  const { document, diagnostics } = await new Parser().parse(text);
  const wrong = diagnostics.filter(({ severity }) => severity <= 1).map(({ code, message, path }) => `${code}: ${message} at ${path.join(".")}`);
  assert.deepEqual(wrong, []);
  assert.equal(document.version(), "3.0.0");
  const stream = document.channels().get("stream");
  assert.ok(stream.messages().all().length >= 20);
  for (const message of document.messages().all()) {
    assert.ok(message.hasPayload(), `${message.id()} has no schema`);
    assert.ok(message.summary(), `${message.id()} does not say what it is`);
  }
  assert.deepEqual(document.servers().all().map((server) => server.protocol()).sort(), ["kafka", "ws"]);
});
