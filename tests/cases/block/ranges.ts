/** Operations on ranges of sectors, which move no data, and what says how worn a disk is. [virtio-1.2 §5.2.6] */

import assert from "node:assert/strict";
import { BlockOperation, Result, type BlockDevice } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { ALL_FEATURES, VIRTIO_BLK_F_WRITE_ZEROES, VIRTIO_F_INDIRECT_DESC } from "../features.js";
import { initialSectors } from "../pattern.js";
import { assertResult } from "../results.js";
import {
  assertRefused,
  PAGE_BYTES,
  performWell,
  rangesRequest,
  readRequest,
  SECTOR_BYTES,
  segment,
  submitAll,
  takeCompletions,
  takeResets,
} from "./requests.js";

const { DISCARD, WRITE_ZEROES, SECURE_ERASE, GET_LIFETIME } = BlockOperation;
const SECTORS = 2048;

/** Ranges of `sectors` sectors each, `distance` apart. */
function rangesOf(count: number, sectors: number, distance: number, first = 0): { sector: number; sectors: number }[] {
  return Array.from({ length: count }, (_, index) => ({ sector: first + index * distance, sectors }));
}

/** Sectors that are zeroes, and around them what was there. */
function assertZeroed(context: CaseContext, ranges: readonly { sector: number; sectors: number }[]): void {
  const expected = initialSectors(0, SECTORS);
  for (const { sector, sectors } of ranges) {
    expected.fill(0, sector * SECTOR_BYTES, (sector + sectors) * SECTOR_BYTES);
  }
  assert.ok(Buffer.compare(context.disk().contents(0, SECTORS), expected) === 0, "zeroes, and nothing else changed");
}

/** Without tables, chains lie in the ring. */
function openWithoutTables(context: CaseContext): BlockDevice {
  return context.openDisk(0, { features: ALL_FEATURES & ~VIRTIO_F_INDIRECT_DESC });
}

export const ranges: readonly Case[] = [
  {
    name: "WRITE_ZEROES: the range reads as zeroes, its neighbours as before, with UNMAP and without",
    disks: [{ writeZeroes: { sectors: 1024 } }],
    run(context) {
      const disk = context.openDisk();
      performWell(context, disk, rangesRequest(WRITE_ZEROES, [{ sector: 9, sectors: 5 }], 1));
      assert.deepEqual(disk.readSectors(9, 5), new Uint8Array(5 * SECTOR_BYTES));
      disk.writeZeroes([{ sector: 64, sectors: 128, unmap: true }]);
      assertZeroed(context, [
        { sector: 9, sectors: 5 },
        { sector: 64, sectors: 128 },
      ]);
      disk.writeZeroes([{ sector: SECTORS - 1, sectors: 1 }]);
      assert.deepEqual(disk.readSectors(SECTORS - 1, 1), new Uint8Array(SECTOR_BYTES));
      const { requests, reads, writes, bytes_written, errors } = disk.statistics();
      assert.deepEqual([requests, reads, writes, bytes_written, errors], [5n, 2n, 0n, 0n, 0n]);
    },
  },
  {
    name: "DISCARD: nothing but the range changes",
    disks: [{ discard: { sectors: 1024 } }],
    run(context) {
      const disk = context.openDisk();
      performWell(context, disk, rangesRequest(DISCARD, [{ sector: 8, sectors: 16 }], 1));
      disk.discard([{ sector: 1000, sectors: 1000 }]);
      for (const [first, count] of [
        [0, 8],
        [24, 976],
        [2000, 48],
      ] as const) {
        assert.deepEqual(context.disk().contents(first, count), initialSectors(first, count));
      }
      disk.writeSectors(10, initialSectors(10, 1));
      assert.deepEqual(disk.readSectors(10, 1), initialSectors(10, 1), "the sectors can be used again");
    },
  },
  {
    name: "limits are reported [virtio-1.2 §5.2.5]",
    disks: [{ discard: { sectors: 100 }, writeZeroes: { sectors: 200 } }],
    run(context) {
      const found = context.openDisk().information();
      assert.equal(found.max_discard_sectors, 100);
      assert.equal(found.max_discard_seg, 1);
      assert.equal(found.discard_sector_alignment, 1);
      assert.equal(found.max_write_zeroes_sectors, 200);
      assert.equal(found.max_write_zeroes_seg, 1);
      assert.equal(found.write_zeroes_may_unmap, 1);
    },
  },
  {
    name: "a range that is longer than the device takes is split",
    disks: [{ writeZeroes: { sectors: 64 }, queueSize: 64 }],
    run(context) {
      for (const disk of [context.openDisk(), openWithoutTables]) {
        const opened = typeof disk === "function" ? disk(context) : disk;
        const first = typeof disk === "function" ? 1024 : 0;
        performWell(context, opened, rangesRequest(WRITE_ZEROES, [{ sector: first + 1, sectors: 1000 }], 1));
        const { requests, errors } = opened.statistics();
        assert.deepEqual([requests, errors], [1n, 0n], "split requests count once");
        opened.close();
      }
      assertZeroed(context, [
        { sector: 1, sectors: 1000 },
        { sector: 1025, sectors: 1000 },
      ]);
    },
  },
  {
    name: "more ranges than the device takes at once are several chains",
    disks: [{ writeZeroes: { sectors: 4096 }, queueSize: 64 }],
    run(context) {
      const wanted = rangesOf(20, 3, 50);
      let disk = context.openDisk();
      performWell(context, disk, rangesRequest(WRITE_ZEROES, wanted, 1));
      assertZeroed(context, wanted);
      disk.close();
      disk = openWithoutTables(context);
      const more = rangesOf(20, 2, 50, 1000);
      performWell(context, disk, rangesRequest(WRITE_ZEROES, more, 1));
      assertZeroed(context, [...wanted, ...more]);
    },
  },
  {
    name: "several ranges at once, as many as the device takes and as there is room for",
    needs: ["further disk commands"],
    disks: [{ writeZeroes: { sectors: 500, ranges: 40 }, discard: { sectors: 90, ranges: 3 }, queueSize: 64 }],
    run(context) {
      let disk = context.openDisk();
      assert.equal(disk.information().max_write_zeroes_seg, 40);
      const wanted = rangesOf(40, 7, 10);
      performWell(context, disk, rangesRequest(WRITE_ZEROES, wanted, 1));
      assertZeroed(context, wanted);
      performWell(context, disk, rangesRequest(DISCARD, rangesOf(10, 35, 100), 2));
      disk.close();
      disk = openWithoutTables(context);
      performWell(context, disk, rangesRequest(WRITE_ZEROES, rangesOf(40, 50, 50), 1));
      assertZeroed(context, [{ sector: 0, sectors: 2000 }]);
    },
  },
  {
    name: "SECURE_ERASE: what was there is gone",
    needs: ["further disk commands"],
    disks: [{ secureErase: { sectors: 64, ranges: 2, alignment: 16 }, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const found = disk.information();
      assert.equal(found.max_secure_erase_sectors, 64);
      assert.equal(found.max_secure_erase_seg, 2);
      assert.equal(found.secure_erase_sector_alignment, 16);
      disk.secureErase([
        { sector: 3, sectors: 200 },
        { sector: 500, sectors: 1 },
      ]);
      assertZeroed(context, [
        { sector: 3, sectors: 200 },
        { sector: 500, sectors: 1 },
      ]);
    },
  },
  {
    name: "LIFETIME: the device's three numbers",
    needs: ["further disk commands"],
    disks: [{ lifetime: [2, 3, 11] }],
    run(context) {
      const disk = context.openDisk();
      const { pre_eol_info, device_lifetime_est_typ_a, device_lifetime_est_typ_b } = disk.lifetime();
      assert.deepEqual([pre_eol_info, device_lifetime_est_typ_a, device_lifetime_est_typ_b], [2, 3, 11]);
      const buffer = context.allocate(PAGE_BYTES);
      const request = (...lengths: number[]) => ({
        token: 0,
        operation: GET_LIFETIME,
        segments: lengths.map((length) => segment(buffer, length)),
      });
      for (const wrong of [request(), request(5), request(7), request(3, 3)]) {
        assertRefused(disk, wrong, Result.E_SEGMENTS);
      }
      performWell(context, disk, request(6));
    },
  },
  {
    name: "ranges that make no sense are refused, each with its own code",
    disks: [{ discard: { sectors: 1024 }, writeZeroes: { sectors: 1024 } }],
    run(context) {
      const disk = context.openDisk();
      const good = { sector: 0, sectors: 8 };
      for (const operation of [DISCARD, WRITE_ZEROES]) {
        assertRefused(disk, rangesRequest(operation, []), Result.E_SEGMENTS);
        assertRefused(disk, rangesRequest(operation, [{ sector: 0, sectors: 0 }]), Result.E_SEGMENTS);
        assertRefused(disk, rangesRequest(operation, [good, { sector: 0, sectors: 0 }]), Result.E_SEGMENTS);
        for (const [sector, sectors] of [
          [SECTORS, 1],
          [SECTORS - 1, 2],
          [0, SECTORS + 1],
          [2n ** 64n - 1n, 1],
          [2n ** 64n - 8n, 8],
          [2 ** 32, 8],
        ] as const) {
          assertRefused(disk, rangesRequest(operation, [good, { sector, sectors }]), Result.E_RANGE);
        }
      }
      assertRefused(disk, rangesRequest(DISCARD, [{ ...good, unmap: true }]), Result.E_ARGUMENT);
      assertRefused(disk, { ...readRequest(0, []), ranges: [good] }, Result.E_SEGMENTS, "ranges of a READ");
      assert.deepEqual(context.disk().contents(0, 16), initialSectors(0, 16));
    },
  },
  {
    name: "blocks of 4096 bytes: ranges are whole blocks, otherwise E_ALIGNMENT",
    disks: [{ blockSize: 4096, writeZeroes: { sectors: 1024 } }],
    run(context) {
      const disk = context.openDisk();
      for (const [sector, sectors] of [
        [1, 8],
        [8, 1],
        [8, 12],
        [4, 4],
      ] as const) {
        assertRefused(disk, rangesRequest(WRITE_ZEROES, [{ sector, sectors }]), Result.E_ALIGNMENT);
      }
      performWell(context, disk, rangesRequest(WRITE_ZEROES, [{ sector: 8, sectors: 16 }]));
      assertZeroed(context, [{ sector: 8, sectors: 16 }]);
    },
  },
  {
    name: "without the features: E_UNSUPPORTED, and no limits",
    disks: [{ discard: { sectors: 64 }, writeZeroes: { sectors: 64 } }],
    run(context) {
      const disk = context.openDisk(0, { features: ALL_FEATURES & ~VIRTIO_BLK_F_WRITE_ZEROES });
      assertRefused(disk, rangesRequest(WRITE_ZEROES, [{ sector: 0, sectors: 1 }]), Result.E_UNSUPPORTED);
      assertRefused(disk, rangesRequest(SECURE_ERASE, [{ sector: 0, sectors: 1 }]), Result.E_UNSUPPORTED);
      performWell(context, disk, rangesRequest(DISCARD, [{ sector: 0, sectors: 1 }]));
      const buffer = context.allocate(PAGE_BYTES);
      const lifetime = { token: 0, operation: GET_LIFETIME, segments: [segment(buffer, 6)] };
      assertRefused(disk, lifetime, Result.E_UNSUPPORTED);
      const found = disk.information();
      assert.equal(found.max_write_zeroes_sectors, 0);
      assert.equal(found.max_write_zeroes_seg, 0);
      assert.equal(found.write_zeroes_may_unmap, 0);
      assert.equal(found.max_discard_sectors, 64);
    },
  },
  {
    name: "a read-only disk: E_READ_ONLY",
    disks: [{ readOnly: true, discard: { sectors: 64 }, writeZeroes: { sectors: 64 } }],
    run(context) {
      const disk = context.openDisk();
      for (const operation of [DISCARD, WRITE_ZEROES]) {
        assertRefused(disk, rangesRequest(operation, [{ sector: 0, sectors: 1 }]), Result.E_READ_ONLY);
      }
    },
  },
  {
    name: "more parts than the ring has room for: E_SEGMENTS, or E_FULL where that is a matter of time",
    disks: [{ queueSize: 16, writeZeroes: { sectors: 8 } }],
    run(context) {
      const disk = openWithoutTables(context);
      // Three descriptors each.
      const zero = (parts: number, token: number) =>
        rangesRequest(WRITE_ZEROES, [{ sector: 0, sectors: 8 * parts }], token);
      assertRefused(disk, zero(6, 0), Result.E_SEGMENTS);
      submitAll(disk, [zero(1, 1)]);
      assertRefused(disk, zero(5, 2), Result.E_FULL);
      const outside = rangesRequest(WRITE_ZEROES, [
        { sector: 0, sectors: 80 },
        { sector: SECTORS, sectors: 1 },
      ]);
      assertRefused(disk, outside, Result.E_RANGE, "which no room would mend");
      takeCompletions(context, disk, 1);
      performWell(context, disk, zero(5, 3));
      assertZeroed(context, [{ sector: 0, sectors: 40 }]);
    },
  },
  {
    name: "a reset with split ranges in flight: one completion each",
    disks: [{ queueSize: 64, writeZeroes: { sectors: 8 } }],
    run(context) {
      const disk = context.openDisk();
      const request = (token: number) => rangesRequest(WRITE_ZEROES, [{ sector: 0, sectors: 40 }], token);
      submitAll(disk, [request(0), request(1)]);
      disk.reset();
      takeResets(disk, 2);
      performWell(context, disk, request(2));
      assertResult(disk.poll().length, 0);
    },
  },
];
