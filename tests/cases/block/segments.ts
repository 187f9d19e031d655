/** Scatter-gather: buffers in pieces of every kind, split where the device or the memory demands it. */

import assert from "node:assert/strict";
import { Result, type Segment } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { ALL_FEATURES, VIRTIO_F_INDIRECT_DESC } from "../features.js";
import { initialSectors, pattern } from "../pattern.js";
import {
  assertRefused,
  bytesOf,
  cut,
  PAGE_BYTES,
  performWell,
  readRequest,
  SECTOR_BYTES,
  segment,
  submitAll,
  takeCompletions,
  writeRequest,
} from "./requests.js";
import type { BlockDevice } from "../../../kernel-shim/javascript/index.js";

/** Reads through the segments, writes back something else through the same, and compares both with the disk. */
function readAndWriteThrough(context: CaseContext, disk: BlockDevice, segments: readonly Segment[], first = 8): void {
  const bytes = bytesOf(segments);
  performWell(context, disk, readRequest(first, segments, 1));
  assert.deepEqual(gather(context, segments), context.disk().contents(first, bytes / SECTOR_BYTES));
  const written = pattern(first + bytes, bytes);
  let done = 0;
  for (const { pointer, length } of segments) {
    context.machine.writeBuffer(pointer, written.subarray(done, done + length));
    done += length;
  }
  performWell(context, disk, writeRequest(first, segments, 2));
  assert.deepEqual(context.disk().contents(first, bytes / SECTOR_BYTES), written);
  assert.deepEqual(context.disk().contents(first - 1, 1), initialSectors(first - 1, 1));
}

function gather(context: CaseContext, segments: readonly Segment[]): Uint8Array {
  const bytes = new Uint8Array(bytesOf(segments));
  let done = 0;
  for (const { pointer, length } of segments) {
    bytes.set(context.machine.readBuffer(pointer, length), done);
    done += length;
  }
  return bytes;
}

export const segments: readonly Case[] = [
  {
    name: "many small segments that together are whole sectors",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(2 * PAGE_BYTES);
      readAndWriteThrough(context, disk, cut(buffer + 5, new Array<number>(16).fill(32)));
      readAndWriteThrough(context, disk, cut(buffer + 5, [1, 2, 3, 4, 500, 1, 1, 511, 1]));
      // In memory the other way round.
      readAndWriteThrough(context, disk, cut(buffer, [100, 200, 212, 512]).reverse());
    },
  },
  {
    name: "segments of odd sizes that cross pages",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(8 * PAGE_BYTES);
      readAndWriteThrough(context, disk, cut(buffer + 4000, [333, 4099, 2731, 5, 1024]));
      readAndWriteThrough(context, disk, cut(buffer + 4095, [8193, 4095]));
    },
  },
  {
    name: "pages that are physically apart",
    needs: ["scattered memory"],
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(16 * PAGE_BYTES, { scattered: true });
      readAndWriteThrough(context, disk, [segment(buffer, 16 * PAGE_BYTES)]);
      readAndWriteThrough(context, disk, [segment(buffer + 100, 10 * PAGE_BYTES)]);
      readAndWriteThrough(context, disk, cut(buffer + 4090, [10, 5000, 3, 6251, 1024 * 4]));
    },
  },
  {
    name: "a sector that crosses from one page to another that is physically apart",
    needs: ["scattered memory"],
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(3 * PAGE_BYTES, { scattered: true });
      readAndWriteThrough(context, disk, [segment(buffer + PAGE_BYTES - 1, SECTOR_BYTES)]);
      readAndWriteThrough(context, disk, [segment(buffer + PAGE_BYTES - 511, SECTOR_BYTES)]);
    },
  },
  {
    name: "a large buffer in one piece",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      readAndWriteThrough(context, disk, [segment(context.allocate(1 << 19), 1 << 19)]);
    },
  },
  {
    name: "seg_max 1: a request is split into as many as it has segments [virtio-1.2 §5.2.3]",
    needs: ["segment limits"],
    disks: [{ segMax: 1, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(4 * PAGE_BYTES);
      readAndWriteThrough(context, disk, cut(buffer, [512, 1024, 512, 2048]));
      const { requests, reads, writes, bytes_read } = disk.statistics();
      assert.deepEqual([requests, reads, writes, bytes_read], [2n, 1n, 1n, 4096n], "split requests count once");
    },
  },
  {
    name: "seg_max 1: a sector in two segments cannot be asked for: E_SEGMENTS",
    needs: ["segment limits"],
    disks: [{ segMax: 1 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      assertRefused(disk, readRequest(0, cut(buffer, [256, 256])), Result.E_SEGMENTS);
      assertRefused(disk, readRequest(0, cut(buffer, [512, 511, 1])), Result.E_SEGMENTS);
      performWell(context, disk, readRequest(0, [segment(buffer, SECTOR_BYTES)]));
    },
  },
  {
    name: "seg_max 2: a part ends at the last whole block, also in the middle of a segment",
    needs: ["segment limits"],
    disks: [{ segMax: 2, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(4 * PAGE_BYTES);
      readAndWriteThrough(context, disk, cut(buffer, [700, 700, 136]));
      readAndWriteThrough(context, disk, cut(buffer, [512, 700, 324]));
      readAndWriteThrough(context, disk, cut(buffer, [1, 1023, 1535, 1]));
    },
  },
  {
    name: "size_max: segments are split into pieces of that size [virtio-1.2 §5.2.3]",
    needs: ["segment limits"],
    disks: [{ sizeMax: 512, segMax: 4, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(4 * PAGE_BYTES);
      readAndWriteThrough(context, disk, [segment(buffer, 4096)]);
      readAndWriteThrough(context, disk, cut(buffer + 7, [300, 2000, 260]));
    },
  },
  {
    name: "a size_max that is no multiple of a sector",
    needs: ["segment limits"],
    disks: [{ sizeMax: 1000, segMax: 3, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      readAndWriteThrough(context, disk, [segment(context.allocate(2 * PAGE_BYTES), 6144)]);
    },
  },
  {
    name: "a tiny size_max: what makes no whole block in a part is E_SEGMENTS",
    needs: ["segment limits"],
    disks: [
      { sizeMax: 100, segMax: 8, queueSize: 64 },
      { sizeMax: 100, segMax: 5 },
    ],
    run(context) {
      const buffer = context.allocate(PAGE_BYTES);
      readAndWriteThrough(context, context.openDisk(0), [segment(buffer, 1536)]);
      const tooSmall = context.openDisk(1);
      assertRefused(tooSmall, readRequest(0, [segment(buffer, SECTOR_BYTES)]), Result.E_SEGMENTS);
    },
  },
  {
    name: "limits with blocks of 4096 bytes: parts are whole blocks",
    needs: ["segment limits"],
    disks: [{ blockSize: 4096, segMax: 3, sizeMax: 3000, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      readAndWriteThrough(context, disk, cut(context.allocate(8 * PAGE_BYTES), [5000, 3192, 8192]));
    },
  },
  {
    name: "more segments than a chain may have: split where the ring takes it, otherwise E_SEGMENTS",
    disks: [{ queueSize: 8 }],
    run(context) {
      const disk = context.openDisk(0, { features: ALL_FEATURES & ~VIRTIO_F_INDIRECT_DESC });
      const buffer = context.allocate(128 * SECTOR_BYTES);
      const sectors = (count: number): Segment[] => cut(buffer, new Array<number>(count).fill(SECTOR_BYTES));
      // A ring of 8 entries: header, 6 segments and status.
      readAndWriteThrough(context, disk, sectors(6));
      assertRefused(disk, readRequest(0, sectors(7)), Result.E_SEGMENTS);
      assertRefused(disk, readRequest(0, sectors(100)), Result.E_SEGMENTS);
      // The same when something is in flight is a matter of time.
      submitAll(disk, [readRequest(0, sectors(1), 1)]);
      assertRefused(disk, readRequest(0, sectors(6), 2), Result.E_FULL);
      takeCompletions(context, disk, 1);
      readAndWriteThrough(context, disk, sectors(6));
    },
  },
  {
    name: "INDIRECT: a request is split into several tables [virtio-1.2 §2.7.5.3]",
    disks: [{ queueSize: 8, offers: { indirect: true } }],
    run(context) {
      const disk = context.openDisk();
      if ((disk.information().features_accepted & VIRTIO_F_INDIRECT_DESC) === 0n) return;
      const buffer = context.allocate(128 * SECTOR_BYTES);
      const sectors = (count: number): Segment[] => cut(buffer, new Array<number>(count).fill(SECTOR_BYTES));
      readAndWriteThrough(context, disk, sectors(7));
      const perPart = Math.min(6, disk.information().seg_max);
      readAndWriteThrough(context, disk, sectors(8 * perPart));
      assertRefused(disk, readRequest(0, sectors(8 * perPart + 1)), Result.E_SEGMENTS);
    },
  },
  {
    name: "parts of a refused request leave no trace in the ring",
    needs: ["segment limits"],
    disks: [{ segMax: 1, queueSize: 16 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(4 * PAGE_BYTES);
      for (let round = 0; round < 100; round++) {
        const bad = [segment(buffer, 512), segment(buffer, 512), segment(16, 512)];
        assertRefused(disk, readRequest(0, bad), Result.E_ADDRESS);
        performWell(context, disk, readRequest(round, [segment(buffer, 512)], round));
        assert.deepEqual(context.machine.readBuffer(buffer, 512), initialSectors(round, 1));
      }
      // The ring still has all of its entries.
      const chains = (disk.information().features_accepted & VIRTIO_F_INDIRECT_DESC) !== 0n ? 16 : 5;
      const requests = Array.from({ length: chains }, (_, token) => readRequest(0, [segment(buffer, 512)], token));
      submitAll(disk, requests);
      takeCompletions(context, disk, chains);
    },
  },
];
