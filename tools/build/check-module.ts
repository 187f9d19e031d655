/**
 * The rules that a release module keeps, checked on what the compiler made of it:
 *
 * - it never allocates: nothing of AssemblyScript's runtime is in it, and its memory never grows;
 * - it has no function table and calls no function by index;
 * - it imports nothing but its memory and the kernel interface of its build, and exports nothing but its entry file;
 * - it is no larger than the limit.
 */

import { importsOf, type Abi } from "./abi-model.js";
import type { CompiledModule } from "./compile.js";
import type { Build } from "./project.js";
import { sizeLimit } from "./size.js";

/** Where AssemblyScript's allocator and garbage collector live. */
const runtimePrefix = "~lib/rt/";

/** Says which rules a module breaks, one sentence each; none when it keeps them all. */
export function checkModule(compiled: CompiledModule, abi: Abi, build: Build): string[] {
  return [
    ...checkAllocation(compiled.text),
    ...checkTable(compiled.text),
    ...checkImports(compiled.binary, abi, build),
    ...checkExports(compiled.binary, abi),
    ...checkSize(compiled.binary),
  ];
}

/** Instructions and declarations only: what a string holds, the bytes of the data section say, is no code. */
function withoutStrings(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
}

/**
 * The allocator may be inlined where it is used, so its functions can be gone; its state and the instruction that
 * grows memory stay.
 */
function checkAllocation(text: string): string[] {
  const code = withoutStrings(text);
  const names = new Set(Array.from(code.matchAll(/\$([^\s()]+)/g), ([, name = ""]) => name));
  const ofRuntime = [...names].filter((name) => name.startsWith(runtimePrefix));
  const problems = ofRuntime.map((name) => `The module allocates: it contains ${name}.`);
  if (/\bmemory\.grow\b/.test(code)) problems.push("The module allocates: it contains memory.grow.");
  return problems;
}

function checkTable(text: string): string[] {
  const code = withoutStrings(text);
  const problems: string[] = [];
  if (/\(table\b/.test(code)) problems.push("The module has a function table.");
  if (/\bcall_indirect\b/.test(code)) problems.push("The module calls functions by index: it contains call_indirect.");
  return problems;
}

function checkImports(binary: Uint8Array, abi: Abi, build: Build): string[] {
  const allowed = new Set(["env.memory", ...importsOf(abi, build).map(({ name }) => `kernel.${name}`)]);
  return WebAssembly.Module.imports(wasmModule(binary))
    .map(({ module, name }) => `${module}.${name}`)
    .filter((name) => !allowed.has(name))
    .map((name) => `The module imports ${name}, which is not in the kernel interface of the ${build} build.`);
}

function checkExports(binary: Uint8Array, abi: Abi): string[] {
  const wanted = abi.exports.map(({ name }) => name);
  const present = WebAssembly.Module.exports(wasmModule(binary)).map(({ name }) => name);
  return [
    ...present
      .filter((name) => !wanted.includes(name))
      .map((name) => `The module exports ${name}, which its entry file does not.`),
    ...wanted.filter((name) => !present.includes(name)).map((name) => `The module does not export ${name}.`),
  ];
}

function checkSize(binary: Uint8Array): string[] {
  if (binary.length <= sizeLimit) return [];
  return [`The module has ${binary.length} bytes, more than the limit of ${sizeLimit}.`];
}

function wasmModule(binary: Uint8Array): WebAssembly.Module {
  // A copy, because the compiler's output may be a view of shared memory in the eyes of the type checker.
  return new WebAssembly.Module(Uint8Array.from(binary));
}
