/** Reading, writing, flushing, and asking for the serial number. [virtio-1.2 §5.2.6] */

import assert from "node:assert/strict";
import { Result } from "../../../kernel-shim/javascript/index.js";
import type { Case } from "../context.js";
import { initialSectors, pattern } from "../pattern.js";
import { assertResult } from "../results.js";
import {
  flushRequest,
  idRequest,
  PAGE_BYTES,
  perform,
  performAll,
  performWell,
  readRequest,
  SECTOR_BYTES,
  segment,
  writeRequest,
} from "./requests.js";

export const transfers: readonly Case[] = [
  {
    name: "a read brings what the disk holds, and nothing beyond its buffer changes",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(3 * PAGE_BYTES);
      context.machine.writeBuffer(buffer, new Uint8Array(3 * PAGE_BYTES).fill(0xee));
      performWell(context, disk, readRequest(17, [segment(buffer + PAGE_BYTES, 3 * SECTOR_BYTES)], 5));
      const found = context.machine.readBuffer(buffer, 3 * PAGE_BYTES);
      assert.deepEqual(found.slice(PAGE_BYTES, PAGE_BYTES + 3 * SECTOR_BYTES), initialSectors(17, 3));
      assert.ok(found.subarray(0, PAGE_BYTES).every((byte) => byte === 0xee));
      assert.ok(found.subarray(PAGE_BYTES + 3 * SECTOR_BYTES).every((byte) => byte === 0xee));
    },
  },
  {
    name: "a write reaches its sectors and no other, and leaves its buffer alone",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      const bytes = pattern(1, 4 * SECTOR_BYTES);
      context.machine.writeBuffer(buffer, bytes);
      performWell(context, disk, writeRequest(100, [segment(buffer, bytes.length)], 6));
      assert.deepEqual(context.disk().contents(100, 4), bytes);
      assert.deepEqual(context.disk().contents(99, 1), initialSectors(99, 1));
      assert.deepEqual(context.disk().contents(104, 1), initialSectors(104, 1));
      assert.deepEqual(context.machine.readBuffer(buffer, bytes.length), bytes);
    },
  },
  {
    name: "what was written is read back",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      for (let round = 0; round < 20; round++) {
        const bytes = pattern(round, (round + 1) * SECTOR_BYTES);
        disk.writeSectors(round * 40, bytes);
        assert.deepEqual(disk.readSectors(round * 40, round + 1), bytes);
      }
    },
  },
  {
    name: "the whole disk, by blocking calls of many sectors",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      assert.deepEqual(disk.readSectors(0, 2048), initialSectors(0, 2048));
      const bytes = pattern(3, 2048 * SECTOR_BYTES);
      disk.writeSectors(0, bytes);
      assert.deepEqual(context.disk().contents(0, 2048), bytes);
    },
  },
  {
    name: "an unaligned buffer is as good as any",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(2 * PAGE_BYTES);
      for (const offset of [1, 2, 3, 511, PAGE_BYTES - 1, PAGE_BYTES - 511]) {
        performWell(context, disk, readRequest(offset % 100, [segment(buffer + offset, SECTOR_BYTES)]));
        assert.deepEqual(context.machine.readBuffer(buffer + offset, SECTOR_BYTES), initialSectors(offset % 100, 1));
      }
    },
  },
  {
    name: "tokens of 0 and of 2^53 - 1 come back as they were",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      for (const token of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
        performWell(context, disk, readRequest(0, [segment(buffer, SECTOR_BYTES)], token));
      }
    },
  },
  {
    name: "requests of every kind in one batch",
    disks: [{ serial: "mixed" }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      const bytes = pattern(9, SECTOR_BYTES);
      context.machine.writeBuffer(buffer, bytes);
      const hasFlush = (disk.information().features_accepted & (1n << 9n)) !== 0n;
      const requests = [
        writeRequest(5, [segment(buffer, SECTOR_BYTES)], 0),
        readRequest(6, [segment(buffer + 1024, SECTOR_BYTES)], 1),
        idRequest(buffer + 2048, 2),
        ...(hasFlush ? [flushRequest(3)] : []),
      ];
      const completions = performAll(context, disk, requests);
      assert.deepEqual(
        completions.map(({ token, length }) => [token, length]),
        [[0, 512], [1, 512], [2, 20], ...(hasFlush ? [[3, 0]] : [])],
      );
      for (const { result } of completions) assertResult(result, Result.OK);
      assert.deepEqual(context.disk().contents(5, 1), bytes);
      assert.deepEqual(context.machine.readBuffer(buffer + 1024, SECTOR_BYTES), initialSectors(6, 1));
      const statistics = disk.statistics();
      assert.equal(statistics.requests, BigInt(requests.length));
      assert.equal(statistics.reads, 1n);
      assert.equal(statistics.writes, 1n);
      assert.equal(statistics.flushes, hasFlush ? 1n : 0n);
      assert.equal(statistics.bytes_read, 512n);
      assert.equal(statistics.bytes_written, 512n);
      assert.equal(statistics.errors, 0n);
      assert.equal(statistics.refused, 0n);
    },
  },
  {
    name: "the serial number [virtio-1.2 §5.2.6]",
    disks: [{ serial: "disk-42" }, { serial: "twenty-characters-xy" }],
    run(context) {
      assert.equal(context.openDisk(0).id(), "disk-42");
      assert.equal(context.openDisk(1).id(), "twenty-characters-xy", "no zero ends the longest");
    },
  },
  {
    name: "a flush with nothing to write succeeds",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      if ((disk.information().features_accepted & (1n << 9n)) === 0n) return;
      const { result, length } = perform(context, disk, flushRequest(1));
      assertResult(result, Result.OK);
      assert.equal(length, 0);
      disk.writeSectors(1, pattern(2, SECTOR_BYTES));
      disk.flush();
    },
  },
];
