/** Each rule for release modules, kept and broken. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { sizeLimit } from "../../tools/build/size.js";
import { problemsOf } from "./scratch.js";

/** The problems of a module that does nothing but what `source` does, which must all be of one kind. */
async function assertProblems(pattern: RegExp, source: string, options: string[] = []): Promise<void> {
  const problems = await problemsOf(source, "mapped", options);
  assert.notEqual(problems.length, 0);
  for (const problem of problems) assert.match(problem, pattern);
}

test("a module that uses the kernel interface and keeps its data in static memory is fine", async () => {
  const problems = await problemsOf(`
    import { in8, wmb } from "./kernel";
    const area: u32 = <u32>memory.data(64, 8);
    export function touch(port: u32): u32 {
      store<u32>(area, in8(port));
      wmb();
      return load<u32>(area + 4);
    }`);
  assert.deepEqual(problems, []);
});

test("a name in the data section is no code", async () => {
  const problems = await problemsOf(`
    const area: u32 = <u32>memory.data<u8>([36, 95, 95, 110, 101, 119, 32, 109, 101, 109, 111, 114, 121, 46, 103, 114, 111, 119]);
    export function first(): u32 {
      return load<u8>(area);
    }`);
  assert.deepEqual(problems, []);
});

test("an object made with new is found", () =>
  assertProblems(
    /^The module allocates/,
    `class Pair { first: u32 = 1; second: u32 = 2; }
     let kept: Pair | null = null;
     export function make(): u32 { kept = new Pair(); return changetype<usize>(kept); }`,
  ));

test("an unmanaged object made with new is found", () =>
  assertProblems(
    /^The module allocates/,
    `@unmanaged class Pair { first: u32; second: u32; }
     export function make(): u32 { return changetype<usize>(new Pair()); }`,
  ));

test("an allocation that is inlined is found", () =>
  assertProblems(/^The module allocates/, `export function make(bytes: u32): u32 { return heap.alloc(bytes); }`, [
    "--optimizeLevel",
    "3",
    "--shrinkLevel",
    "0",
  ]));

test("a string put together is found", () =>
  assertProblems(
    /^The module allocates/,
    `export function length(value: u32): u32 { return ("value " + value.toString()).length; }`,
  ));

test("growing memory is found", () =>
  assertProblems(/memory\.grow/, `export function more(): i32 { return memory.grow(1); }`));

test("a function value is found", () =>
  assertProblems(
    /function table|call_indirect/,
    `function double(value: u32): u32 { return 2 * value; }
     function triple(value: u32): u32 { return 3 * value; }
     export function apply(which: u32, value: u32): u32 {
       const chosen: (value: u32) => u32 = which != 0 ? double : triple;
       return chosen(value);
     }`,
  ));

test("an import from elsewhere is found", () =>
  assertProblems(
    /^The module imports env\.now,/,
    `@external("env", "now") declare function now(): u32;
     export function time(): u32 { return now(); }`,
  ));

test("an import that the kernel interface does not have is found", () =>
  assertProblems(
    /^The module imports kernel\.reboot,/,
    `@external("kernel", "reboot") declare function reboot(): void;
     export function restart(): void { reboot(); }`,
  ));

test("env.abort is found", () =>
  assertProblems(
    /^The module imports env\.abort,/,
    `@external("env", "abort") declare function stop(message: u32, file: u32, line: u32, column: u32): void;
     export function check(value: u32): u32 { if (value == 0) stop(0, 0, 0, 0); return value; }`,
  ));

test("only the ported build may reach memory through the kernel", async () => {
  const source = `
    import { phys_read8 } from "./kernel";
    export function first(pointer: u32): u32 { return phys_read8(pointer); }`;
  assert.deepEqual(await problemsOf(source, "ported"), []);
  assert.deepEqual(await problemsOf(source, "mapped"), [
    "The module imports kernel.phys_read8, which is not in the kernel interface of the mapped build.",
  ]);
});

test("an export that is no function of the entry file is found", () =>
  assertProblems(/^The module exports answer,/, `export const answer: u32 = 42; export function nothing(): void {}`));

test("an exported runtime is found", () =>
  assertProblems(/^The module (exports __|allocates)/, `export function nothing(): void {}`, ["--exportRuntime"]));

test("a module over the limit is found, one below it is not", async () => {
  const withData = (bytes: number): string => `
    const area: u32 = <u32>memory.data<u8>([${Array.from({ length: bytes }, () => 1).join(",")}]);
    export function first(index: u32): u32 { return load<u8>(area + index); }`;
  assert.deepEqual(await problemsOf(withData(sizeLimit - 512)), []);
  const [problem = "", ...others] = await problemsOf(withData(sizeLimit));
  assert.match(problem, /more than the limit/);
  assert.deepEqual(others, []);
});
