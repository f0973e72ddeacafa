// Puts what the page needs beside the page, which the api embeds: the built client, and the charts of uPlot as published.

import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";

const page = new URL("../page/", import.meta.url);
const here = (path) => new URL(path, import.meta.url);
for (const folder of ["client/", "vendor/"]) await mkdir(new URL(folder, page), { recursive: true });
for (const name of ["client", "decimal", "exact", "live", "rest", "states", "stream"]) {
  await copyFile(here(`dist/${name}.js`), new URL(`client/${name}.js`, page));
}
await copyFile(here("node_modules/uplot/dist/uPlot.min.css"), new URL("vendor/uplot.css", page));
// As published but for its last line: a script that sets a global becomes a module that says what it exports.
const script = await readFile(here("node_modules/uplot/dist/uPlot.iife.min.js"), "utf8");
await writeFile(new URL("vendor/uplot.js", page), `${script}\nexport default uPlot;\n`);
