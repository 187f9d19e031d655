/** `npm run fuzz`: it counts, repeats, and refuses what makes no sense. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { projectFolder } from "../../tools/build/project.js";
import { assertDocument } from "./schema.js";

interface Ended {
  readonly status: number | null;
  readonly output: string;
}

/** What it printed is its output; how far it came, which goes to stderr, only if it fails. */
function fuzz(...parameters: string[]): Ended {
  const file = join(projectFolder, "tools", "fuzz", "main.ts");
  const ended = spawnSync(process.execPath, ["--import", "tsx", file, ...parameters], {
    cwd: projectFolder,
    encoding: "utf8",
  });
  return { status: ended.status, output: ended.status === 0 ? ended.stdout : ended.stdout + ended.stderr };
}

describe("npm run fuzz", () => {
  it("runs for the time given, and says how much it did", () => {
    const { status, output } = fuzz("--minutes", "0.02", "--seed", "5");
    assert.equal(status, 0, output);
    assert.match(output, /^[\d,]+ inputs from [\d,]+ seeds, 5 on, in \d+\.\d s, [\d,]+ a second$/m);
    assert.match(output, /^[\d,]+ mutated interactions, [\d,]+ a second$/m);
    assert.match(output, /^0 findings$/m);
  });

  it("runs as many seeds as are given, and tells which branches of the stack they reached", () => {
    const { status, output } = fuzz("--seeds", "3", "--seed", "5", "--coverage", "2", "--uncovered");
    assert.equal(status, 0, output);
    assert.match(output, /^6 inputs from 3 seeds, 5 on, /m);
    assert.match(output, /^│ assembly\/virtio\/queue\/virtqueue\.ts +│ +\d+ │ +\d+ │ +\d+\.\d % │$/m);
    const counted = /^([\d,]+) of ([\d,]+) branches of the stack reached,.*\s+by the 4 inputs /m.exec(output) ?? [];
    const [reached, branches] = counted.slice(1).map((count) => Number(count.replaceAll(",", "")));
    const listed = [...output.matchAll(/^ {2}assembly\/[\w/-]+\.ts:\d+:\d+: .+$/gm)].length;
    assert.ok(reached !== undefined && reached > 0 && listed > 0);
    assert.equal(reached + listed, branches);
  });

  it("counts the same way every time, for programs, too", () => {
    const [first = {}, second] = [1, 2].map(() => {
      const { status, output } = fuzz("--seeds", "2", "--seed", "9", "--coverage", "1", "--json", "-");
      assert.equal(status, 0, output);
      assertDocument("npm run fuzz", output);
      const { seconds, inputsPerSecond, ...rest } = JSON.parse(output) as Record<string, unknown>;
      assert.ok(Number(seconds) > 0 && Number(inputsPerSecond) > 0);
      return rest;
    });
    assert.equal(first["inputs"], 4);
    assert.deepEqual(first["findings"], []);
    assert.deepEqual(first, second);
  });

  it("compiles nothing without coverage", () => {
    const { status, output } = fuzz("--seeds", "1", "--seed", "9", "--coverage", "0", "--json", "-");
    assert.equal(status, 0, output);
    assert.equal((JSON.parse(output) as Record<string, unknown>)["coverage"], null);
  });

  it("repeats a seed, whole or in part", () => {
    const whole = fuzz("--build", "mapped", "--replay", "7");
    assert.equal(whole.status, 0, whole.output);
    const indices = Array.from(whole.output.matchAll(/^ {2}(\d+) {2}/gm), ([, index]) => index ?? "");
    assert.ok(indices.length > 1);
    const part = fuzz("--build", "mapped", "--replay", "7", "--mutations", indices[0] ?? "");
    assert.equal(part.status, 0, part.output);
    assert.equal(Array.from(part.output.matchAll(/^ {2}\d+ {2}/gm)).length, 1);
    assert.match(part.output, /repeat with: npm run fuzz -- --build mapped --replay 7 --mutations "\d+"/);
  });

  for (const parameters of [
    ["--minutes", "0"],
    ["--seed", "-1"],
    ["--build", "other"],
    ["--seeds", "0"],
    ["--coverage", "-1"],
    ["--coverage", "0", "--uncovered"],
    ["--mutations", "1"],
    ["--replay", "1", "--mutations", "x"],
  ]) {
    it(`refuses ${parameters.join(" ")}`, () => {
      assert.equal(fuzz(...parameters).status, 2);
    });
  }
});
