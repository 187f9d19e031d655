/** Small AssemblyScript modules for the tests of the build, compiled in memory as the release module is. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readAbi, type Abi } from "../../tools/build/abi-model.js";
import { checkModule } from "../../tools/build/check-module.js";
import type { CompiledModule } from "../../tools/build/compile.js";
import { compileRelease } from "../../tools/build/optimize.js";
import { entryFile, projectFolder, type Build } from "../../tools/build/project.js";
import { sizeLimit } from "../../tools/build/size.js";

/** What the ABI of a module is whose entry file has this source, next to the real kernel interface and records. */
export function abiOf(source: string): Abi {
  return readAbi((name) => (name === entryFile ? source : readFileSync(join(projectFolder, name), "utf8")));
}

/** Compiles a source in the place of the stack's entry file, with the options of the release target. */
export async function compileScratch(
  source: string,
  build: Build = "mapped",
  options: string[] = [],
): Promise<CompiledModule> {
  const sources = new Map([[entryFile, source]]);
  return await compileRelease({
    target: build === "mapped" ? "release" : "release-ported",
    entries: [entryFile],
    sources,
    options,
  });
}

/** The rules that a module of this source breaks. */
export async function problemsOf(source: string, build: Build = "mapped", options: string[] = []): Promise<string[]> {
  return checkModule(await compileScratch(source, build, options), abiOf(source), { build, sizeLimit });
}
