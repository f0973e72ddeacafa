// Makes the component NAME-VERSION.wasm of package.json: `npm install && npm run build`, and `node build.js FOLDER` for another place.
// Nothing of WASI is imported: what would need it is left out.
import { componentize } from "@bytecodealliance/componentize-js";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { name, version } = JSON.parse(await readFile(here("package.json"), "utf8"));
// `chaintape plugin new` puts the contract beside this file; in Chaintape's own repository it lies elsewhere.
const contract = existsSync(here("wit")) ? here("wit") : here("../../../wit/chain-plugin");
const { component } = await componentize(await readFile(here("plugin.js"), "utf8"), {
  witPath: contract,
  worldName: "plugin",
  disableFeatures: ["random", "stdio", "clocks", "http", "fetch-event"],
});
const out = join(process.argv[2] ?? here("."), `${name}-${version}.wasm`);
await writeFile(out, component);
console.log(`${out}: ${component.length} bytes`);
