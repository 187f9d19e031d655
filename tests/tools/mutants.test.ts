/** Which mutants `npm run mutants` makes, and what it says of them. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite, test } from "node:test";
import ts from "typescript";
import { kernelFile, projectFolder } from "../../tools/build/project.js";
import { parseSources } from "../../tools/fuzz/coverage/stack-sources.js";
import { DeviceData } from "../../tools/mutants/device-data.js";
import { findMutants } from "../../tools/mutants/mutants.js";
import { assertDocument } from "./schema.js";

const kernel = `
export declare function in8(port: u32): u32;
export declare function phys_read16(pointer: u32): u32;
export declare function now_ns(): u64;
export declare function dma_alloc(pages: u32): u32;
`;

/** The conditions of `if`, loops and `?:` in a source, in order, in which a device has a say. */
function decided(source: string): string[] {
  const name = "assembly/sample.ts";
  const imports = 'import { dma_alloc, in8, now_ns, phys_read16 } from "./kernel";\n';
  const parsed = parseSources(
    new Map([
      [kernelFile, kernel],
      [name, imports + source],
    ]),
  );
  const data = new DeviceData(parsed);
  const found: string[] = [];
  const look = (node: ts.Node): void => {
    const isBranch = ts.isIfStatement(node) || ts.isWhileStatement(node);
    const condition = isBranch ? node.expression : ts.isConditionalExpression(node) ? node.condition : undefined;
    if (condition !== undefined && data.decides(condition)) found.push(condition.getText());
    ts.forEachChild(node, look);
  };
  parsed.files.forEach(look);
  return found;
}

suite("a device has a say", () => {
  test("in a condition of what was read from a port or from memory, directly or through a variable", () => {
    const source = `
      function f(a: u32): u32 {
        if (in8(a) == 1) return 1;
        const value = phys_read16(a) >> 3;
        let half = a;
        half = value / 2;
        if (half > 5) return 2;
        if (a > 5) return 3;
        return dma_alloc(half) == 0 ? 4 : 5;
      }`;
    assert.deepEqual(decided(source), ["in8(a) == 1", "half > 5"]);
  });

  test("in a condition of the clock: it tells of a device that says nothing", () => {
    assert.deepEqual(decided("function f(since: u64): void { if (now_ns() - since > 9) return; }"), [
      "now_ns() - since > 9",
    ]);
  });

  test("through parameters and results, but not in what another caller passes or gets", () => {
    const source = `
      function low(value: u32): u32 { return value & 15; }
      function isSet(bits: u32): bool { if (bits & 1) return true; return false; }
      function f(a: u32): void {
        if (low(in8(a)) == 1) isSet(in8(a));
        if (low(a) == 2) return;
      }`;
    assert.deepEqual(decided(source), ["bits & 1", "low(in8(a)) == 1"]);
  });

  test("in what a record says that the device chose", () => {
    const source = `
      class Entry { length: u32 = 0; }
      function entry(index: u32): Entry { return changetype<Entry>(index * 4); }
      function f(a: u32): void {
        if (entry(in8(a)).length == 0) return;
        if (entry(a).length == 1) return;
      }`;
    assert.deepEqual(decided(source), ["entry(in8(a)).length == 0"]);
  });

  test("in a field that was read from it, or was set where it decided, and not in what is computed from that", () => {
    const source = `
      class Device {
        size: u32 = 0;
        free: u32 = 0;
        isBroken: bool = false;
        isOpen: bool = false;
        fill(a: u32): void {
          this.size = in8(a);
          this.free = this.size - 1;
          if (in8(a) > 3) this.isBroken = true;
          this.isOpen = true;
        }
        look(): void {
          if (this.size == 0) return;
          if (this.free == 0) return;
          if (this.isBroken) return;
          if (this.isOpen) return;
        }
      }`;
    assert.deepEqual(decided(source), ["in8(a) > 3", "this.size == 0", "this.isBroken"]);
  });

  test("in how often a loop asks it", () => {
    const source = `
      function f(a: u32): void {
        let tries = 0;
        while (tries < 3) {
          if (in8(a) == 0) return;
          tries++;
        }
        while (tries > 1) tries--;
      }`;
    assert.deepEqual(decided(source), ["tries < 3", "in8(a) == 0"]);
  });

  test("where which method is called is not known: in any of that name", () => {
    const source = `
      abstract class Driver { abstract size(a: u32): u32; }
      class Disk extends Driver { size(a: u32): u32 { return in8(a); } }
      function f<T extends Driver>(driver: T, a: u32): void { if (driver.size(a) == 0) return; }`;
    assert.deepEqual(decided(source), ["driver.size(a) == 0"]);
  });
});

suite("the mutants of the stack", () => {
  test("take away each way of the checks that every device meets", () => {
    const { list } = findMutants();
    assert.ok(list.length > 300);
    // used.id, which the device may have made up.
    const ways = list.filter(({ condition }) => condition === "head >= this.size").map(({ never }) => never);
    assert.deepEqual(ways.slice(0, 2), ["true", "false"]);
  });
});

suite("npm run mutants", () => {
  const main = join(projectFolder, "tools/mutants/main.ts");
  const run = (...parameters: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, ["--import", "tsx", main, ...parameters], { cwd: projectFolder, encoding: "utf8" });

  test("has a test miss what a device's word is held against", () => {
    const chosen = ["--only", "take: head >= this.size is never true", "--ask", "fixed cases"];
    const { status, stdout, stderr } = run(...chosen, "--json", "-");
    assert.equal(status, 0, stderr);
    assertDocument("npm run mutants", stdout);
    const { missed } = JSON.parse(stdout) as { missed: { by: string }[] };
    assert.ok(missed.length > 0);
    assert.ok(missed.every(({ by }) => by !== ""));
  });

  test("lists mutants with their places, and refuses a text that none of them has", () => {
    const { status, stdout } = run("--list", "--only", "head >= this.size");
    assert.equal(status, 0);
    assert.match(stdout, /^assembly\/\S+\.ts:\d+:\d+: \w+: head >= this\.size is never true$/m);
    const refused = run("--only", "no such text");
    assert.equal(refused.status, 2);
    assert.equal(refused.stderr, 'no mutant has "no such text" in its line; see --list\n');
    const unasked = run("--ask", "nobody", "--only", "head >= this.size");
    assert.equal(unasked.status, 2);
    assert.match(unasked.stderr, /^there is no group "nobody"; there are specs, fixed cases, [^\n]*\n$/);
  });
});
