// What a published package must carry of the repository: its licence.

import { copyFile } from "node:fs/promises";

await copyFile(new URL("../../../LICENSE", import.meta.url), new URL("LICENSE", import.meta.url));
