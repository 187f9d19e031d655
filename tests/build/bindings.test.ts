/** The generated bindings: what they say is what the compilers on both sides make of it. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import * as bindings from "../../build/abi.js";
import {
  AbiError,
  exportsOf,
  importsOf,
  readAbi,
  type RecordLayout,
  type ValueType,
} from "../../tools/build/abi-model.js";
import { cHeader } from "../../tools/build/c-header.js";
import {
  abiFiles,
  moduleTargets,
  outputFolder,
  projectFolder,
  recordFile,
  type BuildRecord,
} from "../../tools/build/project.js";
import { typescriptBindings } from "../../tools/build/typescript-bindings.js";
import { abiOf, compileScratch } from "./scratch.js";

const readSource = (name: string): string => readFileSync(join(projectFolder, name), "utf8");
const abi = readAbi(readSource);
const header = join(projectFolder, "build", "virtio-abi.h");

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "virtio-build-"));
  context.after(() => {
    rmSync(folder, { recursive: true });
  });
  return folder;
}

function assertCompiles(program: string, parameters: string[]): void {
  const { status, stderr } = spawnSync(program, parameters, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
}

/** Sizes and offsets as AssemblyScript's own compiler has them, by name. */
async function compiledLayouts(records: readonly RecordLayout[]): Promise<Map<string, number>> {
  const names = records.map(({ name }) => name);
  const functions = records.flatMap(({ name, fields }) => [
    `export function ${name}(): u32 { return offsetof<records_${name}>(); }`,
    ...fields.map(
      (field) => `export function ${name}_${field.name}(): u32 { return offsetof<records_${name}>("${field.name}"); }`,
    ),
  ]);
  const imports = abiFiles.flatMap((file) =>
    Array.from(readSource(file).matchAll(/^export class (\w+)/gm), ([, name = ""]) => {
      const module = file.replace(/^assembly\/(.*)\.ts$/, "./$1");
      return `import { ${name} as records_${name} } from "${module}";`;
    }),
  );
  const source = [...imports, ...functions].join("\n");
  const { binary } = await compileScratch(source);
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(binary)), { env: { memory } });
  const values = Object.entries(exports).map(([name, value]): [string, number] => {
    assert.ok(typeof value === "function");
    return [name, Number((value as () => unknown)())];
  });
  assert.ok(values.length > names.length);
  return new Map(values);
}

test("records lie where AssemblyScript puts them", async () => {
  const compiled = await compiledLayouts(abi.records);
  for (const { name } of abi.records) {
    const layout = (bindings as unknown as Record<string, bindings.RecordLayout | undefined>)[`${name}Layout`];
    assert.ok(layout !== undefined, name);
    for (const [field, { offset }] of Object.entries(layout.fields)) {
      assert.equal(offset, compiled.get(`${name}_${field}`), `${name}.${field}`);
    }
    // AssemblyScript does not pad the end of a class; records in an array start at multiples of their alignment.
    const end = compiled.get(name) ?? 0;
    assert.equal(layout.size, Math.ceil(end / layout.alignment) * layout.alignment, name);
  }
});

test("numbers are those of the source", () => {
  assert.equal(bindings.Result.OK, 0);
  assert.equal(bindings.Result.E_HANDLE, -1);
  assert.equal(bindings.nameOf(bindings.Result, -1), "E_HANDLE");
  assert.equal(bindings.nameOf(bindings.Result, 1), undefined);
  assert.equal(bindings.NO_ADDRESS, 2n ** 64n - 1n);
  assert.equal(bindings.ResultMeaning.OK, "Done.");
});

test("the modules import and export what the bindings say", () => {
  for (const { output, build, parts } of moduleTargets.filter(({ isRelease }) => isRelease)) {
    const module = new WebAssembly.Module(readFileSync(join(outputFolder, `${output}.wasm`)));
    const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
    const wanted = exportsOf(abi, parts).map(({ name }) => name);
    assert.deepEqual(exported.sort(), wanted.sort());
    const imports = WebAssembly.Module.imports(module).filter(({ module: from }) => from === "kernel");
    const allowed = importsOf(abi, build, parts).map(({ name }) => name);
    for (const { name } of imports) assert.ok(allowed.includes(name), name);
  }
});

test("comments are carried over", () => {
  const source = `
    /** Adds one. */
    export function increment(value: u32): u32 { return value + 1; }`;
  assert.match(typescriptBindings(abiOf(source)), /Adds one\./);
  assert.match(
    cHeader(abiOf(source)),
    /\/\*\*\n \* \(value: uint32_t\) → uint32_t\n \* Adds one\.\n \*\/\nstatic inline uint32_t virtio_increment\(struct w2c_virtio \*instance, uint32_t value\) \{/,
  );
});

test("every export is described", () => {
  for (const { name, documentation } of abi.exports) assert.notEqual(documentation.length, 0, name);
});

test("what cannot cross the boundary is refused", () => {
  const refused: [string, RegExp][] = [
    ["export function f(text: string): void {}", /has type string/],
    ["export function f(value: f64): void {}", /has type f64/],
    ["export function f(list: Array<u32>): void {}", /has type Array/],
    ['export * from "./stack";', /named one by one/],
    ['export { missing } from "./stack";', /exports no function missing/],
  ];
  for (const [source, message] of refused) {
    assert.throws(
      () => abiOf(source),
      (error) => error instanceof AbiError && message.test(error.message),
    );
  }
});

test("aliases of integers may cross the boundary", () => {
  const [exported] = abiOf("type Handle = u32; export function f(handle: Handle): u64 { return 0; }").exports;
  assert.deepEqual(exported?.parameters, [{ name: "handle", type: { scalar: "u32" } }]);
  assert.deepEqual(exported.result, { scalar: "u64" });
});

test("the C header compiles without a warning, hosted and freestanding, for 64 and 32 bits", (context) => {
  const source = join(temporaryFolder(context), "include.c");
  writeFileSync(source, `#include "${header}"\n`);
  const warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"];
  assertCompiles("gcc", ["-std=c11", ...warnings, source]);
  assertCompiles("gcc", ["-std=c11", "-ffreestanding", ...warnings, source]);
  assertCompiles("gcc", ["-std=c11", "-ffreestanding", "-m32", ...warnings, source]);
});

test("the C header agrees with what wasm2c declares", (context) => {
  const folder = temporaryFolder(context);
  // The run-time library of wasm2c is not needed to compare declarations; these are the types that its headers name.
  writeFileSync(
    join(folder, "wasm-rt.h"),
    "#include <stdint.h>\ntypedef struct { int unused; } wasm_rt_memory_t;\ntypedef const void *wasm_rt_func_type_t;\n",
  );
  for (const { output: module } of moduleTargets.filter(({ isRelease }) => isRelease)) {
    const wasm2c = join(projectFolder, "node_modules", "wabt", "bin", "wasm2c");
    const output = join(folder, `${module}.c`);
    assertCompiles(process.execPath, [
      wasm2c,
      "--module-name=virtio",
      join(projectFolder, "build", `${module}.wasm`),
      "-o",
      output,
    ]);
    const source = join(folder, `both-${module}.c`);
    writeFileSync(source, `#include "${module}.h"\n#include "${header}"\n`);
    assertCompiles("gcc", ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", source]);
  }
});

/** Compiles a C program of this source with the modules' header, and runs it. */
function runWithHeader(context: TestContext, source: string): void {
  const folder = temporaryFolder(context);
  const [file, program] = [join(folder, "program.c"), join(folder, "program")];
  writeFileSync(file, source);
  assertCompiles("gcc", ["-std=c11", "-Wall", "-Wextra", "-Werror", `-I${outputFolder}`, file, "-o", program]);
  const { status, signal } = spawnSync(program, { timeout: 10_000 });
  assert.deepEqual({ status, signal }, { status: 0, signal: null });
}

test("in C, errors are below zero: a loop that polls while there is something ends when the device fails", (context) => {
  runWithHeader(
    context,
    `#include <virtio-abi.h>
     uint32_t w2c_virtio_block_poll(struct w2c_virtio *instance, uint32_t handle, uint32_t completions, uint32_t capacity) {
       (void)instance, (void)handle, (void)completions, (void)capacity;
       return (uint32_t)VIRTIO_RESULT_E_BROKEN;
     }
     int main(void) {
       while (virtio_block_poll(NULL, 1, 2, 3) > 0) {}
       return virtio_block_poll(NULL, 1, 2, 3) == VIRTIO_RESULT_E_BROKEN ? 0 : 1;
     }`,
  );
});

test("in C, each export takes and returns what the source says", (context) => {
  const types = { u32: "uint32_t", i32: "int32_t", u64: "uint64_t", i64: "int64_t" };
  const typeOf = (type: ValueType | undefined): string =>
    type === undefined ? "void" : ((types as Readonly<Record<string, string>>)[type.scalar] ?? "");
  const pointers = abi.exports.map(({ name, parameters, result }) => {
    const list = ["struct w2c_virtio *", ...parameters.map(({ type }) => typeOf(type))].join(", ");
    return `${typeOf(result)} (*const typed_${name})(${list}) = virtio_${name};`;
  });
  const source = join(temporaryFolder(context), "types.c");
  writeFileSync(source, `#include "${header}"\n${pointers.join("\n")}\n`);
  assertCompiles("gcc", ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", source]);
  assert.ok(pointers.some((pointer) => pointer.startsWith("int32_t (*const typed_block_poll)")));
});

test("what wasm2c makes of a module has the name of nothing that the build makes", () => {
  const { outputs } = JSON.parse(readFileSync(recordFile, "utf8")) as BuildRecord;
  const built = Object.keys(outputs);
  for (const module of built.filter((name) => name.endsWith(".wasm"))) {
    for (const made of [module.replace(/wasm$/, "c"), module.replace(/wasm$/, "h")]) {
      assert.ok(!built.includes(made), made);
    }
  }
});
