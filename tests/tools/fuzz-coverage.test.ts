/** The coverage that `npm run fuzz` counts: every way that a condition can go is a branch, and nothing else changes. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compile, unoptimised } from "../../tools/build/compile.js";
import { Coverage } from "../../tools/fuzz/coverage/coverage.js";
import { COVERAGE_IMPORT, COVERAGE_MODULE, instrument } from "../../tools/fuzz/coverage/instrument.js";
import { parseSources } from "../../tools/fuzz/coverage/stack-sources.js";

const file = "sample.ts";

/** Each function with the ways that its conditions can go. */
const source = `/** A comment stays in its line. */
const table = isDefined(PORTED) ? 1 : 2;
const limit: u32 = 100;

export function decide(value: i32): i32 {
  if (value > 10) return 1;
  else if (value > 5) {
    return 2;
  }
  return value == 0 ? 3 : table;
}

export function both(left: i32, right: i32): i32 {
  if (left > 1 && right > 1) return 1;
  return left == 0 || !(right != 0) ? 2 : 3;
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
  const value = found ? found.value : 0;
  if (!found || value > limit) return 0;
  return value;
}

export function flags(value: u64): i32 {
  const isLarge = value > 0xffff_ffff;
  if (value & 0x1_0000_0000) return isLarge ? 1 : 2;
  if (isDefined(PORTED) || limit == 7 || offsetof<Box>() > 99) ERROR("decided when it is compiled");
  return value ? 4 : 5;
}

export function clamp(value: u32): u32 {
  return max(min<u32>(value, limit), 3);
}

export function bits(value: u64): u32 {
  if ((value & 0xff) != 0) return <u32>(value >> 4 & 3);
  return <u32>((value & ~0xfff & 0xffff_ffff) >> 12);
}
`;

interface Sample {
  decide(value: number): number;
  both(left: number, right: number): number;
  count(limit: number): number;
  choose(value: number): number;
  unbox(wanted: number, limit: number): number;
  flags(value: bigint): number;
  clamp(value: number): number;
  bits(value: bigint): number;
}

async function load(text: string, reached: (branch: number) => number): Promise<Sample> {
  const sources = new Map([[file, text]]);
  const { binary } = await compile({ target: "release", entries: [file], options: unoptimised, sources });
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 65536 });
  const imports = { env: { memory }, [COVERAGE_MODULE]: { [COVERAGE_IMPORT]: reached } };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(binary)), imports);
  return instance.exports as unknown as Sample;
}

const parsed = parseSources(new Map([[file, source]]));
const instrumented = instrument(parsed);
const text = instrumented.sources.get(file) ?? "";
const hits: string[] = [];
/** The branch that is not to be taken. */
let refused: string | undefined;
const sample = await load(text, (branch) => {
  const { line, kind } = instrumented.branches[branch] ?? { line: 0, kind: "unknown" };
  hits.push(`${line} ${kind}`);
  return refused === `${line} ${kind}` ? 1 : 0;
});

/** Lines and kinds of the branches that a call reaches, in order. */
function reachedBy(call: () => unknown): string[] {
  hits.length = 0;
  call();
  return [...hits];
}

/** What a call returns where one branch is never taken. */
function without(branch: string, call: () => number): number {
  refused = branch;
  try {
    return call();
  } finally {
    refused = undefined;
  }
}

describe("the coverage of a campaign", () => {
  it("knows every way that a condition can go, and where it stands", () => {
    const bothWays = (...lines: number[]): string[] => lines.flatMap((line) => [`${line} true`, `${line} false`]);
    assert.deepEqual(
      new Set(instrumented.branches.map(({ line, kind }) => `${line} ${kind}`)),
      new Set([
        ...bothWays(6, 7, 10, 14, 15, 20, 21, 23, 25, 47, 53, 58, 59, 61, 69),
        ...["33 case", "35 case", "31 no case", "52 then", "52 else", "53 then", "53 no else"],
        ...["65 first", "65 second", "69 cut", "70 cut"],
      ]),
    );
    // Two conditions in a line, two choices, and the same again.
    assert.equal(instrumented.branches.filter(({ line }) => line === 14).length, 4);
    assert.equal(instrumented.branches.filter(({ line }) => line === 59).length, 4);
    assert.equal(instrumented.branches.filter(({ line }) => line === 65).length, 4);
    assert.ok(instrumented.branches.every((branch) => branch.file === file && branch.column > 0));
  });

  it("sees exactly those that a call goes", () => {
    const cases: [call: () => unknown, reached: string[]][] = [
      [() => sample.decide(11), ["6 true"]],
      [() => sample.decide(6), ["6 false", "7 true"]],
      [() => sample.decide(0), ["6 false", "7 false", "10 true"]],
      [() => sample.both(0, 5), ["14 false", "15 true"]],
      [() => sample.both(2, 2), ["14 true", "14 true"]],
      [() => sample.both(2, 1), ["14 true", "14 false", "15 false", "15 true"]],
      [() => sample.both(1, 0), ["14 false", "15 false", "15 false"]],
      [() => sample.choose(0), ["33 case"]],
      [() => sample.choose(1), ["33 case"]],
      [() => sample.choose(9), ["31 no case"]],
      [() => sample.unbox(0, 9), ["47 false", "52 else", "53 then"]],
      [() => sample.unbox(1, 9), ["47 true", "52 then", "53 false", "53 no else"]],
      [() => sample.flags(0n), ["58 false", "59 false", "61 false"]],
      [() => sample.flags(1n << 32n), ["58 true", "59 true", "59 true"]],
      [() => sample.clamp(1), ["65 first", "65 second"]],
      [() => sample.bits(0x30n), ["69 true"]],
      [() => sample.bits(0x41n), ["69 true", "69 cut"]],
      [() => sample.bits(1n << 33n), ["69 false", "70 cut"]],
      [() => sample.clamp(101), ["65 second", "65 first"]],
    ];
    for (const [call, reached] of cases) assert.deepEqual(reachedBy(call), reached);
    assert.deepEqual(
      new Set(reachedBy(() => sample.count(0))),
      new Set(["20 false", "21 false", "23 true", "23 false", "25 false", "25 true"]),
    );
  });

  it("sends a condition the other way where it is told to", () => {
    assert.equal(
      without("6 true", () => sample.decide(11)),
      2,
    );
    assert.equal(
      without("10 false", () => sample.decide(1)),
      3,
    );
    assert.equal(
      without("53 false", () => sample.unbox(1, 9)),
      0,
    );
    assert.equal(
      without("59 true", () => sample.flags(1n << 32n)),
      4,
    );
    assert.equal(
      without("69 cut", () => sample.bits(0x41n)),
      4,
    );
    // Neither of the two is limited to what it says.
    assert.equal(
      without("65 second", () => sample.clamp(101)),
      101,
    );
    assert.equal(
      without("65 second", () => sample.clamp(1)),
      1,
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
      assert.equal(sample.clamp(value), plain.clamp(value));
      const large = BigInt(value & 3) << 32n;
      assert.equal(sample.flags(large), plain.flags(large));
      assert.equal(sample.bits(large + BigInt(value)), plain.bits(large + BigInt(value)));
    }
    const lines = (of: string): number => of.split("\n").length;
    assert.equal(lines(text), lines(source));
  });

  it("leaves a source without branches alone", () => {
    const plain = "export const one = isDefined(PORTED) ? 1 : 2;\n";
    const sources = new Map([[file, plain]]);
    assert.deepEqual(instrument(parseSources(sources)), { sources, branches: [] });
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
