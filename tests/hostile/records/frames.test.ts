/**
 * Frames and segments in memory that devices write, changed between any two imports of `net_transmit`: the stack reads
 * nothing but the arrays it was given, and the device is given a frame that could have been asked for.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PAGE_BYTES } from "../../../kernel-shim/emulated-pc/memory/dma-pages.js";
import { CompletionLayout, Result, SegmentLayout, TransmitFrameLayout } from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { type Change, changeEverywhere, fieldChanges } from "../../raw-stack/changes.js";
import { lendTheRest } from "../../raw-stack/end-of-memory.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RingReader } from "../../raw-stack/ring-reader.js";
import { onBothBuilds } from "../fixed/ground.js";

const TRANSMIT_QUEUE = 1;
const SEGMENT_BYTES = SegmentLayout.size;
const FRAME_BYTES_MIN = 14;
/** Payload, Ethernet header, VLAN tag. */
const FRAME_BYTES_MAX = 1500 + 14 + 4;
/** Room for a packet header before a frame. */
const ROOM = 16;
/** Segments beside the arrays, which the stack has no business with. */
const BESIDE = 4;
const LENGTHS = [0, 1, 13, 300, 1518, 1519, 4096, 0x8000_0000, 0xffff_fe00, 0xffff_ffff];

/** Two frames: one with its header in front of it, one with a header of the driver's; arrays as for requests. */
class ChangingFrames {
  readonly card: RawCard;
  private readonly ring: RingReader;
  private readonly headerBytes: number;
  private readonly named: number;
  /** A page that only the segments beside the arrays name. */
  private readonly beside: number;
  /** Pages of the frames, and those that the driver borrowed. */
  private readonly allowed = new Set<bigint>();
  private readonly framesAt: number;
  private readonly first: number;
  private readonly second: number;
  private published = 0;

  constructor(build: Build, features?: number) {
    const card = new RawCard({ build }, { queueSizes: [16, 64, 0], ...(features === undefined ? {} : { features }) });
    this.card = card;
    card.ok(card.open());
    this.headerBytes = card.information().header_bytes;
    this.ring = new RingReader(card.device, TRANSMIT_QUEUE);
    this.beside = card.allocate(PAGE_BYTES);
    this.named = card.allocate(6 * PAGE_BYTES);
    this.allow(this.named, 6);
    for (const [pointer, pages] of card.kernel.lent) this.allow(pointer, pages);
    const end = card.module.memory.buffer.byteLength;
    if (build === "mapped") assert.ok(lendTheRest(card) >= 2 * PAGE_BYTES);
    this.second = end - 2 * SEGMENT_BYTES;
    this.first = this.second - (2 * BESIDE + 3) * SEGMENT_BYTES;
    this.framesAt = this.first - BESIDE * SEGMENT_BYTES - 3 * TransmitFrameLayout.size;
  }

  private allow(pointer: number, pages: number): void {
    for (let page = 0; page < pages; page++) {
      this.allowed.add(this.card.kernel.imports.dma_address(pointer + page * PAGE_BYTES));
    }
  }

  /** What can happen to the records. */
  changes(): Change[] {
    const { named, first, second, framesAt } = this;
    const changes: Change[] = [];
    const arrays = [
      { at: first, count: 3, other: second },
      { at: second, count: 2, other: first },
    ];
    arrays.forEach(({ at, count, other }, frame) => {
      for (let index = 0; index < count; index++) {
        changes.push(
          ...fieldChanges(`frame ${frame}, segment ${index}`, SegmentLayout, at + index * SEGMENT_BYTES, {
            length: LENGTHS,
            pointer: [0, 4096, named + 5 * PAGE_BYTES, named + PAGE_BYTES - 1, 0xffff_fe00],
          }),
        );
      }
      changes.push(
        ...fieldChanges(`frame ${frame}`, TransmitFrameLayout, framesAt + frame * TransmitFrameLayout.size, {
          token: [77],
          segments: [0, other, 0xffff_fff8],
          segment_count: [0, 1, 4, 1000, 0x2000_0000, 0xffff_ffff],
          flags: [1, 0xff],
          gso_type: [1],
          hdr_len: [54],
          gso_size: [1000],
          csum_start: [34],
          csum_offset: [16],
          header_room: [0, 9, 64, 0xffff],
          result: [5],
        }),
      );
    });
    return changes;
  }

  /** Hands both in, with `arm` called directly before; checks all that came of it. */
  run(arm: () => void): void {
    const { card, ring } = this;
    const { exports } = card.module;
    this.prepare();
    exports.forget_translations();
    arm();
    const accepted = exports.net_transmit(card.handle, this.framesAt, 2);
    card.kernel.between = undefined;
    assert.ok(accepted >= 0 && accepted <= 2, `net_transmit returned ${accepted}`);
    const added = (ring.published - this.published) & 0xffff;
    assert.equal(added, accepted, "each frame is one chain");
    this.allowLarger();
    const lengths = Array.from({ length: added }, (_, index) => this.checkChain(ring.head(this.published + index)));
    this.allowed.delete(this.besideAddress);
    this.published = ring.published;
    card.wait();
    this.checkCompletions(lengths);
  }

  /** A frame that is judged anew may be one of more segments by then, and these were asked for, too. */
  private allowLarger(): void {
    const { module } = this.card;
    [3, 2].forEach((count, frame) => {
      const at = this.framesAt + frame * TransmitFrameLayout.size;
      if (module.read(TransmitFrameLayout, at).segment_count > count) this.allowed.add(this.besideAddress);
    });
  }

  private get besideAddress(): bigint {
    return this.card.kernel.imports.dma_address(this.beside);
  }

  private prepare(): void {
    const { card, named, beside, first, second, framesAt } = this;
    const { module } = card;
    const none = Array.from({ length: BESIDE }, () => ({ pointer: beside, length: 64 }));
    module.write(
      SegmentLayout,
      first - BESIDE * SEGMENT_BYTES,
      ...none,
      { pointer: named + ROOM, length: 40 },
      { pointer: named + PAGE_BYTES, length: 200 },
      { pointer: named + 2 * PAGE_BYTES + 8, length: 100 },
      ...none,
      ...none,
      { pointer: named + 3 * PAGE_BYTES + 100, length: 60 },
      { pointer: named + 4 * PAGE_BYTES, length: 500 },
    );
    module.write(
      TransmitFrameLayout,
      framesAt,
      { token: 1n, segments: first, segment_count: 3, header_room: ROOM },
      { token: 2n, segments: second, segment_count: 2 },
    );
  }

  /** What the device may be given: a header that asks for nothing, and a frame. Returns the frame's bytes. */
  private checkChain(head: number): number {
    const chain = this.ring.chain(head);
    for (const { address, length, isWritable } of chain) {
      assert.ok(!isWritable && length > 0 && length <= 6 * PAGE_BYTES, `a buffer of ${length} bytes`);
      const page = BigInt(PAGE_BYTES);
      for (let at = address - (address % page); at < address + BigInt(length); at += page) {
        assert.ok(this.allowed.has(at), `0x${at.toString(16)} is no page of the frames'`);
      }
    }
    const header = new Uint8Array(this.headerBytes);
    const start = chain[0];
    assert.ok(start !== undefined && start.length >= header.length);
    this.card.device.dma.read(Number(start.address), header, 0, header.length);
    assert.ok(
      header.every((byte) => byte === 0),
      `the header is ${Buffer.from(header).toString("hex")}`,
    );
    const bytes = chain.reduce((sum, { length }) => sum + length, 0) - header.length;
    assert.ok(bytes >= FRAME_BYTES_MIN && bytes <= FRAME_BYTES_MAX, `a frame of ${bytes} bytes`);
    return bytes;
  }

  private checkCompletions(lengths: readonly number[]): void {
    const { card } = this;
    const { exports } = card.module;
    const count = exports.net_reclaim(card.handle, card.completionsAt, 8);
    assert.equal(count, lengths.length, "each frame completes once");
    lengths.forEach((length, index) => {
      const completion = card.module.read(CompletionLayout, card.completionsAt + index * CompletionLayout.size);
      assert.equal(completion.result, Result.OK);
      assert.equal(completion.length, length, "a completion states how long its frame was");
      assert.ok([BigInt(index + 1), 77n].includes(completion.token), `token ${completion.token}`);
    });
    assert.equal(exports.net_reclaim(card.handle, card.completionsAt, 8), 0);
    card.checkViolations();
  }
}

describe("a frame that changes while it is handed in", () => {
  for (const [layout, features] of [
    ["header and frame in one", undefined],
    ["header and frame apart", 0],
  ] as const) {
    onBothBuilds(`is one that could have been asked for, or is refused, ${layout}`, (build) => {
      const frames = new ChangingFrames(build, features);
      const { card } = frames;
      const runs = changeEverywhere(card.kernel, card.module.view, frames.changes(), (arm, what) => {
        try {
          frames.run(arm);
        } catch (error) {
          throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
        }
      });
      assert.ok(runs > 1000, `${runs} runs`);
      card.check();
      card.closes();
    });
  }
});
