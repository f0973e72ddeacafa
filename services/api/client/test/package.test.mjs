// The package as it would be published: its files, its entries, and how little of it ends in a bundle that uses little.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";

const folder = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));

/** The text of a bundle of some code that imports the package, as others would. */
async function bundle(code, external = []) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: folder }, bundle: true, minify: true, write: false, format: "esm", platform: "neutral", mainFields: ["main"], external,
  });
  return outputFiles[0].text;
}

test("what is published is built code with types, licence and readme, and nothing else", async () => {
  await import("../pack.mjs");
  const { stdout } = await promisify(execFile)("npm", ["publish", "--dry-run", "--ignore-scripts", "--json", "--provenance=false"], { cwd: folder });
  const told = JSON.parse(stdout);
  const { name, files } = told.files ? told : Object.values(told)[0];
  assert.equal(name, "@chaintape/client");
  const paths = files.map(({ path }) => path).sort();
  const code = ["client", "decimal", "exact", "index", "live", "messages", "react", "rest", "schema", "states", "stream"];
  const expected = [...code.flatMap((one) => [`dist/${one}.d.ts`, `dist/${one}.js`]), "LICENSE", "README.md", "package.json"];
  assert.deepEqual(paths, expected.sort());
});

test("every entry has code and types, and what a registry shows is filled in", async () => {
  for (const entry of Object.values(manifest.exports)) {
    for (const path of typeof entry === "string" ? [entry] : [entry.types, entry.default]) await access(new URL(path, `file://${folder}`));
  }
  assert.equal(manifest.license, "Apache-2.0");
  assert.equal(manifest.repository.directory, "services/api/client");
  assert.ok(!manifest.private && manifest.description && manifest.sideEffects === false && !manifest.dependencies);
  const { Client, Rest, Stream } = await import("@chaintape/client");
  const { useTrades } = await import("@chaintape/client/react");
  assert.ok([Client, Rest, Stream, useTrades].every((one) => typeof one === "function"));
});

test("a bundle holds what it uses", async () => {
  const sums = await bundle('import { sumOf } from "@chaintape/client"; console.log(sumOf(["1"]));');
  assert.ok(sums.length < 1_500 && !/WebSocket|fetch/.test(sums), `${sums.length} bytes`);
  const rest = await bundle('import { Rest } from "@chaintape/client"; console.log(new Rest("http://x"));');
  assert.ok(/fetch/.test(rest) && !/WebSocket/.test(rest));
  const all = await bundle('import * as all from "@chaintape/client"; console.log(all);');
  assert.ok(!/react/i.test(all), "React is in its own entry only");
  assert.ok(all.length < 20_000, `the whole client has ${all.length} bytes`);
  const hooks = await bundle('export * from "@chaintape/client/react";', ["react"]);
  assert.ok(/from"react"/.test(hooks), "React is the application's own");
});
