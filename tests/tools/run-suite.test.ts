/** How `npm test` counts. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runSuite, type SuiteResult } from "../../tools/test/run-suite.js";

/** Runs one file with this text as a suite. */
async function run(context: TestContext, text: string, allowEmptyFiles = false): Promise<Omit<SuiteResult, "seconds">> {
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
  context.mock.method(console, "log", () => undefined);
  context.mock.method(process.stderr, "write", () => true);
  const suite = { name: "scratch", description: "", folder, concurrency: 1, programs: [] };
  const { name, passed, failed, skipped } = await runSuite(suite, [file], { verbose: false, allowEmptyFiles });
  return { name, passed, failed, skipped };
}

test("tests are counted, groups are not", async (context) => {
  const text = `
    test("one", () => {});
    describe("group", () => { it("two", () => {}); it("three", () => assert.fail()); });`;
  assert.deepEqual(await run(context, text), { name: "scratch", passed: 2, failed: 1, skipped: 0 });
});

test("a test that fails because of a test inside it is not counted again", async (context) => {
  const text = `test("outer", async (t) => { await t.test("inner", () => assert.fail()); });`;
  assert.deepEqual(await run(context, text), { name: "scratch", passed: 0, failed: 1, skipped: 0 });
});

test("what is skipped has not passed", async (context) => {
  const text = `test("one", () => {}); test.skip("two", () => {}); test.todo("three");`;
  assert.deepEqual(await run(context, text), { name: "scratch", passed: 1, failed: 0, skipped: 2 });
});

test("a set-up that fails is a failure", async (context) => {
  const text = `describe("group", () => { throw new Error("no"); });`;
  const { failed } = await run(context, text);
  assert.equal(failed, 1);
});

test("a file that does not load is a failure", async (context) => {
  assert.deepEqual(await run(context, `throw new Error("no");`), { name: "scratch", passed: 0, failed: 1, skipped: 0 });
});

test("a file without a test is a failure, unless tests were filtered out", async (context) => {
  assert.deepEqual(await run(context, ""), { name: "scratch", passed: 0, failed: 1, skipped: 0 });
  assert.deepEqual(await run(context, "", true), { name: "scratch", passed: 0, failed: 0, skipped: 0 });
});
