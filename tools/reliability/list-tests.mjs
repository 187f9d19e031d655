/** Prints the tests of the files named, as JSON, without running any: `node --import tsx list-tests.mjs FILES`. */

import { register } from "node:module";
import { argv, stdout } from "node:process";
import { pathToFileURL } from "node:url";

register("./hooks.mjs", import.meta.url);
const { tests } = await import("./recorder.mjs");
for (const file of argv.slice(2)) await import(pathToFileURL(file).href);
stdout.write(JSON.stringify(tests.map(({ path, name }) => ({ path, name }))));
