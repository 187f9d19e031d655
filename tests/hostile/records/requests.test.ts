/**
 * Requests and segments in memory that devices write, changed between any two imports of `block_submit`: the stack reads
 * nothing but the arrays it was given, and what the device is given is one request that could have been asked for.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PAGE_BYTES } from "../../../kernel-shim/emulated-pc/memory/dma-pages.js";
import {
  BlockOperation,
  BlockRequestLayout,
  CompletionLayout,
  Result,
  SegmentLayout,
} from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { type Change, changeEverywhere, fieldChanges } from "../../raw-stack/changes.js";
import { lendTheRest } from "../../raw-stack/end-of-memory.js";
import { RawDisk, SECTOR_BYTES } from "../../raw-stack/raw-disk.js";
import { type Descriptor, RingReader } from "../../raw-stack/ring-reader.js";
import { onBothBuilds } from "../fixed/ground.js";

const HEADER_BYTES = 16;
const STATUS_BYTES = 1;
const SEGMENT_BYTES = SegmentLayout.size;
/** Segments beside the arrays, which the stack has no business with. */
const BESIDE = 4;
/** What a segment may become: nothing, less, more, no range of memory. */
const LENGTHS = [0, 1, 256, 511, 513, 1024, 4096, 0x8000_0000, 0xffff_fe00, 0xffff_ffff];

/** Two requests, whose arrays lie apart from each other; the second one's at the end of linear memory. */
class ChangingRequests {
  readonly disk: RawDisk;
  private readonly ring: RingReader;
  /** Pages that requests name, or come to name. */
  private readonly named: number;
  /** A page that only the segments beside the arrays name. */
  private readonly beside: number;
  private readonly allowed: Set<bigint>;
  private readonly requestsAt: number;
  private readonly arrays: { readonly at: number; readonly count: number }[];
  private published = 0;

  constructor(build: Build, features?: number) {
    const disk = new RawDisk({ build }, { queueSizes: [64], ...(features === undefined ? {} : { features }) });
    this.disk = disk;
    disk.ok(disk.open());
    this.ring = new RingReader(disk.device, 0);
    this.beside = disk.allocate(PAGE_BYTES);
    this.named = disk.allocate(6 * PAGE_BYTES);
    this.allowed = new Set(
      Array.from({ length: 6 }, (_, page) => disk.kernel.imports.dma_address(this.named + page * PAGE_BYTES)),
    );
    // The mapped build has the last pages of memory from the kernel, so that devices can write there.
    const end = disk.module.memory.buffer.byteLength;
    if (build === "mapped") assert.ok(lendTheRest(disk) >= 2 * PAGE_BYTES);
    const second = { at: end - 2 * SEGMENT_BYTES, count: 2 };
    const first = { at: second.at - (2 * BESIDE + 3) * SEGMENT_BYTES, count: 3 };
    this.arrays = [first, second];
    this.requestsAt = first.at - BESIDE * SEGMENT_BYTES - 3 * BlockRequestLayout.size;
  }

  /** What can happen to the records. */
  changes(): Change[] {
    const { requestsAt, named } = this;
    const changes: Change[] = [];
    this.arrays.forEach(({ at, count }, request) => {
      for (let index = 0; index < count; index++) {
        changes.push(
          ...fieldChanges(`request ${request}, segment ${index}`, SegmentLayout, at + index * SEGMENT_BYTES, {
            length: LENGTHS,
            pointer: [0, 4096, named + 5 * PAGE_BYTES, named + PAGE_BYTES - 1, 0xffff_fe00],
          }),
        );
      }
      const other = this.arrays[1 - request]?.at ?? 0;
      changes.push(
        ...fieldChanges(`request ${request}`, BlockRequestLayout, requestsAt + request * BlockRequestLayout.size, {
          token: [77],
          sector: [0, 500, 511, 512, 2n ** 63n, 2n ** 64n - 1n],
          operation: [BlockOperation.READ, BlockOperation.WRITE, BlockOperation.FLUSH, BlockOperation.GET_ID, 99],
          segments: [0, other, 0xffff_fff8],
          segment_count: [0, 1, 4, 1000, 0x2000_0000, 0xffff_ffff],
          result: [5],
        }),
      );
    });
    return changes;
  }

  /** Hands both in, with `arm` called directly before; checks all that came of it. */
  run(arm: () => void): void {
    const { disk, ring } = this;
    const { exports } = disk.module;
    this.prepare();
    // Every page is asked for, so that there is an import between any two segments.
    exports.forget_translations();
    arm();
    const accepted = exports.block_submit(disk.handle, this.requestsAt, 2);
    disk.kernel.between = undefined;
    assert.ok(accepted >= 0 && accepted <= 2, `block_submit returned ${accepted}`);
    const added = (ring.published - this.published) & 0xffff;
    assert.equal(added, accepted, "each request is one chain");
    this.allowLarger();
    const lengths = Array.from({ length: added }, (_, index) => this.checkChain(ring.head(this.published + index)));
    this.allowed.delete(this.besideAddress);
    this.published = ring.published;
    disk.wait();
    this.checkCompletions(lengths);
  }

  /** A request that is judged anew may be one of more segments by then, and these were asked for, too. */
  private allowLarger(): void {
    const { module } = this.disk;
    this.arrays.forEach(({ count }, request) => {
      const at = this.requestsAt + request * BlockRequestLayout.size;
      if (module.read(BlockRequestLayout, at).segment_count > count) this.allowed.add(this.besideAddress);
    });
  }

  private get besideAddress(): bigint {
    return this.disk.kernel.imports.dma_address(this.beside);
  }

  private prepare(): void {
    const { disk, named, beside, arrays, requestsAt } = this;
    const { module } = disk;
    const [first, second] = arrays;
    assert.ok(first !== undefined && second !== undefined);
    const none = Array.from({ length: BESIDE }, () => ({ pointer: beside, length: SECTOR_BYTES }));
    module.write(
      SegmentLayout,
      first.at - BESIDE * SEGMENT_BYTES,
      ...none,
      { pointer: named + 100, length: 512 },
      { pointer: named + PAGE_BYTES, length: 1024 },
      { pointer: named + 2 * PAGE_BYTES + 8, length: 512 },
      ...none,
      ...none,
      { pointer: named + 3 * PAGE_BYTES, length: 1000 },
      { pointer: named + 4 * PAGE_BYTES, length: 536 },
    );
    module.write(
      BlockRequestLayout,
      requestsAt,
      { token: 1n, sector: 8n, operation: BlockOperation.WRITE, segments: first.at, segment_count: 3 },
      { token: 2n, sector: 20n, operation: BlockOperation.READ, segments: second.at, segment_count: 2 },
    );
  }

  /** What the device may be given: header, data in pages that a request named, status. Returns the bytes of data. */
  private checkChain(head: number): number {
    const chain = this.ring.chain(head);
    const [header, status] = [chain[0], chain.at(-1)];
    const data = chain.slice(1, -1);
    assert.ok(header !== undefined && status !== undefined && chain.length >= 2);
    assert.deepEqual([header.length, header.isWritable], [HEADER_BYTES, false]);
    assert.deepEqual([status.length, status.isWritable], [STATUS_BYTES, true]);
    for (const { address, length } of data) {
      assert.ok(length > 0 && length <= 6 * PAGE_BYTES, `a buffer of ${length} bytes`);
      const page = BigInt(PAGE_BYTES);
      for (let at = address - (address % page); at < address + BigInt(length); at += page) {
        assert.ok(this.allowed.has(at), `0x${at.toString(16)} is no page of the requests'`);
      }
    }
    const bytes = data.reduce((sum, { length }) => sum + length, 0);
    this.checkRequest(header, data, bytes);
    return bytes;
  }

  private checkRequest(header: Descriptor, data: readonly Descriptor[], bytes: number): void {
    const { dma } = this.disk.device;
    const type = dma.read32(Number(header.address));
    const sector = dma.read32(Number(header.address) + 8) + dma.read32(Number(header.address) + 12) * 2 ** 32;
    switch (type) {
      case BlockOperation.READ:
      case BlockOperation.WRITE:
        assert.ok(bytes > 0 && bytes % SECTOR_BYTES === 0, `${bytes} bytes of data`);
        assert.ok(sector + bytes / SECTOR_BYTES <= this.disk.contents.sectors, `${bytes} bytes from ${sector} on`);
        break;
      case BlockOperation.FLUSH:
        assert.equal(bytes, 0);
        break;
      case BlockOperation.GET_ID:
        assert.equal(bytes, 20);
        break;
      default:
        assert.fail(`type ${type}`);
    }
    assert.ok(data.every(({ isWritable }) => isWritable === (type !== BlockOperation.WRITE)));
  }

  private checkCompletions(lengths: readonly number[]): void {
    const { disk } = this;
    const { module } = disk;
    const { exports } = module;
    const count = exports.block_poll(disk.handle, disk.completionsAt, 8);
    assert.equal(count, lengths.length, "each request completes once");
    lengths.forEach((length, index) => {
      const completion = module.read(CompletionLayout, disk.completionsAt + index * CompletionLayout.size);
      assert.equal(completion.result, Result.OK);
      assert.equal(completion.length, length, "a completion states what its chain moved");
      assert.ok([BigInt(index + 1), 77n].includes(completion.token), `token ${completion.token}`);
    });
    assert.equal(exports.block_poll(disk.handle, disk.completionsAt, 8), 0);
    disk.checkViolations();
  }
}

describe("a request that changes while it is handed in", () => {
  for (const [layout, features] of [
    ["with tables", undefined],
    ["without tables", 0],
  ] as const) {
    onBothBuilds(`is one that could have been asked for, or is refused, ${layout}`, (build) => {
      const requests = new ChangingRequests(build, features);
      const { disk } = requests;
      const runs = changeEverywhere(disk.kernel, disk.module.view, requests.changes(), (arm, what) => {
        try {
          requests.run(arm);
        } catch (error) {
          throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
        }
      });
      assert.ok(runs > 1000, `${runs} runs`);
      disk.check();
      disk.closes();
    });
  }
});
