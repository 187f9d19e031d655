/**
 * The rules that a release module keeps, checked on what the compiler made of it:
 *
 * - it never allocates: nothing of AssemblyScript's runtime is in it, and its memory never grows;
 * - it has no function table and calls no function by index;
 * - it imports nothing but its memory and what its build asks of the kernel, and exports what belongs to its parts;
 * - it has no code of drivers and transports that it is made without;
 * - it is no larger than its limit, if it has one.
 */

import { exportsOf, importsOf, type Abi } from "./abi-model.js";
import type { CompiledModule } from "./compile.js";
import { isExtra, missingFrom } from "./parts.js";
import type { ModuleTarget } from "./project.js";

/** Where AssemblyScript's allocator and garbage collector live. */
const runtimePrefix = "~lib/rt/";

/** What is asked of a module. */
export type Demands = Pick<ModuleTarget, "build" | "parts" | "sizeLimit">;

/** Says which rules a module breaks, one sentence each; none when it keeps them all. */
export function checkModule(compiled: CompiledModule, abi: Abi, demands: Demands): string[] {
  return [
    ...checkAllocation(compiled.text),
    ...checkTable(compiled.text),
    ...checkImports(compiled.binary, abi, demands),
    ...checkExports(compiled.binary, abi, demands),
    ...checkMissing(compiled.text, demands),
    ...checkSize(compiled.binary, demands),
  ];
}

/** Instructions and declarations only: what a string holds, the bytes of the data section say, is no code. */
function withoutStrings(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
}

/** What has a name in the text: functions and globals, with the file that each comes from, among others. */
function namesIn(code: string): string[] {
  return [...new Set(Array.from(code.matchAll(/\$([^\s()]+)/g), ([, name = ""]) => name))];
}

/**
 * The allocator may be inlined where it is used, so its functions can be gone; its state and the instruction that
 * grows memory stay.
 */
function checkAllocation(text: string): string[] {
  const code = withoutStrings(text);
  const ofRuntime = namesIn(code).filter((name) => name.startsWith(runtimePrefix));
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

function checkImports(binary: Uint8Array, abi: Abi, { build, parts }: Demands): string[] {
  const allowed = new Set(["env.memory", ...importsOf(abi, build, parts).map(({ name }) => `kernel.${name}`)]);
  return WebAssembly.Module.imports(wasmModule(binary))
    .map(({ module, name }) => `${module}.${name}`)
    .filter((name) => !allowed.has(name))
    .map((name) => `The module imports ${name}, which is not in the kernel interface of the ${build} build.`);
}

function checkExports(binary: Uint8Array, abi: Abi, { parts }: Demands): string[] {
  const wanted = exportsOf(abi, parts).map(({ name }) => name);
  const present = WebAssembly.Module.exports(wasmModule(binary)).map(({ name }) => name);
  return [
    ...present
      .filter((name) => !wanted.includes(name))
      .map((name) => `The module exports ${name}, which its entry file does not.`),
    ...wanted.filter((name) => !present.includes(name)).map((name) => `The module does not export ${name}.`),
  ];
}

function checkMissing(text: string, { parts }: Demands): string[] {
  if (parts === undefined) return [];
  const names = namesIn(withoutStrings(text));
  // The file of an extra part also says what happens without it.
  const missing = missingFrom(parts).filter((part) => !isExtra(part));
  return missing.flatMap((part) => {
    const folders = [`assembly/drivers/${part}/`, `assembly/virtio/transport/${part}/`];
    const found = names.find((name) => folders.some((folder) => name.startsWith(folder)));
    return found === undefined ? [] : [`The module is made without ${part}, and contains ${found}.`];
  });
}

function checkSize(binary: Uint8Array, { sizeLimit }: Demands): string[] {
  if (sizeLimit === undefined || binary.length <= sizeLimit) return [];
  return [`The module has ${binary.length} bytes, more than the limit of ${sizeLimit}.`];
}

function wasmModule(binary: Uint8Array): WebAssembly.Module {
  // A copy, because the compiler's output may be a view of shared memory in the eyes of the type checker.
  return new WebAssembly.Module(Uint8Array.from(binary));
}
