/** The list of tests in the document on reliability: it is made of the tests' own names, and up to date. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { format, resolveConfig } from "prettier";
import { outputFolder, projectFolder } from "../../tools/build/project.js";
import { MarkerError } from "../../tools/build/marked-section.js";
import { documentFile, documentReliability, readParts } from "../../tools/reliability/document.js";
import { testNames, TestNamesError } from "../../tools/reliability/test-names.js";

const begin = "<!-- reliability:begin -->";
const end = "<!-- reliability:end -->";

/** A file whose tests are named in many ways, one of which fails whenever it is run. */
const sample = `
import { after, before, describe, it, suite, test } from "node:test";
describe("outer", () => {
  before(() => { throw new Error("run"); });
  for (const size of [1, 2]) it(\`of \${size}\`, { timeout: 5 }, () => { throw new Error("run"); });
  suite("inner", { concurrency: 1 }, () => { test("deep", async () => { throw new Error("run"); }); });
  describe.skip("skipped", () => { it("waits", () => {}); });
  after(() => {});
});
test("alone", () => { throw new Error("run"); });
`;

/** Runs `use` with the name of a file of this text. */
function withFile(text: string, use: (file: string) => void): void {
  // Within the project, for the packages that it imports.
  const folder = mkdtempSync(join(outputFolder, "names-"));
  const file = join(folder, "sample.test.ts");
  try {
    writeFileSync(file, text);
    use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

suite("the list of tests in the document on reliability", () => {
  test("is what the tests are called; `npm run format` brings it up to date", async () => {
    const page = readFileSync(join(projectFolder, documentFile), "utf8");
    const style = await resolveConfig(join(projectFolder, documentFile), { editorconfig: true });
    const current = await format(documentReliability(page, readParts()), { ...style, parser: "markdown" });
    assert.equal(page, current);
  });

  test("is refused without the markers that it stands between", () => {
    assert.throws(() => documentReliability("no markers", []), MarkerError);
  });

  test("has every rule once, with what it is about", () => {
    const tests = [
      ...["of 1 is refused: mapped", "of 1 is refused: ported", "of 0x20 is refused: mapped", "is 3 or 4", "is 5 or 6"],
      "a*b",
    ].map((name) => ({ path: ["a size"], name }));
    const machines = ["first", "second"].flatMap((machine) => [
      { path: [machine, "resets"], name: "one way: it works" },
      { path: [machine, "resets"], name: "another way: it works" },
      { path: [machine, "resets"], name: "twice" },
    ]);
    const parts = [
      { heading: "Numbers", tests },
      { heading: "Machines", tests: machines },
    ];
    assert.equal(
      documentReliability(`before ${begin} old ${end} behind`, parts),
      [
        `before ${begin}`,
        "Numbers:",
        "- **a size** of 1 or 0x20 is refused · is 3 or 4 · is 5 or 6 · a\\*b",
        "Machines:",
        "- **first; second**\n  - resets: one way or another way: it works · twice",
        `${end} behind`,
      ].join("\n\n"),
    );
  });

  test("comes from the files themselves, none of whose tests is run", () => {
    withFile(sample, (file) => {
      assert.deepEqual(testNames([file]), [
        { path: ["outer"], name: "of 1" },
        { path: ["outer"], name: "of 2" },
        { path: ["outer", "inner"], name: "deep" },
        { path: ["outer", "skipped"], name: "waits" },
        { path: [], name: "alone" },
      ]);
      const parameters = ["--import", "tsx", "--test", "--test-reporter=tap", file];
      const env = { ...process.env };
      // What the runner passes to the files that it runs itself.
      delete env["NODE_TEST_CONTEXT"];
      const { stdout } = spawnSync(process.execPath, parameters, { cwd: projectFolder, encoding: "utf8", env });
      for (const name of ["of 1", "of 2", "deep", "alone"]) assert.match(stdout, new RegExp(`not ok \\d+ - ${name}`));
    });
  });

  test("is not made of files that cannot be imported", () => {
    withFile('throw new Error("broken file");', (file) => assert.throws(() => testNames([file]), TestNamesError));
    const late = 'import { describe } from "node:test"; describe("late", async () => {});';
    withFile(late, (file) => assert.throws(() => testNames([file]), /the suite "late" is asynchronous/));
  });
});
