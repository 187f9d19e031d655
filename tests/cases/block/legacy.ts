/** What only legacy disks have: barriers, priorities, SCSI commands. [virtio-1.2 §5.2.3.1, §5.2.6.3] */

import assert from "node:assert/strict";
import { BlockOperation, Result, type BlockRequest } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { ALL_FEATURES, VIRTIO_F_INDIRECT_DESC } from "../features.js";
import { initialSectors, pattern } from "../pattern.js";
import { assertResult } from "../results.js";
import {
  assertRefused,
  cut,
  PAGE_BYTES,
  performAll,
  performWell,
  readRequest,
  SECTOR_BYTES,
  segment,
  writeRequest,
} from "./requests.js";

const SENSE_BYTES = 96;
const RESULT_BYTES = 16;

/** A SCSI command of so many bytes with data of these lengths. */
function scsiRequest(
  context: CaseContext,
  lengths: readonly number[],
  { command = 6, sense = SENSE_BYTES, result = RESULT_BYTES } = {},
): BlockRequest {
  const buffer = context.allocate(4 * PAGE_BYTES);
  const segments = [
    segment(buffer, command),
    ...cut(buffer + PAGE_BYTES, lengths),
    segment(buffer + 1024, sense),
    segment(buffer + 2048, result),
  ];
  return { token: 1, operation: BlockOperation.SCSI_CMD, segments };
}

export const legacy: readonly Case[] = [
  {
    name: "a barrier: what comes before is done before it, what comes behind is done behind it",
    needs: ["further disk commands", "legacy devices"],
    disks: [{ barrier: true, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      for (let round = 0; round < 5; round++) {
        const buffer = context.allocate(16 * PAGE_BYTES);
        const written = (index: number) => pattern(round * 100 + index, SECTOR_BYTES);
        const write = (index: number): BlockRequest => {
          context.machine.writeBuffer(buffer + index * SECTOR_BYTES, written(index));
          return writeRequest(5, [segment(buffer + index * SECTOR_BYTES, SECTOR_BYTES)], index);
        };
        const read = (index: number): BlockRequest =>
          readRequest(5, [segment(buffer + index * SECTOR_BYTES, SECTOR_BYTES)], index);
        const requests = [write(0), write(1), write(2), { ...write(3), barrier: true }, read(4), read(5), read(6)];
        // A barrier in the middle keeps the next writes from what was read before.
        requests.push({ ...read(7), barrier: true }, write(8), write(9));
        for (const { result } of performAll(context, disk, requests)) assertResult(result, Result.OK);
        for (const index of [4, 5, 6, 7]) {
          assert.deepEqual(context.machine.readBuffer(buffer + index * SECTOR_BYTES, SECTOR_BYTES), written(3));
        }
      }
    },
  },
  {
    name: "a barrier of a request that is split holds for all its parts",
    needs: ["further disk commands", "legacy devices", "segment limits"],
    disks: [{ barrier: true, queueSize: 64, segMax: 1 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(4 * PAGE_BYTES);
      const data = pattern(9, 4 * SECTOR_BYTES);
      context.machine.writeBuffer(buffer, data);
      const pieces = cut(buffer, new Array<number>(4).fill(SECTOR_BYTES));
      const into = cut(buffer + PAGE_BYTES, new Array<number>(4).fill(SECTOR_BYTES));
      performAll(context, disk, [{ ...writeRequest(20, pieces, 0), barrier: true }, readRequest(20, into, 1)]);
      assert.deepEqual(context.machine.readBuffer(buffer + PAGE_BYTES, data.length), data);
    },
  },
  {
    name: "a barrier without the feature: E_UNSUPPORTED; unknown flags: E_ARGUMENT",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      const read = readRequest(0, [segment(buffer, SECTOR_BYTES)]);
      assertRefused(disk, { ...read, barrier: true }, Result.E_UNSUPPORTED);
      assertRefused(disk, { ...read, dataOut: true }, Result.E_ARGUMENT);
      performWell(context, disk, read);
    },
  },
  {
    name: "a priority changes nothing but the order, and is kept from disks that do not know it",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      for (const priority of [1, 0xffff]) {
        performWell(context, disk, { ...readRequest(3, [segment(buffer, SECTOR_BYTES)]), priority });
        assert.deepEqual(context.machine.readBuffer(buffer, SECTOR_BYTES), initialSectors(3, 1));
      }
    },
  },
  {
    name: "SCSI: commands that read, write, and fail with sense data",
    needs: ["further disk commands", "legacy devices"],
    disks: [{ scsi: true, queueSize: 64 }],
    run(context) {
      for (const features of [ALL_FEATURES, ALL_FEATURES & ~VIRTIO_F_INDIRECT_DESC]) {
        const disk = context.openDisk(0, { features });
        const read = disk.scsi(Uint8Array.of(0x12, 0, 0, 0, 64, 0), 64);
        assert.equal(read.errors, 0);
        assert.deepEqual(
          read.data,
          Uint8Array.from({ length: 36 }, (_, index) => index),
        );
        assert.equal(disk.scsi(Uint8Array.of(0x3b), new Uint8Array(5000)).errors, 0);
        const failed = disk.scsi(Uint8Array.of(0x99));
        assert.equal(failed.errors, 2);
        assert.equal(failed.sense.length, 18);
        assert.equal(failed.sense[0], 0x70);
        assert.equal(disk.statistics().requests, 3n);
        disk.close();
      }
    },
  },
  {
    name: "SCSI: segments that no disk can have are E_SEGMENTS",
    needs: ["further disk commands", "legacy devices"],
    disks: [{ scsi: true, queueSize: 16 }],
    run(context) {
      const disk = context.openDisk();
      for (const wrong of [{ sense: 95 }, { sense: 97 }, { result: 15 }, { result: 17 }, { command: 0 }]) {
        assertRefused(disk, scsiRequest(context, [36], wrong), Result.E_SEGMENTS);
      }
      const { segments } = scsiRequest(context, []);
      const short = { token: 1, operation: BlockOperation.SCSI_CMD, segments: segments.slice(1) };
      assertRefused(disk, short, Result.E_SEGMENTS);
      assertRefused(disk, scsiRequest(context, new Array<number>(12).fill(10)), Result.E_SEGMENTS);
    },
  },
  {
    name: "SCSI without the feature: E_UNSUPPORTED",
    disks: [{}],
    run(context) {
      const features = ALL_FEATURES & ~(1n << 7n);
      assertRefused(context.openDisk(0, { features }), scsiRequest(context, [36]), Result.E_UNSUPPORTED);
    },
  },
];
