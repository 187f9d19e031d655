/** Requests that must be refused before they reach the device, each with its own code, and those just inside. */

import assert from "node:assert/strict";
import {
  BlockInformationLayout,
  BlockOperation,
  BlockRequestLayout,
  CompletionLayout,
  Result,
  RecordArray,
} from "../../../kernel-shim/javascript/index.js";
import type { CaseContext, Case } from "../context.js";
import { ALL_FEATURES, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_RO } from "../features.js";
import { initialSectors } from "../pattern.js";
import { assertResult } from "../results.js";
import {
  assertRefused,
  cut,
  flushRequest,
  idRequest,
  PAGE_BYTES,
  performWell,
  readRequest,
  SECTOR_BYTES,
  segment,
  submitAll,
  takeCompletions,
  writeRequest,
} from "./requests.js";

const SECTORS = 2048;
/** In page 0, which no machine lends: a null pointer lies there. */
const NEVER_LENT = 16;

/** Address behind the last byte of linear memory. */
function memoryEnd(context: CaseContext): number {
  return context.machine.memory.buffer.byteLength;
}

export const boundaries: readonly Case[] = [
  {
    name: "the first and the last sector can be read",
    disks: [{ sectors: SECTORS }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(2 * PAGE_BYTES);
      for (const [first, count] of [
        [0, 1],
        [SECTORS - 1, 1],
        [SECTORS - 8, 8],
      ] as const) {
        performWell(context, disk, readRequest(first, [segment(buffer, count * SECTOR_BYTES)]));
        assert.deepEqual(context.machine.readBuffer(buffer, count * SECTOR_BYTES), initialSectors(first, count));
      }
    },
  },
  {
    name: "sectors behind the end: E_RANGE",
    disks: [{ sectors: SECTORS }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(2 * PAGE_BYTES);
      for (const request of [readRequest, writeRequest]) {
        for (const [sector, sectors] of [
          [SECTORS, 1],
          [SECTORS - 1, 2],
          [SECTORS + 1, 1],
          [2 ** 32, 1],
          [2 ** 32 - 1, 1],
          [2n ** 63n, 1],
        ] as const) {
          assertRefused(disk, request(sector, [segment(buffer, sectors * SECTOR_BYTES)]), Result.E_RANGE);
        }
      }
    },
  },
  {
    name: "a sector number that overflows 64 bits: E_RANGE",
    disks: [{ sectors: SECTORS }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(2 * PAGE_BYTES);
      // In the last of these, sector × 512 is 0 in 64 bits.
      for (const sector of [2n ** 64n - 1n, 2n ** 64n - 8n, 2n ** 55n, 2n ** 55n + 4n]) {
        assertRefused(disk, readRequest(sector, [segment(buffer, 8 * SECTOR_BYTES)]), Result.E_RANGE, String(sector));
      }
    },
  },
  {
    name: "a request of more bytes than the disk has: E_RANGE",
    disks: [{ sectors: 8 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(2 * PAGE_BYTES);
      assertRefused(disk, readRequest(0, [segment(buffer, 9 * SECTOR_BYTES)]), Result.E_RANGE);
      performWell(context, disk, readRequest(0, [segment(buffer, 8 * SECTOR_BYTES)]));
    },
  },
  {
    name: "no segments, or an empty one: E_SEGMENTS",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      for (const request of [readRequest, writeRequest]) {
        assertRefused(disk, request(0, []), Result.E_SEGMENTS);
        assertRefused(disk, request(0, [segment(buffer, 0)]), Result.E_SEGMENTS);
        assertRefused(disk, request(0, [segment(buffer, 512), segment(buffer, 0)]), Result.E_SEGMENTS);
        assertRefused(disk, request(0, [segment(buffer, 0), segment(buffer, 512)]), Result.E_SEGMENTS);
      }
    },
  },
  {
    name: "a length that is no multiple of 512: E_ALIGNMENT",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(2 * PAGE_BYTES);
      for (const length of [1, 511, 513, 4097]) {
        assertRefused(disk, readRequest(0, [segment(buffer, length)]), Result.E_ALIGNMENT, String(length));
      }
      assertRefused(disk, writeRequest(0, cut(buffer, [512, 512, 511])), Result.E_ALIGNMENT);
      performWell(context, disk, readRequest(0, cut(buffer, [511, 1])));
    },
  },
  {
    name: "blocks of 4096 bytes: requests start at and cover whole blocks, otherwise E_ALIGNMENT",
    disks: [{ sectors: SECTORS, blockSize: 4096 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(4 * PAGE_BYTES);
      for (const [sector, length] of [
        [0, 512],
        [0, 4096 + 512],
        [1, 4096],
        [4, 4096],
        [7, 512],
        [SECTORS - 1, 4096],
      ] as const) {
        assertRefused(disk, readRequest(sector, [segment(buffer, length)]), Result.E_ALIGNMENT, `${sector}, ${length}`);
      }
      performWell(context, disk, readRequest(8, [segment(buffer, 8192)]));
      assert.deepEqual(context.machine.readBuffer(buffer, 8192), initialSectors(8, 16));
      performWell(context, disk, readRequest(SECTORS - 8, [segment(buffer, 4096)]));
      assertRefused(disk, readRequest(SECTORS - 8, [segment(buffer, 8192)]), Result.E_RANGE);
      performWell(context, disk, writeRequest(16, cut(buffer, [512, 3000, 584])));
    },
  },
  {
    name: "writing a read-only disk: E_READ_ONLY, even with the feature refused",
    disks: [{ readOnly: true, offers: { anyLayout: false } }],
    run(context) {
      const buffer = context.allocate(PAGE_BYTES);
      for (const features of [ALL_FEATURES, ALL_FEATURES & ~VIRTIO_BLK_F_RO, 0n]) {
        const disk = context.openDisk(0, { features });
        assertRefused(disk, writeRequest(0, [segment(buffer, SECTOR_BYTES)]), Result.E_READ_ONLY);
        performWell(context, disk, readRequest(9, [segment(buffer, SECTOR_BYTES)]));
        assert.deepEqual(context.machine.readBuffer(buffer, SECTOR_BYTES), initialSectors(9, 1));
        disk.close();
      }
    },
  },
  {
    name: "an operation that does not exist: E_ARGUMENT",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      for (const number of [3, 5, 7, 9, 12, 15, 0x80, 0xff]) {
        const operation = number as BlockOperation;
        const request = { token: 1, operation, sector: 0, segments: [segment(buffer, SECTOR_BYTES)] };
        assertRefused(disk, request, Result.E_ARGUMENT, `operation ${number}`);
      }
    },
  },
  {
    name: "a flush without the feature: E_UNSUPPORTED [virtio-1.2 §5.2.3]",
    disks: [{}],
    run(context) {
      const disk = context.openDisk(0, { features: ALL_FEATURES & ~VIRTIO_BLK_F_FLUSH });
      assertRefused(disk, flushRequest(), Result.E_UNSUPPORTED);
    },
  },
  {
    name: "a flush with data: E_SEGMENTS",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      const hasFlush = (disk.information().features_accepted & VIRTIO_BLK_F_FLUSH) !== 0n;
      const request = { ...flushRequest(), segments: [segment(buffer, SECTOR_BYTES)] };
      assertRefused(disk, request, hasFlush ? Result.E_SEGMENTS : Result.E_UNSUPPORTED);
    },
  },
  {
    name: "get-id takes 20 bytes, otherwise E_SEGMENTS",
    disks: [{ serial: "boundary" }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      for (const length of [1, 19, 21, 512]) {
        const request = { ...idRequest(buffer), segments: [segment(buffer, length)] };
        assertRefused(disk, request, Result.E_SEGMENTS, String(length));
      }
      assertRefused(disk, { ...idRequest(buffer), segments: [] }, Result.E_SEGMENTS);
      performWell(context, disk, idRequest(buffer + PAGE_BYTES - 20));
    },
  },
  {
    name: "a buffer in memory that is not lent: E_ADDRESS",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      assertRefused(disk, readRequest(0, [segment(NEVER_LENT, SECTOR_BYTES)]), Result.E_ADDRESS);
      assertRefused(disk, writeRequest(0, [segment(0xffff_f000, SECTOR_BYTES)]), Result.E_ADDRESS);
      const second = [segment(buffer, SECTOR_BYTES), segment(NEVER_LENT, SECTOR_BYTES)];
      const { refusal } = disk.submit([readRequest(0, second)]);
      const isLimited = disk.information().seg_max < 2;
      assertResult(refusal, Result.E_ADDRESS, isLimited ? "in the second part" : "in the second segment");
      performWell(context, disk, readRequest(0, [segment(buffer, SECTOR_BYTES)]));
    },
  },
  {
    name: "a buffer whose end is in memory that is not lent: E_ADDRESS",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      // Of two buffers side by side, the one behind goes back: its page is lent to nobody then.
      const pages = Array.from({ length: 8 }, () => context.allocate(PAGE_BYTES)).sort((left, right) => left - right);
      const index = pages.findIndex((page, each) => pages[each + 1] === page + PAGE_BYTES);
      const before = pages[index] ?? 0;
      const behind = pages[index + 1] ?? 0;
      assert.ok(before > 0, "the machine lends no two pages side by side");
      context.free(behind);
      assertRefused(disk, readRequest(0, [segment(before + PAGE_BYTES - 256, 512)]), Result.E_ADDRESS);
      assertRefused(disk, readRequest(0, [segment(behind - 512, 1024)]), Result.E_ADDRESS);
      performWell(context, disk, readRequest(0, [segment(before + PAGE_BYTES - 512, 512)]));
    },
  },
  {
    name: "memory that was taken back is refused after forget_translations",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      performWell(context, disk, readRequest(0, [segment(buffer, SECTOR_BYTES)]));
      context.free(buffer);
      assertRefused(disk, readRequest(0, [segment(buffer, SECTOR_BYTES)]), Result.E_ADDRESS);
    },
  },
  {
    name: "a segment that wraps around the pointer space, or more than 4 GiB of them: E_SEGMENTS",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const bytes = 1 << 20;
      const buffer = context.allocate(bytes);
      assertRefused(disk, readRequest(0, [segment(0xffff_ff00, SECTOR_BYTES)]), Result.E_SEGMENTS);
      assertRefused(disk, readRequest(0, [segment(buffer, 0xffff_fe00)]), Result.E_SEGMENTS);
      const many = Array.from({ length: 4096 }, () => segment(buffer, bytes));
      assertRefused(disk, readRequest(0, many), Result.E_SEGMENTS);
    },
  },
  {
    name: "records outside linear memory: E_ARGUMENT",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const { exports } = context.stack;
      const end = memoryEnd(context);
      const { handle } = disk;
      for (const [pointer, count] of [
        [0, 1],
        [0, 0],
        [end - 8, 1],
        [end, 1],
        [0xffff_fff0, 1],
        [64, 0x0fff_ffff],
        [64, 0xffff_ffff],
      ] as const) {
        const message = `${count} records at ${pointer}`;
        assertResult(exports.block_submit(handle, pointer, count), Result.E_ARGUMENT, message);
        assertResult(exports.block_poll(handle, pointer, count), Result.E_ARGUMENT, message);
      }
      for (const pointer of [0, end - 8, 0xffff_fff0]) {
        assertResult(exports.block_information(handle, pointer), Result.E_ARGUMENT);
        assertResult(exports.block_statistics(handle, pointer), Result.E_ARGUMENT);
      }
      assertResult(exports.block_open(context.disk().pciAddress, end - 4), Result.E_ARGUMENT);
      const last = end - BlockInformationLayout.size;
      assertResult(exports.block_information(handle, last), Result.OK, "the last record that fits");
    },
  },
  {
    name: "segments outside linear memory: E_ARGUMENT, and the requests before are accepted",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const { exports, privateMemory, view } = context.stack;
      const buffer = context.allocate(PAGE_BYTES);
      const { fields, size } = BlockRequestLayout;
      for (const [pointer, count] of [
        [0, 1],
        [memoryEnd(context) - 4, 1],
        [memoryEnd(context) - 8, 2],
        [0xffff_fff8, 1],
        [64, 0xffff_ffff],
      ] as const) {
        // A valid request, then one whose list of segments lies elsewhere.
        submitAll(disk, [readRequest(3, [segment(buffer, SECTOR_BYTES)], 7)]);
        const record = privateMemory.take(size);
        new Uint8Array(view.buffer, record, size).fill(0);
        view.setUint32(record + fields.segments.offset, pointer, true);
        view.setUint32(record + fields.segment_count.offset, count, true);
        assert.equal(exports.block_submit(disk.handle, record, 1), 0);
        assertResult(view.getInt32(record + fields.result.offset, true), Result.E_ARGUMENT);
        privateMemory.give(record, size);
        takeCompletions(context, disk, 1);
      }
    },
  },
  {
    name: "batches and completions of zero records are nothing",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const { exports, privateMemory } = context.stack;
      const records = new RecordArray(privateMemory, CompletionLayout.size, 4);
      const before = context.registerAccesses;
      assert.equal(exports.block_submit(disk.handle, records.pointer, 0), 0);
      assert.equal(exports.block_poll(disk.handle, records.pointer, 0), 0);
      assert.equal(exports.block_poll(disk.handle, records.pointer, 4), 0);
      assert.deepEqual(context.registerAccesses, before);
      const buffer = context.allocate(PAGE_BYTES);
      submitAll(disk, [readRequest(0, [segment(buffer, SECTOR_BYTES)], 3)]);
      context.letTimePass();
      assert.equal(exports.block_poll(disk.handle, records.pointer, 0), 0, "no room, nothing taken");
      assert.equal(takeCompletions(context, disk, 1)[0]?.token, 3);
      records.dispose();
    },
  },
  {
    name: "a batch is accepted up to the first request that is refused",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      const good = (token: number) => readRequest(token, [segment(buffer + token * 512, SECTOR_BYTES)], token);
      const { accepted, refusal } = disk.submit([good(0), good(1), readRequest(0, [], 2), good(3)]);
      assert.equal(accepted, 2);
      assertResult(refusal, Result.E_SEGMENTS);
      assert.deepEqual(
        takeCompletions(context, disk, 2)
          .map(({ token }) => token)
          .sort(),
        [0, 1],
      );
      context.letTimePass();
      assert.deepEqual(disk.poll(), [], "nothing behind the refused one was submitted");
      assert.equal(disk.statistics().refused, 1n);
      assert.equal(disk.statistics().requests, 2n);
    },
  },
];
