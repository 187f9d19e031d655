/** The modules that know all mutants: where they lie in a folder, and how they get there. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileSpec } from "../../tests/unit/specs.js";
import { unoptimisedStack } from "../build/compile.js";
import { compileCached } from "../build/compile-cache.js";
import { beginStep } from "../command/progress.js";

/** The file of a module: of a build's name, or of a spec's. */
export function moduleFile(name: string): string {
  return `${name.replaceAll("/", "-")}.wasm`;
}

/** Whether a test file is AssemblyScript, and has to be compiled with the mutants. */
export function isSpec(file: string): boolean {
  return file.endsWith(".spec.ts");
}

/**
 * Compiles both builds, and specs for the mapped one.
 *
 * @param sources that know all mutants
 * @param specs relative to the project's folder
 */
export async function compileModules(
  folder: string,
  sources: ReadonlyMap<string, string>,
  specs: readonly string[],
): Promise<void> {
  const what = "Compiling the modules that know all mutants";
  const step = beginStep({ what, total: specs.length + 2, unit: "modules", isLong: true });
  const write = (name: string, binary: Uint8Array): void => {
    writeFileSync(join(folder, moduleFile(name)), binary);
    step.advance();
  };
  try {
    for (const build of ["mapped", "ported"] as const) {
      // It is the module that tells a campaign which branches it reaches.
      write(build, await compileCached(`coverage-${build}`, unoptimisedStack(build, sources)));
    }
    for (const spec of specs) write(spec, await compileSpec(spec, "mapped", `${spec}-mutants`, sources));
  } finally {
    step.end();
  }
}
