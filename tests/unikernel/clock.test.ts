/** How the unikernel measures its clock: as a program of this computer, because QEMU's interval timer loads at once. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { projectFolder } from "../../tools/build/project.js";
import { temporaryFolder } from "./bench.js";

const program = join(temporaryFolder(), "clock");

before(() => {
  const source = join(projectFolder, "tests/unikernel/policy/clock.c");
  const parameters = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", source, "-o", program];
  const { status, stderr } = spawnSync("gcc", parameters, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});

describe("the unikernel's clock is right to a hundredth", () => {
  for (const [when, ...parameters] of [
    ["the timer loads its count at once", "65535", "0"],
    ["the timer loads its count with the next pulse", "65535", "1"],
    ["the timer holds a smaller count at first", "5", "1"],
    ["the timer takes its time to load", "1000", "16"],
    ["one reading is zero", "0", "1", "zero,20"],
    ["the first reading is zero", "0", "1", "zero,0"],
    ["a pause disturbs a measurement", "0", "1", "pause,20,20000000"],
    ["the timer wraps in a pause", "0", "1", "pause,20,54926000"],
    ["a pause delays the first reading until the timer has wrapped", "0", "1", "pause,0,54926000"],
  ] as const) {
    test(`when ${when}`, () => {
      const { status, stdout } = spawnSync(program, parameters, { encoding: "utf8", timeout: 10_000 });
      assert.equal(status, 0);
      assert.ok(Math.abs(Number(stdout) - 1e9) < 1e7, stdout);
    });
  }
});
