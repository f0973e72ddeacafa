// Generates the types of REST from the OpenAPI document, and those of the stream's messages from the AsyncAPI document.

import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";

const here = (path) => new URL(path, import.meta.url);
const read = async (path) => JSON.parse(await readFile(here(path), "utf8"));
const write = async (path, document) => writeFile(here(path), COMMENT_HEADER + astToString(await openapiTS(document)));

/** The stream's messages as the schemas of an OpenAPI document: both kinds of document write shapes as JSON Schema. */
function messagesOf({ channels, components }) {
  // That an `unsubscribe` names an id or a channel has no type worth having.
  const names = Object.keys(channels.stream.messages).filter((name) => name !== "unsubscribe");
  const messages = names.map((name) => [`message.${name}`, components.messages[name].payload]);
  return {
    openapi: "3.1.0",
    info: { title: "The messages of the stream", version: "1" },
    paths: {},
    components: { schemas: { ...Object.fromEntries(messages), ...components.schemas } },
  };
}

await write("src/schema.ts", await read("../openapi.json"));
await write("src/messages.ts", messagesOf(await read("../asyncapi.json")));
