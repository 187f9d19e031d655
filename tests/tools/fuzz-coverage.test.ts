/** The coverage that `npm run fuzz` counts: every way that a condition can go is a branch, and nothing else changes. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compile, unoptimised } from "../../tools/build/compile.js";
import { Coverage } from "../../tools/fuzz/coverage/coverage.js";
import { COVERAGE_IMPORT, COVERAGE_MODULE, instrument } from "../../tools/fuzz/coverage/instrument.js";

const file = "sample.ts";

/** Each function with the ways that its conditions can go. */
const source = `/** A comment stays in its line. */
const table = isDefined(PORTED) ? 1 : 2;

export function decide(value: i32): i32 {
  if (value > 10) return 1;
  else if (value > 5) {
    return 2;
  }
  return value == 0 ? 3 : table;
}

export function both(left: i32, right: i32): i32 {
  if (left > 1 && right > 1) return 1;
  return left == 0 || right == 0 ? 2 : 3;
}

export function count(limit: i32): i32 {
  let sum = 0;
  for (let index = 0; index < limit; index++) sum += index;
  while (sum > 100) sum -= 100;
  do sum++;
  while (sum < 3);
  while (true) {
    if (sum++ > 50) break;
  }
  return sum;
}

export function choose(value: i32): i32 {
  switch (value) {
    case 0:
    case 1:
      return 10;
    case 2:
      return 20;
  }
  return 30;
}

class Box {
  value: i32 = 7;
}
const box = new Box();

function find(wanted: bool): Box | null {
  return wanted ? box : null;
}

export function unbox(wanted: bool, limit: i32): i32 {
  const found = find(wanted);
  if (!found || found.value > limit) return 0;
  return found.value;
}
`;

interface Sample {
  decide(value: number): number;
  both(left: number, right: number): number;
  count(limit: number): number;
  choose(value: number): number;
  unbox(wanted: number, limit: number): number;
}

async function load(text: string, reached: (branch: number) => number): Promise<Sample> {
  const sources = new Map([[file, text]]);
  const { binary } = await compile({ target: "release", entries: [file], options: unoptimised, sources });
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 65536 });
  const imports = { env: { memory }, [COVERAGE_MODULE]: { [COVERAGE_IMPORT]: reached } };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(binary)), imports);
  return instance.exports as unknown as Sample;
}

const first = 100;
const instrumented = instrument(file, source, first);
const hits: string[] = [];
const sample = await load(instrumented.source, (branch) => {
  const { line, kind } = instrumented.branches[branch - first] ?? { line: 0, kind: "unknown" };
  hits.push(`${line} ${kind}`);
  return 0;
});

/** Lines and kinds of the branches that a call reaches, in order. */
function reachedBy(call: () => unknown): string[] {
  hits.length = 0;
  call();
  return [...hits];
}

describe("the coverage of a campaign", () => {
  it("knows every way that a condition can go, and where it stands", () => {
    assert.deepEqual(
      instrumented.branches.map(({ line, kind }) => `${line} ${kind}`),
      [
        ["5 then", "6 else", "6 no else", "6 then", "9 ?", "9 :"],
        ["13 no else", "13 then", "13 right of && skipped", "13 right of &&"],
        ["14 ?", "14 :", "14 right of || skipped", "14 right of ||"],
        ["19 loop's end", "19 loop's body", "20 loop's end", "20 loop's body", "22 loop's end", "22 loop again"],
        ["23 loop's body", "24 no else", "24 then"],
        ["32 case", "34 case", "30 no case"],
        ["46 ?", "46 :", "51 no else", "51 then", "51 right of ||"],
      ].flat(),
    );
    assert.ok(instrumented.branches.every((branch) => branch.file === file && branch.column > 0));
  });

  it("sees exactly those that a call goes", () => {
    assert.deepEqual(
      reachedBy(() => sample.decide(11)),
      ["5 then"],
    );
    assert.deepEqual(
      reachedBy(() => sample.decide(6)),
      ["6 else", "6 then"],
    );
    assert.deepEqual(
      reachedBy(() => sample.decide(0)),
      ["6 else", "6 no else", "9 ?"],
    );
    assert.deepEqual(
      reachedBy(() => sample.both(0, 5)),
      ["13 right of && skipped", "13 no else", "14 right of || skipped", "14 ?"],
    );
    assert.deepEqual(
      reachedBy(() => sample.both(2, 2)),
      ["13 right of &&", "13 then"],
    );
    assert.deepEqual(
      reachedBy(() => sample.both(2, 1)),
      ["13 right of &&", "13 no else", "14 right of ||", "14 :"],
    );
    assert.deepEqual(
      new Set(reachedBy(() => sample.count(0))),
      new Set([
        "19 loop's end",
        "20 loop's end",
        "22 loop again",
        "22 loop's end",
        "23 loop's body",
        "24 no else",
        "24 then",
      ]),
    );
    assert.deepEqual(
      reachedBy(() => sample.choose(0)),
      ["32 case"],
    );
    assert.deepEqual(
      reachedBy(() => sample.choose(1)),
      ["32 case"],
    );
    assert.deepEqual(
      reachedBy(() => sample.choose(9)),
      ["30 no case"],
    );
    assert.deepEqual(
      reachedBy(() => sample.unbox(0, 9)),
      ["46 :", "51 then"],
    );
    assert.deepEqual(
      reachedBy(() => sample.unbox(1, 9)),
      ["46 ?", "51 right of ||", "51 no else"],
    );
  });

  it("changes nothing that a function returns, and no line", async () => {
    const plain = await load(source, () => 0);
    for (let value = -1; value < 130; value++) {
      assert.equal(sample.decide(value), plain.decide(value));
      assert.equal(sample.both(value, 3 - value), plain.both(value, 3 - value));
      assert.equal(sample.count(value), plain.count(value));
      assert.equal(sample.choose(value), plain.choose(value));
      assert.equal(sample.unbox(value & 1, value), plain.unbox(value & 1, value));
    }
    const lines = (text: string): number => text.split("\n").length;
    assert.equal(lines(instrumented.source), lines(source));
  });

  it("leaves a source without branches alone", () => {
    const text = "export const one = isDefined(PORTED) ? 1 : 2;\n";
    assert.deepEqual(instrument(file, text, 0), { source: text, branches: [] });
  });

  it("counts the stack's own files, in which nothing is reached before anything runs", async () => {
    const report = (await Coverage.create(["mapped"])).report();
    assert.ok(report.branches > 500);
    assert.equal(report.reached, 0);
    assert.ok(report.files.every((entry) => entry.file.startsWith("assembly/")));
    assert.ok(report.files.some((entry) => entry.file === "assembly/virtio/queue/virtqueue.ts"));
    assert.ok(report.files.every(({ branches, unreached }) => unreached.length === branches));
  });
});
