/**
 * What the data path costs in native code: the stack translated by wasm2c, and the reference, each with the null
 * machine around it as a Linux program. Instructions are counted by callgrind, in the driver's own functions only.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { outputFolder, projectFolder } from "../build/project.js";
import { withMemoryAt } from "../unikernel/memory-place.js";
import { runProgram, runScript } from "../unikernel/programs.js";
import type { Effort } from "./data-path.js";
import { spreadOf } from "./measure.js";
import type { MemoryBase, NativeRow, Point } from "./result.js";
import { benchFolder, loopsFile, machineFiles, referenceFiles } from "./toolchain.js";

export const compilers = ["gcc", "clang"] as const;
export type Compiler = (typeof compilers)[number];
const memoryBases: readonly MemoryBase[] = ["pointer", "constant"];

/** Where a program's linear memory lies when its code knows: nothing else is there, in valgrind neither. */
const constantBase = "0x2000000000";
const ringSize = 256;
const countedRequests = 8192;

const nativeFolder = join(projectFolder, "tools/bench/native");
/** Rings are seen as numbers of several sizes, as in kernels. */
const flags = ["-std=gnu11", "-O2", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Werror", `-I${outputFolder}`];
/** wasm2c writes everything that a module could need, used or not. */
const moduleFlags = ["-Wno-unused", "-Wno-unused-parameter", "-fno-math-errno"];

async function compileProgram(
  compiler: Compiler,
  name: string,
  sources: readonly string[],
  more: readonly string[],
): Promise<string> {
  const folder = join(benchFolder, name);
  mkdirSync(folder, { recursive: true });
  const objects: string[] = [];
  for (const source of sources) {
    // Each file by itself: no function of the kernel may disappear in the driver.
    const object = join(folder, `${basename(dirname(source))}-${basename(source)}.o`);
    const extra = basename(source) === "module.c" ? moduleFlags : [];
    await runProgram(compiler, [...flags, ...more, ...extra, "-c", source, "-o", object]);
    objects.push(object);
  }
  const program = join(folder, "program");
  await runProgram(compiler, [...objects, "-o", program]);
  return program;
}

const commonSources = [...machineFiles, loopsFile, join(nativeFolder, "main.c")];

/** The stack's module in C, and its header beside it. */
async function translate(memoryBase: MemoryBase): Promise<string> {
  const folder = join(benchFolder, `translated-${memoryBase}`);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "module.c");
  await runScript("wabt/bin/wasm2c", [join(outputFolder, "virtio-small.wasm"), "--module-name=virtio", "-o", path]);
  if (memoryBase === "constant") writeFileSync(path, withMemoryAt(readFileSync(path, "utf8"), `${constantBase}u`));
  return path;
}

export interface NativePrograms {
  readonly compiler: Compiler;
  readonly reference: string;
  readonly stack: Readonly<Record<MemoryBase, string>>;
}

async function compileStack(compiler: Compiler, memoryBase: MemoryBase): Promise<string> {
  const module = await translate(memoryBase);
  const more = [
    ...["-DTRANSLATED", "-DWASM_RT_MEMCHECK_GUARD_PAGES=1", `-I${dirname(module)}`, `-I${nativeFolder}`],
    ...[`-I${join(projectFolder, "kernel-shim/unikernel/wasm")}`, `-DLINEAR_MEMORY_BASE=${constantBase}`],
  ];
  const sources = [...commonSources, join(nativeFolder, "runtime.c"), module];
  return compileProgram(compiler, `stack-${memoryBase}-${compiler}`, sources, more);
}

export async function compilePrograms(compiler: Compiler): Promise<NativePrograms> {
  return {
    compiler,
    reference: await compileProgram(compiler, `reference-${compiler}`, [...commonSources, ...referenceFiles], []),
    stack: { pointer: await compileStack(compiler, "pointer"), constant: await compileStack(compiler, "constant") },
  };
}

function parametersOf({ path, size, segments, batch }: Point, requests: number, rounds: number): string[] {
  return [path, ...[size, segments, batch, ringSize, requests, rounds].map(String)];
}

/** Functions of the machine and the loops; what they call is the driver. */
const harness =
  /^(w2c_kernel_|kernel_|machine_|device_|(block|transmit|receive)_run$|complete|gather$|read_port|write_port)/;

/** Instructions a request in the driver, as callgrind counts them inside the loop. */
async function countInstructions(program: string, point: Point): Promise<number> {
  const output = `${program}.callgrind`;
  await runProgram("valgrind", [
    ...["--tool=callgrind", "--compress-strings=no", "--dump-line=no", `--callgrind-out-file=${output}`],
    ...[`--toggle-collect=${point.path}_run`, program, ...parametersOf(point, countedRequests, 1)],
  ]);
  let isHarness = true;
  let isCallCost = false;
  let instructions = 0;
  for (const line of readFileSync(output, "utf8").split("\n")) {
    if (line.startsWith("fn=")) isHarness = harness.test(line.slice("fn=".length));
    else if (line.startsWith("calls=")) isCallCost = true;
    else if (/^[0-9+*-]/.test(line)) {
      if (!isCallCost && !isHarness) instructions += Number(line.split(" ")[1]);
      isCallCost = false;
    }
  }
  // One run to warm up, one round.
  return instructions / (2 * countedRequests);
}

async function timeProgram(program: string, point: Point, effort: Effort): Promise<number[]> {
  const requests = Math.max(1024, Math.ceil(effort.segments / point.segments));
  const printed = await runProgram(program, parametersOf(point, requests, effort.rounds));
  return printed
    .trim()
    .split("\n")
    .map((line) => Number(line) / requests);
}

export const nativePoints: readonly Point[] = [1, 32].flatMap((batch) => [
  { path: "block", size: 512, segments: 1, batch },
  { path: "block", size: 65536, segments: 16, batch },
  { path: "transmit", size: 512, segments: 1, batch },
  { path: "receive", size: 512, segments: 1, batch },
]);

/** Measures one point with one compiler, both ways of finding memory. */
export async function measureNative(programs: NativePrograms, point: Point, effort: Effort): Promise<NativeRow[]> {
  const { compiler } = programs;
  const referenceInstructions = await countInstructions(programs.reference, point);
  const rows: NativeRow[] = [];
  for (const memoryBase of memoryBases) {
    const stackInstructions = await countInstructions(programs.stack[memoryBase], point);
    const reference = spreadOf(await timeProgram(programs.reference, point, effort));
    const stack = spreadOf(await timeProgram(programs.stack[memoryBase], point, effort));
    const ratio = stackInstructions / referenceInstructions;
    rows.push({ ...point, compiler, memoryBase, stackInstructions, referenceInstructions, ratio, stack, reference });
  }
  return rows;
}
