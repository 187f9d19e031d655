/** Compiles the C of the benchmarks, into `build/bench/`. */

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { outputFolder, projectFolder } from "../build/project.js";
import { runProgram } from "../unikernel/programs.js";

/** Where everything is put that the benchmarks make. */
export const benchFolder = join(outputFolder, "bench");

const sourceFolder = join(projectFolder, "tools/bench");
const warnings = ["-Wall", "-Wextra", "-Werror"];

/** Bytes that a page of WebAssembly has. */
export const wasmPageBytes = 65536;

/** Where the three modules' own data lies; the driver's place is `memoryBase` in asconfig.json. */
const driverBase = wasmPageBytes;
const machineBase = 2 * wasmPageBytes;
const loopsBase = 4 * wasmPageBytes;
/** Where their data ends, stacks included. */
export const modulesEnd = 5 * wasmPageBytes;
const stackBytes = 16384;

/** The C files of a folder of the benchmarks, in an order that does not depend on the file system. */
function cFiles(folder: string): string[] {
  return readdirSync(join(sourceFolder, folder))
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(sourceFolder, folder, name))
    .sort();
}

export const machineFiles = [join(sourceFolder, "machine/device.c"), join(sourceFolder, "machine/kernel.c")];
export const loopsFile = join(sourceFolder, "machine/loops.c");
export const referenceFiles = cFiles("reference");

/** Compiles and links C into one WebAssembly module whose data begins at `base`. */
async function compileModule(name: string, files: readonly string[], base: number, macros: readonly string[]) {
  const path = join(benchFolder, `${name}.wasm`);
  const language = [
    "--target=wasm32",
    "-std=c11",
    "-O3",
    "-fno-strict-aliasing",
    "-mbulk-memory",
    "-ffreestanding",
    "-nostdlib",
  ];
  const memory = ["--import-memory", "--max-memory=4294967296", `--global-base=${String(base)}`];
  const link = ["--no-entry", ...memory, `-z,stack-size=${String(stackBytes)}`].map((option) => `-Wl,${option}`);
  const definitions = macros.map((macro) => `-D${macro}`);
  await runProgram("clang", [
    ...[...language, ...warnings, ...definitions, `-I${outputFolder}`, ...link],
    ...[...files, "-o", path],
  ]);
  return path;
}

/** Paths of the WebAssembly modules. */
export interface BenchModules {
  readonly machine: string;
  /** The same, counting. */
  readonly machineCounted: string;
  readonly loops: string;
  readonly reference: string;
  readonly referencePorted: string;
}

export async function compileBenchModules(): Promise<BenchModules> {
  mkdirSync(benchFolder, { recursive: true });
  return {
    machine: await compileModule("machine", machineFiles, machineBase, []),
    machineCounted: await compileModule("machine-counted", machineFiles, machineBase, ["COUNTED"]),
    loops: await compileModule("loops", [loopsFile], loopsBase, []),
    reference: await compileModule("reference", referenceFiles, driverBase, []),
    referencePorted: await compileModule("reference-ported", referenceFiles, driverBase, ["PORTED"]),
  };
}
