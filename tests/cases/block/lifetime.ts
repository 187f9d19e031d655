/** Opening, resetting, closing, and what becomes of requests meanwhile. [virtio-1.2 §3.1, §3.3] */

import assert from "node:assert/strict";
import {
  BlockInformationLayout,
  CompletionLayout,
  Result,
  RecordArray,
} from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { initialSectors, pattern } from "../pattern.js";
import { assertResult, assertThrowsResult } from "../results.js";
import {
  assertRefused,
  cut,
  flushRequest,
  PAGE_BYTES,
  performWell,
  readRequest,
  SECTOR_BYTES,
  segment,
  submitAll,
  submitReads,
  takeCompletions,
  takeResets,
  writeRequest,
} from "./requests.js";

const REOPENINGS = 300;
/** Enough for private memory to run out if any of it stayed behind. */
const REOPENINGS_MIN = 40;

/** Every call that takes a handle answers E_HANDLE. */
function assertStale(context: CaseContext, handle: number): void {
  const { exports, privateMemory } = context.stack;
  const record = privateMemory.take(BlockInformationLayout.size);
  assertResult(exports.block_information(handle, record), Result.E_HANDLE);
  assertResult(exports.block_statistics(handle, record), Result.E_HANDLE);
  assertResult(exports.block_submit(handle, record, 0), Result.E_HANDLE);
  assertResult(exports.block_poll(handle, record, 1), Result.E_HANDLE);
  assertResult(exports.interrupt(handle), Result.E_HANDLE);
  assertResult(exports.events(handle), Result.E_HANDLE);
  assertResult(exports.enable_interrupts(handle), Result.E_HANDLE);
  assertResult(exports.disable_interrupts(handle), Result.E_HANDLE);
  assertResult(exports.reset(handle), Result.E_HANDLE);
  assertResult(exports.close(handle), Result.E_HANDLE);
  privateMemory.give(record, BlockInformationLayout.size);
}

export const lifetime: readonly Case[] = [
  {
    name: "reset with nothing in flight: everything works as before, counters stay",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const before = disk.information();
      disk.writeSectors(3, pattern(1, SECTOR_BYTES));
      disk.reset();
      assert.deepEqual(disk.information(), before);
      assert.deepEqual(disk.readSectors(3, 1), pattern(1, SECTOR_BYTES));
      assert.deepEqual(disk.poll(), []);
      const { resets, writes, reads, errors } = disk.statistics();
      assert.deepEqual([resets, writes, reads, errors], [1n, 1n, 1n, 0n]);
      assert.equal(disk.events(), 0);
    },
  },
  {
    name: "reset with requests in flight: each completes once with E_RESET, nothing is accepted until then",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      for (let round = 0; round < 3; round++) {
        submitReads(context, disk, 20);
        disk.reset();
        const buffer = context.allocate(PAGE_BYTES);
        assertRefused(disk, readRequest(0, [segment(buffer, SECTOR_BYTES)], 99), Result.E_FULL);
        assert.equal(disk.poll(5).length, 5);
        assertRefused(disk, readRequest(0, [segment(buffer, SECTOR_BYTES)], 99), Result.E_FULL);
        assert.equal(disk.poll().length, 15);
        assert.deepEqual(disk.poll(), []);
        performWell(context, disk, readRequest(round, [segment(buffer, SECTOR_BYTES)], 5));
        assert.deepEqual(context.machine.readBuffer(buffer, SECTOR_BYTES), initialSectors(round, 1));
      }
      assert.equal(disk.statistics().errors, 60n);
    },
  },
  {
    name: "what completed before a reset and was not taken is E_RESET as well",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      submitReads(context, disk, 2);
      context.letTimePass();
      disk.reset();
      takeResets(disk, 2);
      submitReads(context, disk, 2);
      takeCompletions(context, disk, 2);
    },
  },
  {
    name: "two resets in a row with requests in flight",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      submitReads(context, disk, 8);
      disk.reset();
      disk.reset();
      takeResets(disk, 8);
      disk.reset();
      submitReads(context, disk, 8);
      takeCompletions(context, disk, 8);
    },
  },
  {
    name: "reset with a split request in flight: one completion",
    needs: ["segment limits"],
    disks: [{ segMax: 1, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(2 * PAGE_BYTES);
      submitAll(disk, [
        readRequest(0, cut(buffer, new Array<number>(8).fill(SECTOR_BYTES)), 0),
        readRequest(9, [segment(buffer, SECTOR_BYTES)], 1),
      ]);
      disk.reset();
      takeResets(disk, 2);
    },
  },
  {
    name: "interrupts that were enabled before a reset are enabled after it",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      disk.enableInterrupts();
      disk.reset();
      submitReads(context, disk, 1);
      context.takeInterrupt(disk, 5_000);
      takeCompletions(context, disk, 1);
    },
  },
  {
    name: "no device writes into memory after a reset",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(16 * SECTOR_BYTES);
      for (let token = 0; token < 16; token++) {
        submitAll(disk, [readRequest(token, [segment(buffer + token * SECTOR_BYTES, SECTOR_BYTES)], token)]);
      }
      disk.reset();
      const blank = new Uint8Array(16 * SECTOR_BYTES).fill(0x11);
      context.machine.writeBuffer(buffer, blank);
      context.letTimePass(5);
      assert.deepEqual(context.machine.readBuffer(buffer, blank.length), blank);
      takeResets(disk, 16);
    },
  },
  {
    name: "close with requests in flight: each completes once with E_RESET, then the handle is gone",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const { handle } = disk;
      const { exports, privateMemory } = context.stack;
      submitReads(context, disk, 12);
      assert.equal(disk.close(), 12);
      assertResult(exports.block_submit(handle, 64, 0), Result.E_HANDLE, "closed for work");
      assertResult(exports.reset(handle), Result.E_HANDLE);
      assertResult(exports.close(handle), Result.E_HANDLE);
      assertResult(exports.interrupt(handle), Result.E_HANDLE);
      assertThrowsResult(() => context.openDisk(), Result.E_IN_USE, "the device is not free yet");
      const records = new RecordArray(privateMemory, CompletionLayout.size, 5);
      assert.equal(exports.block_poll(handle, records.pointer, 5), 5);
      records.dispose();
      assert.equal(context.lentPages, 0, "memory that the device could reach is back at once");
      assert.equal(exports.block_poll(handle, 64 * 1024, 0), 0, "nothing taken, nothing gone");
      const rest = new RecordArray(privateMemory, CompletionLayout.size, 7);
      assert.equal(exports.block_poll(handle, rest.pointer, 7), 7);
      rest.dispose();
      assertStale(context, handle);
      performOnce(context);
    },
  },
  {
    name: "a closed disk's handle is stale, also when the next one is open",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const { handle } = disk;
      assert.equal(disk.close(), 0);
      assertStale(context, handle);
      const next = context.openDisk();
      assert.notEqual(next.handle, handle);
      assertStale(context, handle);
      for (const wrong of [0, 1, 255, next.handle + 256, 0xffff_ffff]) assertStale(context, wrong);
      assert.equal(next.information().capacity, 2048n);
    },
  },
  {
    name: "a disk that is open cannot be opened again: E_IN_USE, and it goes on undisturbed",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      submitReads(context, disk, 2);
      assertThrowsResult(() => context.openDisk(), Result.E_IN_USE);
      for (const { result } of takeCompletions(context, disk, 2)) assertResult(result, Result.OK);
    },
  },
  {
    name: "what is no disk is not opened",
    needs: ["PCI"],
    disks: [{}],
    cards: [{}],
    run(context) {
      const { exports } = context.stack;
      const disk = context.disk().pciAddress;
      const card = context.card().pciAddress;
      assertResult(exports.block_open(card, 0), Result.E_NOT_VIRTIO);
      assertResult(exports.net_open(disk, 0), Result.E_NOT_VIRTIO);
      assertResult(exports.block_open(0, 0), Result.E_NOT_VIRTIO, "the host bridge");
      assertResult(exports.block_open(0xff00, 0), Result.E_NOT_FOUND);
      assertResult(exports.block_open(0x1_0000, 0), Result.E_NOT_FOUND);
      assertResult(exports.block_open(0xffff_ffff, 0), Result.E_NOT_FOUND);
    },
  },
  {
    name: "calls of the other kind: E_HANDLE",
    disks: [{}],
    run(context) {
      const { handle } = context.openDisk();
      const { exports } = context.stack;
      assertResult(exports.net_information(handle, 64), Result.E_HANDLE);
      assertResult(exports.net_statistics(handle, 64), Result.E_HANDLE);
      assertResult(exports.net_transmit(handle, 64, 0), Result.E_HANDLE);
      assertResult(exports.net_reclaim(handle, 64, 0), Result.E_HANDLE);
      assertResult(exports.net_receive(handle, 64, 0), Result.E_HANDLE);
      assertResult(exports.net_release(handle, 64, 0), Result.E_HANDLE);
    },
  },
  {
    name: `opened and closed ${REOPENINGS} times in private memory for one: nothing leaks`,
    disks: [{ queueSize: 16 }],
    arenaBytes: 4096,
    run(context) {
      const buffer = context.allocate(PAGE_BYTES);
      const rounds = Math.max(REOPENINGS_MIN, context.repetitions(REOPENINGS));
      for (let round = 0; round < rounds; round++) {
        const disk = context.openDisk();
        assert.ok(context.lentPages > 0);
        submitAll(disk, [readRequest(round, [segment(buffer, SECTOR_BYTES)], 0)]);
        if (round % 3 === 0) takeCompletions(context, disk, 1);
        if (round % 3 === 1) {
          disk.reset();
          takeResets(disk, 1);
        }
        disk.close();
        if (round % 3 === 2) takeResets(disk, 1);
        assert.equal(context.lentPages, 0, `after closing ${round + 1} times`);
      }
    },
  },
  {
    name: "private memory that is too small: E_MEMORY, and nothing stays behind",
    disks: [{ queueSize: 64 }],
    arenaBytes: 1024,
    run(context) {
      for (let round = 0; round < 50; round++) {
        assertThrowsResult(() => context.openDisk(), Result.E_MEMORY);
        assert.equal(context.lentPages, 0);
      }
      const { log } = context.machine;
      // The stack says for every failure which device and why; only the number of messages is of interest.
      context.expectedLog.push(...log.slice(-50));
    },
  },
  {
    name: "a flush in flight at a reset",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      const hasFlush = (disk.information().features_accepted & (1n << 9n)) !== 0n;
      submitAll(disk, [writeRequest(0, [segment(buffer, SECTOR_BYTES)], 0), ...(hasFlush ? [flushRequest(1)] : [])]);
      disk.reset();
      takeResets(disk, hasFlush ? 2 : 1);
    },
  },
];

function performOnce(context: CaseContext): void {
  const disk = context.openDisk();
  assert.deepEqual(disk.readSectors(1, 1), initialSectors(1, 1));
}
