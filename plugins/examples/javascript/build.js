// Makes the component: `npm ci && npm run build`. Nothing of WASI is imported: what would need it is left out.
import { componentize } from "@bytecodealliance/componentize-js";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = process.argv[2] ?? here("comet-js-1.0.0.wasm");
const { component } = await componentize(await readFile(here("plugin.js"), "utf8"), {
  witPath: here("../../../wit/chain-plugin"),
  worldName: "plugin",
  disableFeatures: ["random", "stdio", "clocks", "http", "fetch-event"],
});
await writeFile(out, component);
console.log(`${out}: ${component.length} bytes`);
