/** The parts of the measurements on QEMU that need no QEMU: lines, traces, archives, spreads, budgets. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isKept, judge } from "../../tools/bench/qemu/budgets.js";
import { writeInitramfs } from "../../tools/bench/qemu/initramfs.js";
import { parseBegin, parseEnd, parseTimings, pointName, rateOf, type Point } from "../../tools/bench/qemu/points.js";
import type { MeasuredPoint } from "../../tools/bench/qemu/result.js";
import { spreadOf } from "../../tools/bench/qemu/statistics.js";
import { countTrace, TraceCounter, type Counts } from "../../tools/bench/qemu/trace.js";

const batch: Point = { operation: "read", pattern: "random", bytes: 4096, depth: 32, waiting: "all" };

describe("the lines of guests", () => {
  test("name the point, how much was done, and how long it took", () => {
    assert.deepEqual(parseBegin("begin read random 4096 32 all"), batch);
    assert.deepEqual(parseEnd("end read random 4096 32 all 6400 32000000"), {
      point: batch,
      count: 6400,
      nanoseconds: 32_000_000,
    });
    assert.equal(pointName(batch), "read random 4096 32 all");
  });

  test("are found among others, also with carriage returns", () => {
    const output =
      "started\r\nbegin write sequential 512 1 sleep\r\nend write sequential 512 1 sleep 10 2000\r\ndone\r\n";
    const timings = parseTimings(output);
    assert.equal(timings.length, 1);
    assert.deepEqual(timings.map(rateOf), [5_000_000]);
  });

  test("are nothing else", () => {
    for (const line of ["begin", "begin erase random 1 1 poll", "read random 4096 32 poll"]) {
      assert.equal(parseBegin(line), undefined, line);
    }
    for (const line of ["end read random 4096 32 poll", "end read random 4096 32 poll 1", "end"]) {
      assert.equal(parseEnd(line), undefined, line);
    }
  });
});

/** What QEMU traces when a guest prints a line, as Linux ends it. */
function printed(line: string): string[] {
  return Array.from(`${line}\r\n`, (character) => {
    const value = character.charCodeAt(0).toString(16);
    return [
      "memory_region_ops_read cpu 0 mr 0x1 addr 0x3fd value 0x60 size 1 name 'serial'",
      `memory_region_ops_write cpu 0 mr 0x1 addr 0x3f8 value 0x${value} size 1 name 'serial'`,
    ];
  }).flat();
}

describe("a trace", () => {
  const notification = "virtio_queue_notify vdev 0x2 n 0 vq 0x3";
  const interrupt = "virtio_notify_irqfd vdev 0x2 vq 0x3";
  const cardInterrupt = "virtio_notify vdev 0x2 vq 0x3";
  const status = "memory_region_ops_read cpu 0 mr 0x4 addr 0xc013 value 0x1 size 1 name 'virtio-pci'";
  const controller = "memory_region_ops_write cpu 0 mr 0x5 addr 0x20 value 0x20 size 1 name 'pic'";
  const lines = [
    ...[notification, status],
    ...printed("begin read random 4096 32 all"),
    ...[notification, interrupt, status, controller, controller, notification, cardInterrupt],
    ...printed("end read random 4096 32 all 64 1000"),
    ...[notification, interrupt],
    ...printed("begin read random 4096 1 poll"),
    ...printed("end read random 4096 1 poll 5 1000"),
  ];
  const expected = new Map<string, Counts>([
    ["read random 4096 32 all", { count: 64, notifications: 2, interrupts: 2, deviceAccesses: 1, otherAccesses: 2 }],
    ["read random 4096 1 poll", { count: 5, notifications: 0, interrupts: 0, deviceAccesses: 0, otherAccesses: 0 }],
  ]);

  test("is counted between the lines that begin and end a point", () => {
    const counter = new TraceCounter();
    for (const line of lines) counter.add(line);
    assert.deepEqual(counter.counts, expected);
  });

  test("does not count what happens while the last line is printed", () => {
    const counter = new TraceCounter();
    const last = printed("end read random 4096 1 poll 5 1000");
    last.splice(10, 0, controller, interrupt);
    for (const line of [...printed("begin read random 4096 1 poll"), notification, ...last]) counter.add(line);
    assert.deepEqual(counter.counts.get("read random 4096 1 poll"), {
      count: 5,
      notifications: 1,
      interrupts: 0,
      deviceAccesses: 0,
      otherAccesses: 0,
    });
  });

  test("is read from a file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "bench-qemu-test-"));
    try {
      const file = join(folder, "trace");
      writeFileSync(file, lines.join("\n"));
      assert.deepEqual(await countTrace(file), expected);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Takes an archive apart: name, mode and contents of each entry, the trailer included. */
function entriesOf(archive: Buffer): [string, number, string][] {
  const entries: [string, number, string][] = [];
  const aligned = (offset: number): number => (offset + 3) & ~3;
  for (let at = 0; at < archive.length;) {
    assert.equal(archive.toString("latin1", at, at + 6), "070701");
    const field = (index: number): number =>
      parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const [mode, contentBytes, nameBytes] = [field(1), field(6), field(11)];
    const nameAt = at + 110;
    assert.equal(archive[nameAt + nameBytes - 1], 0, "names end with a zero");
    const contentsAt = aligned(nameAt + nameBytes);
    const name = archive.toString("utf8", nameAt, nameAt + nameBytes - 1);
    entries.push([name, mode, archive.toString("utf8", contentsAt, contentsAt + contentBytes)]);
    at = aligned(contentsAt + contentBytes);
  }
  return entries;
}

test("an archive for Linux holds folders, files and programs, and ends with a trailer", () => {
  for (const length of [0, 1, 2, 3, 4, 5]) {
    const archive = writeInitramfs([
      { name: "dev" },
      { name: "init", contents: Buffer.from("x".repeat(length)), isExecutable: true },
      { name: "module.ko", contents: Buffer.from("abc") },
    ]);
    assert.equal(archive.length % 4, 0);
    assert.deepEqual(entriesOf(archive), [
      ["dev", 0o040755, ""],
      ["init", 0o100755, "x".repeat(length)],
      ["module.ko", 0o100644, "abc"],
      ["TRAILER!!!", 0, ""],
    ]);
  }
});

test("a spread has the middle, the ends and the number of values", () => {
  assert.deepEqual(spreadOf([30, 10, 20]), { median: 20, least: 10, most: 30, runs: 3 });
  assert.deepEqual(spreadOf([4, 1, 3, 2]), { median: 2.5, least: 1, most: 4, runs: 4 });
  assert.deepEqual(spreadOf([7]), { median: 7, least: 7, most: 7, runs: 1 });
  assert.throws(() => spreadOf([]), RangeError);
});

describe("budgets", () => {
  const rate = spreadOf([1000]);
  const counts = (count: number, notifications: number, interrupts: number): Counts => {
    return { count, notifications, interrupts, deviceAccesses: 0, otherAccesses: 0 };
  };
  const measured = (changes: Partial<MeasuredPoint>): MeasuredPoint => {
    return {
      guest: "unikernel",
      point: batch,
      perSecond: rate,
      counts: undefined,
      againstLinux: undefined,
      ...changes,
    };
  };
  const linux = measured({ guest: "Linux", point: { ...batch, waiting: "sleep" }, counts: counts(320, 10, 10) });
  const single: Point = { ...batch, depth: 1, waiting: "poll" };

  const verdicts = (
    block: readonly MeasuredPoint[],
    network: readonly MeasuredPoint[] = [],
  ): [string, number, boolean][] => judge(block, network).map((budget) => [budget.name, budget.value, isKept(budget)]);

  test("hold counts against batches and against Linux", () => {
    assert.deepEqual(verdicts([measured({ counts: counts(320, 10, 5) }), linux]), [
      ["disk: notifications per batch of 32", 1, true],
      ["disk: interrupts per batch of 32", 0.5, true],
      ["disk: notifications against Linux", 1, true],
      ["disk: interrupts against Linux", 0.5, true],
    ]);
    assert.deepEqual(
      verdicts([measured({ counts: counts(320, 11, 20) }), linux]).map(([, value, kept]) => [value, kept]),
      [
        [1.1, false],
        [2, false],
        [1.1, false],
        [2, false],
      ],
    );
  });

  test("hold the best way of waiting for each work against Linux, and take the worst work", () => {
    const points = [
      measured({ point: single, againstLinux: spreadOf([5]) }),
      measured({ point: { ...single, waiting: "all" }, againstLinux: spreadOf([2]) }),
      measured({ point: { ...single, operation: "write" }, againstLinux: spreadOf([2.9]) }),
      measured({ againstLinux: spreadOf([0.9]) }),
      measured({ point: { ...batch, bytes: 65536 }, againstLinux: spreadOf([1]) }),
    ];
    assert.deepEqual(verdicts(points), [
      ["disk: rate against Linux, batches of 32, 4 KiB", 0.9, false],
      ["disk: rate against Linux, batches of 32, 64 KiB", 1, true],
      ["disk: rate against Linux, depth 1", 2.9, false],
    ]);
    assert.equal(judge(points, []).at(-1)?.worst, "write random 4096 1 poll");
  });

  test("want no interrupts of a card that is polled, and a notification per batch at most", () => {
    const transmit: Point = { ...batch, operation: "transmit", pattern: "frames", waiting: "poll" };
    const sleeping = measured({ point: { ...transmit, waiting: "sleep" }, counts: counts(320, 100, 100) });
    assert.deepEqual(verdicts([], [measured({ point: transmit, counts: counts(320, 10, 0) }), sleeping]), [
      ["card: notifications per batch sent", 1, true],
      ["card: interrupts per frame sent, polling", 0, true],
    ]);
    assert.deepEqual(verdicts([], [measured({ point: transmit, counts: counts(320, 11, 1) })]), [
      ["card: notifications per batch sent", 1.1, false],
      ["card: interrupts per frame sent, polling", 1 / 320, false],
    ]);
  });
});
