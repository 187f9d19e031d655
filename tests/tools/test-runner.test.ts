/** How `npm test` counts, in which order it runs files, and what it prints of them. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { noteGround, TALLY_VARIABLE } from "../cases/tally.js";
import { longestFirst } from "../../tools/test/durations.js";
import { documentGrounds, formatGrounds, readGrounds } from "../../tools/test/grounds.js";
import { runPool } from "../../tools/test/pool.js";
import { runFile } from "../../tools/test/run-file.js";
import type { FileResult } from "../../tools/test/run-suites.js";
import { describeSkipped, describeTimes, suiteTable } from "../../tools/test/summary.js";

interface Counted {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: Readonly<Record<string, number>>;
}

/** Runs a test file with this text. */
async function run(context: TestContext, text: string, allowEmpty = false): Promise<Counted> {
  const folder = mkdtempSync(join(tmpdir(), "virtio-suite-"));
  const file = join(folder, "scratch.test.mjs");
  writeFileSync(file, `import { describe, it, test } from "node:test";\nimport assert from "node:assert";\n${text}`);
  // Node's runner does not run inside itself, and tells by this.
  const inside = process.env["NODE_TEST_CONTEXT"];
  delete process.env["NODE_TEST_CONTEXT"];
  context.after(() => {
    process.env["NODE_TEST_CONTEXT"] = inside;
    rmSync(folder, { recursive: true });
  });
  context.mock.method(process.stderr, "write", () => true);
  const { passed, failed, skipped } = await runFile(file, { print: () => undefined, verbose: false, allowEmpty });
  return { passed, failed, skipped: Object.fromEntries(skipped) };
}

test("tests are counted, groups are not", async (context) => {
  const text = `
    test("one", () => {});
    describe("group", () => { it("two", () => {}); it("three", () => assert.fail()); });`;
  assert.deepEqual(await run(context, text), { passed: 2, failed: 1, skipped: {} });
});

test("a test that fails because of a test inside it is not counted again", async (context) => {
  const text = `test("outer", async (t) => { await t.test("inner", () => assert.fail()); });`;
  assert.deepEqual(await run(context, text), { passed: 0, failed: 1, skipped: {} });
});

test("what is skipped has not passed, and is counted by its reason", async (context) => {
  const text = `
    test("one", () => {}); test.skip("two", () => {}); test.todo("three");
    for (const name of ["four", "five"]) test(name, { skip: "it needs a moon" }, () => {});`;
  const skipped = { "they give no reason": 2, "it needs a moon": 2 };
  assert.deepEqual(await run(context, text), { passed: 1, failed: 0, skipped });
});

test("a set-up that fails is a failure", async (context) => {
  const text = `describe("group", () => { throw new Error("no"); });`;
  const { failed } = await run(context, text);
  assert.equal(failed, 1);
});

test("a file that does not load is a failure", async (context) => {
  assert.deepEqual(await run(context, `throw new Error("no");`), { passed: 0, failed: 1, skipped: {} });
});

test("a file without a test is a failure, unless tests were filtered out", async (context) => {
  assert.deepEqual(await run(context, ""), { passed: 0, failed: 1, skipped: {} });
  assert.deepEqual(await run(context, "", true), { passed: 0, failed: 0, skipped: {} });
});

test("jobs begin in their order, as many at a time as there is room for", async () => {
  const events: string[] = [];
  const run = async (job: string): Promise<void> => {
    events.push(`${job} begins`);
    await turn();
    events.push(`${job} ends`);
  };
  await runPool(["a", "b", "c"], 2, () => true, run);
  assert.deepEqual(events.slice(0, 3), ["a begins", "b begins", "a ends"]);
  assert.ok(events.indexOf("a ends") < events.indexOf("c begins"));
  assert.equal(events.length, 6);
});

test("a job that may not start yet lets others pass, and runs in the end", async () => {
  const running = new Set<string>();
  const begun: string[] = [];
  const run = async (job: string): Promise<void> => {
    begun.push(job);
    running.add(job);
    await turn();
    running.delete(job);
  };
  // No two whose names begin alike.
  const mayStart = (job: string): boolean => [...running].every((other) => !other.startsWith(job.slice(0, 1)));
  await runPool(["a1", "a2", "b1"], 2, mayStart, run);
  assert.deepEqual(begun, ["a1", "b1", "a2"]);
});

test("a job that fails ends the pool with its error, and nothing begins after it", async () => {
  const begun: string[] = [];
  const run = async (job: string): Promise<void> => {
    begun.push(job);
    await turn();
    throw new Error(job);
  };
  await assert.rejects(
    runPool(["a", "b"], 1, () => true, run),
    /^Error: a$/,
  );
  assert.deepEqual(begun, ["a"]);
});

test("nothing to do is done at once", async () => {
  await runPool(
    [],
    2,
    () => true,
    () => assert.fail(),
  );
});

test("long files begin first, and before them those that nobody knows", () => {
  const jobs = ["short", "new", "long", "newer"].map((file) => ({ file }));
  const sorted = longestFirst(jobs, { short: 1, long: 20 }).map(({ file }) => file);
  assert.deepEqual(sorted, ["new", "newer", "long", "short"]);
});

test("machines are listed with the cases that passed there, however many files they are in", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "virtio-grounds-"));
  const file = join(folder, "cases");
  process.env[TALLY_VARIABLE] = file;
  context.after(() => {
    Reflect.deleteProperty(process.env, TALLY_VARIABLE);
    rmSync(folder, { recursive: true });
  });
  assert.deepEqual(readGrounds(file), []);
  assert.equal(formatGrounds([]), "");
  const long = `a machine ${"with a long name ".repeat(6)}`.trim();
  noteGround({
    ground: long,
    groups: { "block: errors": { passed: 3, skipped: 1 }, silence: { passed: 1, skipped: 0 } },
  });
  noteGround({ ground: "another", groups: { "net: link": { passed: 0, skipped: 2 } } });
  noteGround({
    ground: long,
    groups: { "block: ring": { passed: 4, skipped: 0 }, "pci: scan": { passed: 1, skipped: 0 } },
  });
  const rows = readGrounds(file);
  assert.deepEqual(documentGrounds(rows).split("\n").slice(2), [
    `| ${long} | 7 of 8 |  |  | 1 |`,
    "| another |  | 0 of 2 |  |  |",
  ]);
  for (const line of formatGrounds(rows).split("\n")) assert.ok(line.length <= 80, line);
});

test("what is printed fits 80 columns, and a suite without a test has its row", () => {
  const results = Array.from({ length: 30 }, (_, index): FileResult => {
    const file = `tests/emulator/a-folder/with-a-long-name/and-a-file-${index}.test.ts`;
    const reason = "needs what no machine of this kind has ever had, and none will have for years to come";
    return { file, suite: "emulator", passed: 10000, failed: 2, skipped: new Map([[reason, 3]]), seconds: index };
  });
  const times = describeTimes(results, 500, 2);
  const text = [suiteTable(["emulator", "qemu"], results), times, describeSkipped(results)].join("\n");
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  assert.match(text, /^│ emulator │ +30 │ 300060 │ 300000 │ +60 │ +90 │ +435.0 │$/m);
  assert.match(text, /^│ qemu +│ +0 │ +0 │/m);
  assert.match(text, /^ {2}90 tests of emulator: needs what no machine/m);
  assert.match(times, /^It took 8 min 20 s, .*\n.*\n +29\.0 .*-29\.test\.ts\n/);
  assert.equal(times.split("\n").length, 12);
  assert.equal(describeSkipped([]), "");
});
