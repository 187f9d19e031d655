/** The program in `README.md`: it runs as it is printed, and prints what the page says. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { transformSync } from "esbuild";
import { projectFolder } from "../../../tools/build/project.js";

const page = readFileSync(join(projectFolder, "README.md"), "utf8");
/** What a reader still takes in at once. */
const LINES_MAX = 150;

test("the program in README.md prints what README.md says", () => {
  const [, program = ""] = /```ts\n(.*?)```/s.exec(page) ?? [];
  const comments = [...program.matchAll(/^console\.log.*; \/\/ (.*)$/gm)].map(([, comment]) => comment);
  assert.ok(comments.length > 0);
  const { code } = transformSync(program, { loader: "ts" });
  const parameters = ["--import", "tsx", "--input-type=module", "--eval", code];
  const { stdout, stderr } = spawnSync(process.execPath, parameters, { cwd: projectFolder, encoding: "utf8" });
  assert.deepEqual(stdout.trimEnd().split("\n"), comments, stderr);
});

test("README.md is short", () => {
  assert.ok(page.split("\n").length <= LINES_MAX);
});
