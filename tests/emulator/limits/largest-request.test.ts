/**
 * `request_segments_max` and `request_bytes_max`: an empty ring takes exactly so much, and of more it is said that it
 * never will.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PAGE_BYTES } from "../../../kernel-shim/emulated-pc/memory/dma-pages.js";
import {
  BlockInformationLayout,
  BlockOperation,
  BlockRequestLayout,
  Result,
  SegmentLayout,
} from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { onBothBuilds } from "../../hostile/fixed/ground.js";
import { RawDisk } from "../../raw-stack/raw-disk.js";

const SIZE_MAX = 2 ** 1;
const SEG_MAX = 2 ** 2;
const BLK_SIZE = 2 ** 6;
const INDIRECT_DESC = 2 ** 28;
const NO_LIMIT = 0xffff_ffff;
/** Of a completion's length, in blocks of every size. */
const REQUEST_BYTES_MAX = 0xff00_0000;
const CAPACITY = 2n ** 40n;
/** Segments of the largest request among these. */
const SEGMENTS_MAX = 40_000;
/** Memory of the caller's, all of which could hold data: further than linear memory reaches. */
const FAR = 0x0100_0000;
/** Where devices find it. */
const FAR_ADDRESS = 2n ** 40n;

interface Setting {
  readonly features: number;
  readonly entries: number;
  readonly segMax: number;
  readonly sizeMax: number;
  readonly blockSize: number;
}

const settings: Readonly<Record<string, Setting>> = {
  "tables, as QEMU": { features: INDIRECT_DESC, entries: 256, segMax: 254, sizeMax: NO_LIMIT, blockSize: 512 },
  "tables, as a cloud host": { features: INDIRECT_DESC, entries: 1024, segMax: 64, sizeMax: 65_536, blockSize: 512 },
  "tables, few segments": { features: INDIRECT_DESC, entries: 64, segMax: 3, sizeMax: 2 ** 20, blockSize: 512 },
  "tables, a small ring": { features: INDIRECT_DESC, entries: 4, segMax: 254, sizeMax: 2 ** 20, blockSize: 512 },
  "tables, large blocks": { features: INDIRECT_DESC, entries: 64, segMax: 62, sizeMax: 4096, blockSize: 4096 },
  "tables too small for a block": {
    features: INDIRECT_DESC,
    entries: 256,
    segMax: 254,
    sizeMax: 512,
    blockSize: 32_768,
  },
  "no tables, as VirtualBox": { features: 0, entries: 1024, segMax: 126, sizeMax: NO_LIMIT, blockSize: 512 },
  "no tables, no limits": { features: 0, entries: 256, segMax: NO_LIMIT, sizeMax: NO_LIMIT, blockSize: 4096 },
  "no tables, the smallest disk": { features: 0, entries: 8, segMax: 1, sizeMax: 2 ** 16, blockSize: 512 },
  "no tables, the smallest ring": { features: 0, entries: 4, segMax: 1, sizeMax: 65_536, blockSize: 512 },
};

class LimitedDisk extends RawDisk {
  readonly segmentsMax: number;
  readonly bytesMax: number;

  constructor(
    build: Build,
    private readonly setting: Setting,
  ) {
    const { features, entries, segMax, sizeMax, blockSize } = setting;
    super(
      { build, machine: { memoryBytes: 8 * 1024 * 1024 } },
      { features: features + SIZE_MAX + SEG_MAX + BLK_SIZE, queueSizes: [entries], segMax, sizeMax, blockSize },
    );
    this.device.configuration.set("capacity", CAPACITY);
    this.ok(this.open());
    this.device.faults.silent = true;
    this.ok(this.module.exports.block_information(this.handle, this.records));
    const information = this.module.read(BlockInformationLayout, this.records);
    this.segmentsMax = information.request_segments_max;
    this.bytesMax = information.request_bytes_max;
    this.segmentsAt = this.machine.reservePrivate(SEGMENTS_MAX * SegmentLayout.size);
  }

  /** A request of so many segments of equal length, but for the last. All lie at the same place. */
  tries(count: number, length: number, lastLength: number): { accepted: number; refusal: number } {
    const { module, requestsAt, segmentsAt } = this;
    assert.ok(count > 0 && count <= SEGMENTS_MAX && length > 0 && lastLength > 0);
    for (let index = 0; index < count; index++) {
      const at = segmentsAt + index * SegmentLayout.size;
      module.view.setUint32(at, FAR, true);
      module.view.setUint32(at + 4, index === count - 1 ? lastLength : length, true);
    }
    const request = { operation: BlockOperation.READ, segments: segmentsAt, segment_count: count };
    module.write(BlockRequestLayout, requestsAt, request);
    // Nothing is ever moved there.
    this.kernel.lies.dma_address = (_, pointer) => FAR_ADDRESS + BigInt(pointer);
    module.exports.forget_translations();
    const accepted = module.exports.block_submit(this.handle, requestsAt, 1);
    this.kernel.lies = {};
    module.exports.forget_translations();
    return { accepted, refusal: module.read(BlockRequestLayout, requestsAt).result };
  }

  /** What was accepted comes back from the reset, once. */
  takesBack(): void {
    this.device.faults.silent = false;
    this.ok(this.module.exports.reset(this.handle));
    this.device.faults.silent = true;
    assert.deepEqual(
      this.poll().map(({ result }) => result),
      [Result.E_RESET],
    );
  }

  /** Bytes of the largest segment that is one piece, and fills whole blocks or a part of one. */
  get unit(): number {
    return Math.min(this.setting.sizeMax, this.setting.blockSize);
  }

  get blockSize(): number {
    return this.setting.blockSize;
  }
}

const ACCEPTED = { accepted: 1, refusal: Result.OK };
const NEVER = { accepted: 0, refusal: Result.E_SEGMENTS };

describe("an empty ring", () => {
  for (const [name, setting] of Object.entries(settings)) {
    onBothBuilds(`takes request_segments_max segments, and never a block more: ${name}`, (build) => {
      const disk = new LimitedDisk(build, setting);
      const { segmentsMax, unit, blockSize } = disk;
      assert.ok(segmentsMax >= 1);
      assert.equal((segmentsMax * unit) % blockSize, 0);
      for (let again = 0; again < 2; again++) {
        assert.deepEqual(disk.tries(segmentsMax + blockSize / unit, unit, unit), NEVER);
        assert.deepEqual(disk.tries(segmentsMax, unit, unit), ACCEPTED);
        disk.takesBack();
      }
      disk.closes();
    });

    onBothBuilds(`takes request_bytes_max bytes, and never a block more: ${name}`, (build) => {
      const disk = new LimitedDisk(build, setting);
      const { segmentsMax, bytesMax, unit, blockSize } = disk;
      assert.ok(bytesMax >= blockSize && bytesMax % blockSize === 0 && bytesMax <= REQUEST_BYTES_MAX);
      // The shortest segments with which so much fits.
      const length = Math.ceil(bytesMax / segmentsMax / unit) * unit;
      const count = Math.ceil(bytesMax / length);
      const last = bytesMax - (count - 1) * length;
      if (length + blockSize <= setting.sizeMax) assert.deepEqual(disk.tries(count, length, last + blockSize), NEVER);
      else assert.deepEqual(disk.tries(count + blockSize / unit, length, unit), NEVER);
      assert.deepEqual(disk.tries(count, length, last), ACCEPTED);
      disk.takesBack();
      disk.closes();
    });
  }

  onBothBuilds("takes as many bytes in one segment where the device does", (build) => {
    const disk = new LimitedDisk(build, {
      features: INDIRECT_DESC,
      entries: 4,
      segMax: 254,
      sizeMax: NO_LIMIT,
      blockSize: 512,
    });
    assert.equal(disk.bytesMax, REQUEST_BYTES_MAX);
    const most = 2 ** 32 - FAR;
    assert.equal(most, REQUEST_BYTES_MAX);
    assert.deepEqual(disk.tries(1, most, most), ACCEPTED);
    disk.takesBack();
    assert.deepEqual(disk.tries(1, 1, most + PAGE_BYTES), NEVER);
    disk.closes();
  });
});
