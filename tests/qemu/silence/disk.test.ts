/**
 * Disks of QEMU's that go silent: requests time out, `reset` brings the disk back, and data moves again.
 * [virtio-1.2 §2.1.1, §2.1.2]
 */

import assert from "node:assert/strict";
import {
  Message,
  Result,
  TransportWanted,
  type BlockDevice,
  type BlockRequest,
} from "../../../kernel-shim/javascript/index.js";
import {
  flushRequest,
  readRequest,
  SECTOR_BYTES,
  sectorWrites,
  segment,
  submitAll,
  writeRequest,
} from "../../cases/block/requests.js";
import type { Case, CaseContext } from "../../cases/context.js";
import { initialSectors, pattern } from "../../cases/pattern.js";
import { assertResult, assertThrowsResult } from "../../cases/results.js";
import { runCases } from "../../cases/run.js";
import { QemuGround } from "../ground.js";
import { MovableClock } from "./movable-clock.js";
import { SharedRing } from "./shared-ring.js";
import { expectWords, takeResets, TIMEOUT_NANOSECONDS, waitOutTime } from "./silent-device.js";
import { diskWays, type Way } from "./ways.js";

const REQUEST_QUEUE = 0;
const SECTORS = 2048;
/** Sectors that nobody writes successfully before the last check of a case. */
const UNTOUCHED = 1000;

const clock = new MovableClock();

function open(context: CaseContext): BlockDevice {
  return context.openDisk(0, { timeout_ns: TIMEOUT_NANOSECONDS });
}

function makeSilent(context: CaseContext, disk: BlockDevice, way: Way): void {
  way.spoil(new SharedRing(context.machine, disk, REQUEST_QUEUE), context.allocate(4096));
  expectWords(context, way.words);
}

/** Writes of one sector each, from `UNTOUCHED` on. */
function writes(context: CaseContext, count: number, firstToken = 0): BlockRequest[] {
  return sectorWrites(context, UNTOUCHED, count, 4711 + firstToken, firstToken);
}

function timeOut(context: CaseContext, disk: BlockDevice): void {
  waitOutTime(context, clock, disk, REQUEST_QUEUE, () => disk.poll());
}

/** Data moves both ways, and the image has it. */
function assertWorks(context: CaseContext, disk: BlockDevice, seed: number): void {
  const sector = seed % UNTOUCHED;
  const bytes = pattern(seed, 4 * SECTOR_BYTES);
  disk.writeSectors(sector, bytes);
  disk.flush();
  assert.deepEqual(context.disk().contents(sector, 4), bytes);
  assert.deepEqual(disk.readSectors(sector, 4), bytes);
}

/** What was in flight while the disk was silent has not happened, and does not happen later. */
function assertUntouched(context: CaseContext, sectors: number): void {
  assert.deepEqual(context.disk().contents(UNTOUCHED, sectors), initialSectors(UNTOUCHED, sectors));
}

const everyWay = diskWays.map((way): Case => ({
  name: `${way.name}: the disk is silent, requests time out, and after a reset it works`,
  disks: [{ sectors: SECTORS }],
  run(context) {
    const disk = open(context);
    assertWorks(context, disk, 1);
    const before = disk.statistics();
    makeSilent(context, disk, way);

    const reads = [readRequest(7, [segment(context.allocate(4096), SECTOR_BYTES)], 3)];
    submitAll(disk, [...writes(context, 3), ...reads, flushRequest(4)]);
    timeOut(context, disk);
    assertThrowsResult(() => disk.submit(reads), Result.E_BROKEN);

    disk.reset();
    takeResets(() => disk.poll(), [0, 1, 2, 3, 4]);
    assertWorks(context, disk, 2);
    assertUntouched(context, 3);
    // Opened, worked, broken, reset, worked: all of it is counted.
    const after = disk.statistics();
    assert.equal(after.requests, 2n * before.requests + 5n);
    assert.equal(after.errors, 5n);
    assert.equal(after.resets, 1n);
    assert.deepEqual(
      [after.reads, after.writes, after.flushes, after.bytes_read, after.bytes_written],
      [before.reads, before.writes, before.flushes, before.bytes_read, before.bytes_written].map((each) => 2n * each),
    );
    assert.equal(disk.events(), 0);
  },
}));

const fullRing = diskWays
  .filter(({ fitsFullRing }) => fitsFullRing)
  .map((way): Case => ({
    name: `${way.name}, while the ring is full: every request of it comes back once`,
    disks: [{ sectors: SECTORS }],
    run(context) {
      const disk = open(context);
      makeSilent(context, disk, way);
      const { accepted, refusal } = disk.submit(writes(context, 300));
      assertResult(refusal, Result.E_FULL);
      assert.equal(accepted, disk.information().queue_size);
      timeOut(context, disk);
      disk.reset();
      takeResets(
        () => disk.poll(),
        Array.from({ length: accepted }, (_, token) => token),
      );
      assertUntouched(context, 300);
      // The whole ring is usable again.
      const again = writes(context, accepted, 1000);
      submitAll(disk, again);
      const done: number[] = [];
      context.waitUntil(() => {
        for (const { token, result } of disk.poll()) {
          assertResult(result, Result.OK);
          done.push(token);
        }
        return done.length >= accepted;
      }, "completion of a full ring");
      assert.equal(new Set(done).size, accepted);
      assert.deepEqual(context.disk().contents(UNTOUCHED, accepted), pattern(4711 + 1000, accepted * SECTOR_BYTES));
      assertWorks(context, disk, 3);
    },
  }));

const others: readonly Case[] = [
  {
    name: "silent in the middle of work: each request comes back once, and what was acknowledged is in the image",
    disks: [{ sectors: SECTORS }],
    run(context) {
      const [way] = diskWays;
      assert.ok(way);
      const disk = open(context);
      for (let round = 0; round < 10; round++) {
        const requests = writes(context, 200, round * 1000);
        submitAll(disk, requests.slice(0, 100));
        const results = new Map<number, number>();
        const take = (): void => {
          for (const { token, result } of disk.poll()) {
            assert.ok(!results.has(token), `request ${token} came back twice`);
            results.set(token, result);
          }
        };
        for (let turn = 0; turn < round; turn++) take();
        way.spoil(new SharedRing(context.machine, disk, REQUEST_QUEUE), 0);
        submitAll(disk, requests.slice(100));
        expectWords(context, way.words);
        // What the device had begun it may still complete.
        for (let turn = 0; turn < 20; turn++) take();
        disk.reset();
        take();
        assert.equal(results.size, requests.length);
        for (const [token, result] of results) {
          if (result !== 0) {
            assertResult(result, Result.E_RESET);
            continue;
          }
          const index = token - round * 1000;
          const expected = pattern(4711 + round * 1000, 200 * SECTOR_BYTES).subarray(index * 512, (index + 1) * 512);
          assert.deepEqual(context.disk().contents(UNTOUCHED + index, 1), new Uint8Array(expected));
        }
        assert.ok([...results.values()].includes(Result.E_RESET), "nothing was in flight at the reset");
        assertWorks(context, disk, round);
      }
      assert.equal(disk.statistics().resets, 10n);
    },
  },
  {
    name: "silent again and again, in every way in turn: each reset brings the disk back",
    disks: [{ sectors: SECTORS }],
    run(context) {
      const disk = open(context);
      for (let round = 0; round < 3 * diskWays.length; round++) {
        const way = diskWays[round % diskWays.length];
        assert.ok(way);
        makeSilent(context, disk, way);
        const inFlight = writes(context, 1 + (round % 5), round * 10);
        submitAll(disk, inFlight);
        timeOut(context, disk);
        disk.reset();
        takeResets(
          () => disk.poll(),
          inFlight.map(({ token }) => token),
        );
        assertWorks(context, disk, round);
      }
      assertUntouched(context, 5);
      assert.equal(disk.statistics().resets, BigInt(3 * diskWays.length));
    },
  },
  {
    name: "reset several times before anything is taken: requests come back once all the same",
    disks: [{ sectors: SECTORS }],
    run(context) {
      const [way] = diskWays;
      assert.ok(way);
      const disk = open(context);
      makeSilent(context, disk, way);
      submitAll(disk, writes(context, 9));
      timeOut(context, disk);
      for (let round = 0; round < 4; round++) {
        disk.reset();
        assertResult(disk.submit(writes(context, 1)).refusal, Result.E_FULL);
      }
      takeResets(() => disk.poll(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
      assertWorks(context, disk, 4);
    },
  },
  {
    name: "a silent disk that is closed gives its requests back once, and works when it is opened again",
    disks: [{ sectors: SECTORS }],
    run(context) {
      const [way] = diskWays;
      assert.ok(way);
      const disk = open(context);
      makeSilent(context, disk, way);
      submitAll(disk, writes(context, 2));
      timeOut(context, disk);
      assert.equal(disk.close(), 2);
      const completions = disk.poll();
      assert.deepEqual(
        completions.map(({ token, result }) => [token, result]),
        [
          [0, Result.E_RESET],
          [1, Result.E_RESET],
        ],
      );
      assert.ok(disk.isGone);
      assertWorks(context, open(context), 5);
      assertUntouched(context, 2);
    },
  },
  {
    name: "interrupts that a silent disk owed come again after the reset",
    disks: [{ sectors: SECTORS }],
    run(context) {
      const [way] = diskWays;
      assert.ok(way);
      const disk = open(context);
      disk.enableInterrupts();
      makeSilent(context, disk, way);
      submitAll(disk, writes(context, 1));
      assert.deepEqual(context.machine.waitForInterrupt(20), []);
      timeOut(context, disk);
      disk.reset();
      takeResets(() => disk.poll(), [0]);
      submitAll(disk, [readRequest(1, [segment(context.allocate(4096), SECTOR_BYTES)], 1)]);
      assert.deepEqual(context.machine.waitForInterrupt(20_000), [disk.interruptLine]);
      assert.equal(disk.interrupt() & 1, 1);
      assert.deepEqual(
        disk.poll().map(({ token, result }) => [token, result]),
        [[1, Result.OK]],
      );
    },
  },
  {
    name: "a time-out by the real clock: the disk is broken after it, and works after a reset",
    disks: [{ sectors: SECTORS }],
    run(context) {
      const [way] = diskWays;
      assert.ok(way);
      const milliseconds = 150;
      const disk = context.openDisk(0, { timeout_ns: BigInt(milliseconds) * 1_000_000n });
      makeSilent(context, disk, way);
      submitAll(disk, writes(context, 2));
      const start = performance.now();
      context.expectedLog.push({ message: Message.TIMED_OUT, first: disk.handle, second: REQUEST_QUEUE });
      context.waitUntil(() => {
        try {
          assert.deepEqual(disk.poll(), []);
          return false;
        } catch (error) {
          assertThrowsResult(() => {
            throw error;
          }, Result.E_BROKEN);
          return true;
        }
      }, "time-out");
      assert.ok(performance.now() - start >= milliseconds);
      disk.reset();
      takeResets(() => disk.poll(), [0, 1]);
      assert.equal(disk.submit([writeRequest(0, [segment(context.allocate(4096), SECTOR_BYTES)], 9)]).accepted, 1);
    },
  },
];

for (const [machine, virtio] of [
  ["pc", "transitional"],
  ["q35", "legacy"],
] as const) {
  const name = `QEMU ${machine}, ${virtio} disk that goes silent`;
  // The tests find rings by the registers of the legacy interface.
  const host = { machine, virtio, transport: TransportWanted.LEGACY_PCI };
  const ground = new QemuGround(name, host, 1, { started: (started) => clock.attach(started) });
  runCases(ground, { "every way": everyWay, "a full ring": fullRing, "all the rest": others });
}
