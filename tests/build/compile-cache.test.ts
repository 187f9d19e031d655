/** What is compiled is kept, until something changes that went in. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { test, type TestContext } from "node:test";
import { compileCached } from "../../tools/build/compile-cache.js";
import type { CompileOptions } from "../../tools/build/compile.js";
import { outputFolder, projectFolder } from "../../tools/build/project.js";

/** A module of two files, and whether compiling it writes what is kept. */
class Scratch {
  readonly folder = mkdtempSync(join(outputFolder, "cache-test-"));
  private readonly name = basename(this.folder);
  private readonly kept = join(outputFolder, "compiled", this.name);

  constructor(context: TestContext) {
    context.after(() => {
      rmSync(this.folder, { recursive: true });
      rmSync(this.kept, { force: true });
    });
    this.write("entry", 'import { number } from "./other"; export function give(): i32 { return number; }');
    this.write("other", "export const number = 1;");
  }

  write(name: string, source: string): void {
    writeFileSync(join(this.folder, `${name}.ts`), source);
  }

  /** What the module's function gives, and whether the module was compiled anew. */
  async give(changes: Partial<CompileOptions> = {}): Promise<{ number: number; isNew: boolean }> {
    const before = this.written();
    const entries = [relative(projectFolder, join(this.folder, "entry.ts"))];
    const binary = await compileCached(this.name, { target: "release", entries, ...changes });
    const module = new WebAssembly.Module(Uint8Array.from(binary));
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    return { number: (exports["give"] as () => number)(), isNew: this.written() !== before };
  }

  private written(): number {
    return statSync(this.kept, { throwIfNoEntry: false })?.ino ?? 0;
  }
}

test("what did not change is not compiled again", async (context) => {
  const scratch = new Scratch(context);
  assert.deepEqual(await scratch.give(), { number: 1, isNew: true });
  assert.deepEqual(await scratch.give(), { number: 1, isNew: false });
});

test("a change of a file that is imported counts", async (context) => {
  const scratch = new Scratch(context);
  await scratch.give();
  scratch.write("other", "export const number = 2;");
  assert.deepEqual(await scratch.give(), { number: 2, isNew: true });
});

test("options and sources that are on no disk count", async (context) => {
  const scratch = new Scratch(context);
  await scratch.give();
  assert.deepEqual(await scratch.give({ options: ["--optimizeLevel", "0"] }), { number: 1, isNew: true });
  const sources = new Map([[relative(projectFolder, join(scratch.folder, "other.ts")), "export const number = 3;"]]);
  assert.deepEqual(await scratch.give({ sources }), { number: 3, isNew: true });
});

test("a file that comes where one was looked for in vain counts", async (context) => {
  const scratch = new Scratch(context);
  scratch.write("entry", 'import { number } from "./folder"; export function give(): i32 { return number; }');
  const entry = relative(projectFolder, scratch.folder);
  const sources = new Map([[`${entry}/folder/index.ts`, "export const number = 4;"]]);
  assert.deepEqual(await scratch.give({ sources }), { number: 4, isNew: true });
  assert.deepEqual(await scratch.give({ sources }), { number: 4, isNew: false });
  scratch.write("folder", "export const number = 5;");
  assert.deepEqual(await scratch.give({ sources }), { number: 5, isNew: true });
});
