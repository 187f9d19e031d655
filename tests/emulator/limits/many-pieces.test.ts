/**
 * Requests of many small pieces on a disk with INDIRECT_DESC: as many as the device takes, whatever a table holds, and
 * mixed with others.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { BlockDeviceOptions } from "../../../kernel-shim/emulated-pc/block/device.js";
import type { EmulatedPcOptions } from "../../../kernel-shim/emulated-pc/machine.js";
import { PAGE_BYTES } from "../../../kernel-shim/emulated-pc/memory/dma-pages.js";
import { BlockOperation, Result, type Segment } from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { onBothBuilds } from "../../hostile/fixed/ground.js";
import { RawDisk, SECTOR_BYTES } from "../../raw-stack/raw-disk.js";

const INDIRECT_DESC = 2 ** 28;
const EVENT_IDX = 2 ** 29;
const BLK_SIZE = 2 ** 6;
const SEG_MAX = 2 ** 2;
const BUFFER_BYTES = 512 * 1024;
const LARGEST_BLOCK = 32_768;

class PiecedDisk extends RawDisk {
  readonly pieces: number;

  constructor(
    build: Build,
    block: Partial<BlockDeviceOptions>,
    completion: EmulatedPcOptions["completion"] = "deferred",
  ) {
    super({ build, machine: { completion } }, { features: INDIRECT_DESC + EVENT_IDX + SEG_MAX + BLK_SIZE, ...block });
    this.pieces = this.allocate(BUFFER_BYTES);
    this.ok(this.open());
  }

  /** So many bytes in so many segments, none of which is next to another. */
  cut(bytes: number, count: number, place = 0): Segment[] {
    const segments: Segment[] = [];
    let pointer = this.pieces + place;
    for (let index = 0, left = bytes; index < count; index++) {
      const length = index === count - 1 ? left : Math.floor(bytes / count);
      segments.push({ pointer, length });
      pointer += length + 8;
      left -= length;
    }
    return segments;
  }
}

for (const blockSize of [512, 4096, LARGEST_BLOCK]) {
  describe(`a block of ${blockSize} bytes`, () => {
    onBothBuilds("in 31 to 254 pieces is written and read on a device that takes 254", (build) => {
      const disk = new PiecedDisk(build, { blockSize, segMax: 254, queueSizes: [256] });
      for (const count of [29, 30, 31, 32, 33, 64, 126, 127, 200, 253, 254]) {
        disk.moves(disk.cut(blockSize, count), 2 * (blockSize / SECTOR_BYTES));
      }
      disk.closes();
      disk.checkViolations();
    });

    onBothBuilds("in 300 pieces, and in 510, is written and read on a device that takes them", (build) => {
      const disk = new PiecedDisk(build, { blockSize, segMax: 510, queueSizes: [512] });
      for (const count of [255, 300, 509, 510]) disk.moves(disk.cut(blockSize, count), 0);
      disk.closes();
      disk.checkViolations();
    });

    onBothBuilds("in more pieces than the device takes is E_SEGMENTS, and leaves nothing behind", (build) => {
      for (const [segMax, entries, count, most] of [
        [254, 256, 255, 254],
        [254, 256, 300, 254],
        [62, 64, 63, 62],
        [126, 1024, 127, 126],
        // The ring ends before the device does.
        [0xffff_ffff, 64, 63, 62],
      ] as const) {
        const disk = new PiecedDisk(build, { blockSize, segMax, queueSizes: [entries] });
        const request = { operation: BlockOperation.READ, segments: disk.cut(blockSize, count) };
        assert.deepEqual(disk.submit(request), { accepted: 0, refusal: Result.E_SEGMENTS });
        disk.moves(disk.cut(blockSize, most), 0);
        disk.closes();
        disk.checkViolations();
      }
    });

    onBothBuilds("in many pieces, among blocks in few, is written and read", (build) => {
      const disk = new PiecedDisk(build, { blockSize, segMax: 254, queueSizes: [256] });
      // A ring of 256 has room for a chain of 254 and two that take one descriptor each.
      for (const count of [31, 100, 252]) {
        for (let place = 0; place < 3; place++) {
          const segments = [0, 1, 2].flatMap((index) =>
            disk.cut(blockSize, index === place ? count : 2, index * (blockSize + 4096)),
          );
          disk.moves(segments, blockSize / SECTOR_BYTES);
        }
      }
      disk.closes();
      disk.checkViolations();
    });
  });
}

describe("a request of many pieces", () => {
  const few = (disk: PiecedDisk, token: bigint) => ({
    token,
    operation: BlockOperation.READ,
    segments: disk.cut(SECTOR_BYTES, 2, 65_536),
  });
  const many = (disk: PiecedDisk, token: bigint, count = 100) => ({
    token,
    operation: BlockOperation.READ,
    segments: disk.cut(SECTOR_BYTES, count, 131_072),
  });

  for (const completion of ["immediate", "deferred", "shuffled"] as const) {
    onBothBuilds(`goes on together with others, three times around the ring, ${completion}`, (build) => {
      const disk = new PiecedDisk(build, { segMax: 254, queueSizes: [256] }, completion);
      let token = 1n;
      for (let round = 0; round < 256; round++) {
        const requests = [few(disk, token++), many(disk, token++, 31 + (round % 40)), few(disk, token++)];
        assert.equal(disk.submit(...requests).accepted, 3);
        disk.wait();
        const completions = disk.poll();
        assert.deepEqual(
          completions.map((completion) => completion.token).sort(),
          requests.map((request) => request.token).sort(),
        );
        assert.ok(completions.every(({ result, length }) => result === Result.OK && length === SECTOR_BYTES));
        if (round % 64 === 0) disk.moves(disk.cut(SECTOR_BYTES, 3));
      }
      disk.works();
      disk.closes();
      disk.checkViolations();
    });
  }

  onBothBuilds("finds no room in a ring that others are in, and finds it once they are back", (build) => {
    const disk = new PiecedDisk(build, { segMax: 254, queueSizes: [256] });
    for (let token = 1n; token <= 10n; token++) assert.equal(disk.submit(few(disk, token)).accepted, 1);
    const request = many(disk, 11n, 254);
    assert.deepEqual(disk.submit(request), { accepted: 0, refusal: Result.E_FULL });
    disk.wait();
    assert.equal(disk.poll().length, 10);
    disk.perform(request);
    disk.closes();
    disk.checkViolations();
  });

  onBothBuilds("comes back once from a reset, and the disk works", (build) => {
    const disk = new PiecedDisk(build, { segMax: 254, queueSizes: [256] });
    disk.device.faults.silent = true;
    assert.equal(disk.submit(few(disk, 1n), many(disk, 2n), few(disk, 3n)).accepted, 3);
    disk.device.faults.silent = false;
    assert.equal(disk.module.exports.reset(disk.handle), Result.OK);
    assert.deepEqual(
      disk.poll().map(({ token, result }) => [token, result]),
      [1n, 2n, 3n].map((token) => [token, Result.E_RESET]),
    );
    disk.perform(many(disk, 4n, 200));
    disk.perform(few(disk, 5n));
    disk.works();
    disk.closes();
    disk.checkViolations();
  });

  onBothBuilds("that is refused at its last piece leaves the ring as it was", (build) => {
    const disk = new PiecedDisk(build, { segMax: 254, queueSizes: [256] });
    for (const count of [31, 32, 100, 254]) {
      const request = many(disk, 1n, count);
      const nowhere = { pointer: PAGE_BYTES, length: request.segments.at(-1)?.length ?? 0 };
      const segments = [...request.segments.slice(0, -1), nowhere];
      assert.deepEqual(disk.submit({ ...request, segments }), { accepted: 0, refusal: Result.E_ADDRESS });
      for (let token = 1n; token <= 3n; token++) disk.perform(few(disk, token));
      disk.perform(request);
    }
    disk.works();
    disk.closes();
    disk.checkViolations();
  });
});
