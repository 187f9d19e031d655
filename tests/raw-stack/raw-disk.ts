/** A disk driven through the module's exports, with records wherever a test puts them. */
import assert from "node:assert/strict";
import { BlockDevice, type BlockDeviceOptions } from "../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../kernel-shim/emulated-pc/block/memory-disk.js";
import {
  BlockOperation,
  BlockOptionsLayout,
  BlockRequestLayout,
  type Completion,
  CompletionLayout,
  Result,
  type Segment,
  SegmentLayout,
} from "../../kernel-shim/javascript/abi.js";
import { RawGround, type RawGroundOptions } from "./raw-ground.js";

export const SECTOR_BYTES = 512;
const DISK_BYTES = 256 * 1024;
const BUFFER_BYTES = 16 * 1024;
const COMPLETIONS = 16;

export interface RawRequest {
  readonly token?: bigint;
  readonly operation: number;
  readonly sector?: number;
  readonly segments: readonly Segment[];
}

export class RawDisk extends RawGround {
  readonly contents: MemoryDisk;
  /** Four pages of the caller's that the device reaches. */
  readonly buffer: number;
  /** 0 while the disk is not open, otherwise greater than 0. */
  handle = 0;
  /** Where the arrays of the next calls begin. */
  requestsAt: number;
  segmentsAt: number;
  completionsAt: number;

  constructor(options: RawGroundOptions, block: Partial<BlockDeviceOptions> = {}) {
    const contents = new MemoryDisk(DISK_BYTES);
    super(new BlockDevice({ backEnd: contents, ...block }), options);
    this.contents = contents;
    this.buffer = this.allocate(BUFFER_BYTES);
    this.requestsAt = this.records;
    this.completionsAt = this.records + 4096;
    this.segmentsAt = this.records + 8192;
  }

  /** Opens the disk. The result of the call; the disk is open when it is greater than 0. */
  open(timeout?: bigint): number {
    let options = 0;
    if (timeout !== undefined) {
      options = this.records;
      this.module.write(BlockOptionsLayout, options, { features: 0xffff_ffff_ffff_ffffn, timeout_ns: timeout });
    }
    const result = this.module.exports.block_open(this.address, options);
    this.handle = Math.max(result, 0);
    return result;
  }

  /** Hands requests in; how many were accepted, and what the first other one was refused with. */
  submit(...requests: readonly RawRequest[]): { accepted: number; refusal: number } {
    const { module, requestsAt } = this;
    let segmentsAt = this.segmentsAt;
    const records = requests.map(({ token = 1n, operation, sector = 0, segments }) => {
      const place = segmentsAt;
      module.write(SegmentLayout, place, ...segments);
      segmentsAt += segments.length * SegmentLayout.size;
      const count = segments.length;
      return { token, operation, sector: BigInt(sector), segments: count === 0 ? 0 : place, segment_count: count };
    });
    module.write(BlockRequestLayout, requestsAt, ...records);
    const accepted = module.exports.block_submit(this.handle, requestsAt, requests.length);
    if (accepted < 0 || accepted === requests.length) return { accepted, refusal: Result.OK };
    const { result } = module.read(BlockRequestLayout, requestsAt + accepted * BlockRequestLayout.size);
    return { accepted, refusal: result };
  }

  /** Takes completions, as many as there are. */
  poll(): Completion[] {
    const { module, completionsAt } = this;
    const taken: Completion[] = [];
    for (;;) {
      const count = this.ok(module.exports.block_poll(this.handle, completionsAt, COMPLETIONS));
      for (let index = 0; index < count; index++) {
        taken.push(module.read(CompletionLayout, completionsAt + index * CompletionLayout.size));
      }
      if (count < COMPLETIONS) return taken;
    }
  }

  /** One request, to its end, which is a good one. */
  perform(request: RawRequest): void {
    assert.deepEqual(this.submit(request), { accepted: 1, refusal: Result.OK });
    this.wait();
    const length = request.segments.reduce((bytes, segment) => bytes + segment.length, 0);
    assert.deepEqual(this.poll(), [{ token: request.token ?? 1n, result: Result.OK, length }]);
  }

  /** Data goes from these segments to the disk, and comes back. */
  moves(segments: readonly Segment[], sector = 1): void {
    const pieces = segments.map(({ length }, piece) =>
      Uint8Array.from({ length }, (_, index) => 1 + ((index + 31 * piece) % 251)),
    );
    segments.forEach(({ pointer }, index) => this.writeBuffer(pointer, pieces[index] ?? new Uint8Array()));
    this.perform({ operation: BlockOperation.WRITE, sector, segments, token: 0xfeed_0000_0001n });
    for (const { pointer, length } of segments) this.writeBuffer(pointer, new Uint8Array(length));
    this.perform({ operation: BlockOperation.READ, sector, segments, token: 0xfeed_0000_0002n });
    segments.forEach(({ pointer, length }, index) => {
      assert.deepEqual(Buffer.compare(this.readBuffer(pointer, length), pieces[index] ?? new Uint8Array()), 0);
    });
  }

  /** The open disk does what a disk does. */
  works(): void {
    const { buffer } = this;
    this.moves([
      { pointer: buffer, length: SECTOR_BYTES },
      { pointer: buffer + 4000, length: 3 * SECTOR_BYTES },
    ]);
  }

  /** Closes the disk, with nothing out, and with it everything is as it was. */
  closes(): void {
    assert.equal(this.module.exports.close(this.handle), 0);
    this.handle = 0;
    this.isLeftAlone();
  }
}
