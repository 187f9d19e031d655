/**
 * Every export that takes a record or an array, with it in the first bytes of memory, in the last, and where it no longer
 * fits: the same result at both ends as in the middle, E_ARGUMENT behind them, and nothing written beside it.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import {
  BlockInformationLayout,
  BlockOperation,
  BlockOptionsLayout,
  BlockRequestLayout,
  BlockStatisticsLayout,
  CompletionLayout,
  NetInformationLayout,
  NetOptionsLayout,
  NetStatisticsLayout,
  PciBarLayout,
  PciCapabilityLayout,
  PciFunctionLayout,
  PciRangesLayout,
  ReceivedBufferLayout,
  type RecordLayout,
  Result,
  SegmentLayout,
  TransmitFrameLayout,
} from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { onBothBuilds } from "../../hostile/fixed/ground.js";
import { frameOf } from "../../hostile/traced-network.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk, SECTOR_BYTES } from "../../raw-stack/raw-disk.js";
import type { RawGround } from "../../raw-stack/raw-ground.js";
import { MODULE_BASE } from "../../raw-stack/raw-module.js";
import { inWholeMemory, MEMORY_END, type Places } from "../../raw-stack/whole-memory.js";

/** Both ends are free for records. */
const places: Places = {
  arena: { start: 1024 * 1024, bytes: 512 * 1024 },
  records: 3 * 1024 * 1024,
  pool: { start: 2 * 1024 * 1024, end: 3 * 1024 * 1024 },
};
const MIDDLE = 2 ** 31 - 8;
const GUARD_BYTES = 64;
const GUARD = 0x3c;
const ALL_FEATURES = 0xffff_ffff_ffff_ffffn;

/** An export, called with an array at a place of the test's choice. */
interface ArrayCall<Ground extends RawGround> {
  /** Of the array's records. */
  readonly layout: RecordLayout;
  /** How many there are; one record, and no count, when not given. */
  readonly count?: number;
  /** Has something there to be taken, and writes what the call reads. */
  prepare?(ground: Ground, pointer: number): void;
  call(ground: Ground, pointer: number, count: number): number;
  /** What the call returns with so many records. */
  readonly result: number;
  /** Looks at what came of it. */
  check?(ground: Ground, pointer: number): void;
}

/** What `net_release` takes: numbers. */
const IdLayout: RecordLayout = { size: 4, alignment: 4, fields: { buffer: { offset: 0, type: "u32" } } };

/** Bytes of a record without those behind its last field. */
function usedBytes({ fields }: RecordLayout): number {
  const ends = Object.values(fields).map(({ offset, type }) => offset + Number(/\d+/.exec(type)?.[0]) / 8);
  return Math.max(...ends);
}

const read = (disk: RawDisk) => ({
  operation: BlockOperation.READ,
  segments: [{ pointer: disk.buffer, length: SECTOR_BYTES }],
});

const diskCalls: Readonly<Record<string, ArrayCall<RawDisk>>> = {
  block_open: {
    layout: BlockOptionsLayout,
    prepare: ({ module }, pointer) => module.write(BlockOptionsLayout, pointer, { features: ALL_FEATURES }),
    call: ({ module, address }, pointer) => module.exports.block_open(address, pointer),
    // Options are looked at first.
    result: Result.E_IN_USE,
  },
  block_information: {
    layout: BlockInformationLayout,
    call: ({ module, handle }, pointer) => module.exports.block_information(handle, pointer),
    result: Result.OK,
    check: ({ module, contents }, pointer) => {
      assert.equal(module.read(BlockInformationLayout, pointer).capacity, BigInt(contents.sectors));
      assert.ok(module.read(BlockInformationLayout, pointer).writeback <= 1);
    },
  },
  block_statistics: {
    layout: BlockStatisticsLayout,
    call: ({ module, handle }, pointer) => module.exports.block_statistics(handle, pointer),
    result: Result.OK,
    check: ({ module }, pointer) => assert.equal(module.read(BlockStatisticsLayout, pointer).resets, 0n),
  },
  block_submit: {
    layout: BlockRequestLayout,
    count: 3,
    prepare: ({ module, buffer, segmentsAt }, pointer) => {
      module.write(SegmentLayout, segmentsAt, { pointer: buffer, length: SECTOR_BYTES });
      const request = { operation: BlockOperation.READ, segments: segmentsAt, segment_count: 1, result: 9 };
      module.write(BlockRequestLayout, pointer, request, request, request);
    },
    call: ({ module, handle }, pointer, count) => module.exports.block_submit(handle, pointer, count),
    result: 3,
    check: (disk, pointer) => {
      assert.equal(disk.module.read(BlockRequestLayout, pointer + 2 * BlockRequestLayout.size).result, Result.OK);
      disk.wait();
      assert.equal(disk.poll().length, 3);
    },
  },
  block_poll: {
    layout: CompletionLayout,
    count: 3,
    prepare: (disk) => {
      assert.equal(disk.submit(read(disk), read(disk), read(disk)).accepted, 3);
      disk.wait();
    },
    call: ({ module, handle }, pointer, count) => module.exports.block_poll(handle, pointer, count),
    result: 3,
    check: ({ module }, pointer) => {
      for (let index = 0; index < 3; index++) {
        const completion = module.read(CompletionLayout, pointer + index * CompletionLayout.size);
        assert.deepEqual(completion, { token: 1n, result: Result.OK, length: SECTOR_BYTES });
      }
    },
  },
  pci_scan: {
    layout: PciFunctionLayout,
    count: 2,
    call: ({ module }, pointer, count) => module.exports.pci_scan(pointer, count),
    result: 2,
    check: ({ module, address }, pointer) => {
      assert.equal(module.read(PciFunctionLayout, pointer + PciFunctionLayout.size).address, address);
    },
  },
  pci_bar: {
    layout: PciBarLayout,
    call: ({ module }, pointer) => module.exports.pci_bar(0, 0, pointer),
    result: Result.OK,
    check: ({ module }, pointer) => assert.equal(module.read(PciBarLayout, pointer).size, 0n),
  },
  pci_capabilities: {
    layout: PciCapabilityLayout,
    count: 1,
    call: ({ module, address }, pointer, count) => module.exports.pci_capabilities(address, pointer, count),
    result: 1,
    check: ({ module }, pointer) => assert.equal(module.read(PciCapabilityLayout, pointer).id, 0x11),
  },
  pci_assign: {
    layout: PciRangesLayout,
    prepare: ({ module }, pointer) => {
      module.write(PciRangesLayout, pointer, { io_next: 0x8000, io_end: 0x9000, memory_next: 0, memory_last: 0 });
    },
    call: ({ module }, pointer) => module.exports.pci_assign(pointer),
    result: Result.OK,
    check: ({ module }, pointer) => assert.equal(module.read(PciRangesLayout, pointer).io_next, 0x8000),
  },
};

const cardCalls: Readonly<Record<string, ArrayCall<RawCard>>> = {
  net_open: {
    layout: NetOptionsLayout,
    prepare: ({ module }, pointer) => module.write(NetOptionsLayout, pointer, { features: ALL_FEATURES }),
    call: ({ module, address }, pointer) => module.exports.net_open(address, pointer),
    result: Result.E_IN_USE,
  },
  net_information: {
    layout: NetInformationLayout,
    call: ({ module, handle }, pointer) => module.exports.net_information(handle, pointer),
    result: Result.OK,
    check: ({ module }, pointer) => assert.equal(module.read(NetInformationLayout, pointer).mtu, 1500),
  },
  net_statistics: {
    layout: NetStatisticsLayout,
    call: ({ module, handle }, pointer) => module.exports.net_statistics(handle, pointer),
    result: Result.OK,
    check: ({ module }, pointer) => assert.equal(module.read(NetStatisticsLayout, pointer).receive_errors, 0n),
  },
  net_transmit: {
    layout: TransmitFrameLayout,
    count: 3,
    prepare: ({ module, buffer, segmentsAt }, pointer) => {
      module.write(SegmentLayout, segmentsAt, { pointer: buffer, length: 60 });
      const frame = { segments: segmentsAt, segment_count: 1, result: 9 };
      module.write(TransmitFrameLayout, pointer, frame, frame, frame);
    },
    call: ({ module, handle }, pointer, count) => module.exports.net_transmit(handle, pointer, count),
    result: 3,
    check: (card, pointer) => {
      assert.equal(card.module.read(TransmitFrameLayout, pointer + 2 * TransmitFrameLayout.size).result, Result.OK);
      card.wait();
      assert.equal(card.reclaim().length, 3);
    },
  },
  net_reclaim: {
    layout: CompletionLayout,
    count: 3,
    prepare: (card) => {
      for (let frame = 0; frame < 3; frame++) card.transmit([{ pointer: card.buffer, length: 60 }]);
      card.wait();
    },
    call: ({ module, handle }, pointer, count) => module.exports.net_reclaim(handle, pointer, count),
    result: 3,
    check: ({ module }, pointer) => {
      const last = module.read(CompletionLayout, pointer + 2 * CompletionLayout.size);
      assert.deepEqual(last, { token: 1n, result: Result.OK, length: 60 });
    },
  },
  net_receive: {
    layout: ReceivedBufferLayout,
    count: 3,
    prepare: (card) => {
      for (let frame = 0; frame < 3; frame++) card.network.arrive(frameOf(frame, 60 + frame));
      card.wait();
    },
    call: ({ module, handle }, pointer, count) => module.exports.net_receive(handle, pointer, count),
    result: 3,
    check: (card, pointer) => {
      const ids = [0, 1, 2].map((index) => {
        const received = card.module.read(ReceivedBufferLayout, pointer + index * ReceivedBufferLayout.size);
        assert.deepEqual(card.readBuffer(received.pointer, received.length), frameOf(index, 60 + index));
        return received.buffer;
      });
      assert.equal(card.release(ids), 3);
    },
  },
  net_release: {
    layout: IdLayout,
    count: 3,
    prepare: (card, pointer) => {
      for (let frame = 0; frame < 3; frame++) card.network.arrive(frameOf(frame, 60));
      card.wait();
      const received = card.receive();
      assert.ok(typeof received !== "number");
      received.forEach(({ buffer }, index) => card.module.view.setUint32(pointer + 4 * index, buffer, true));
    },
    call: ({ module, handle }, pointer, count) => module.exports.net_release(handle, pointer, count),
    result: 3,
  },
};

/** Bytes around an array that are nobody's, and do not change. */
class Guards {
  private readonly ranges: Uint8Array[];

  constructor({ module }: RawGround, pointer: number, bytes: number) {
    const end = pointer + bytes;
    const behind = end === MODULE_BASE || end === MEMORY_END ? 0 : GUARD_BYTES;
    const before = Math.min(GUARD_BYTES, pointer);
    this.ranges = [module.bytes(pointer - before, before), module.bytes(end, behind)];
    for (const range of this.ranges) range.fill(GUARD);
  }

  check(): void {
    for (const range of this.ranges)
      assert.ok(
        range.every((byte) => byte === GUARD),
        "nothing is written beside it",
      );
  }
}

/** The same at every place; what lies beside the array stays as it is. */
function isTheSameEverywhere<Ground extends RawGround>(ground: Ground, call: ArrayCall<Ground>): void {
  const { layout, count = 1, result } = call;
  const bytes = layout.size * count;
  for (const pointer of [8, MODULE_BASE - bytes, MIDDLE, MEMORY_END - bytes]) {
    const guards = new Guards(ground, pointer, bytes);
    call.prepare?.(ground, pointer);
    assert.equal(call.call(ground, pointer, count), result, `at 0x${pointer.toString(16)}`);
    guards.check();
    call.check?.(ground, pointer);
  }
}

/** What does not fit is refused, and nothing of it touched. */
function isRefusedBehindTheEnd<Ground extends RawGround>(ground: Ground, call: ArrayCall<Ground>): void {
  const { layout, count = 1 } = call;
  const { size } = layout;
  const last = ground.module.bytes(MEMORY_END - 4096, 4096).fill(GUARD);
  const first = ground.module.bytes(0, 4096).fill(GUARD);
  const refused = (pointer: number, records: number): void => {
    const returned = call.call(ground, pointer, records);
    assert.equal(returned, Result.E_ARGUMENT, `${records} at 0x${pointer.toString(16)}`);
  };
  const used = size * (count - 1) + usedBytes(layout);
  for (let off = 1; off < used; off++) refused(MEMORY_END - used + off, count);
  if (call.count === undefined) {
    // For options, no record is all defaults.
    if (call.result !== Result.E_IN_USE) refused(0, 1);
  } else {
    refused(0, count);
    for (const many of [0xffff_ffff, 0x8000_0000, Math.ceil(MEMORY_END / size)]) refused(8, many);
    refused(MEMORY_END - size * count, count + 1);
  }
  for (const range of [last, first])
    assert.ok(
      range.every((byte) => byte === GUARD),
      "nothing is written",
    );
}

/** Arrays of nothing, and such as cover all of memory. */
function takesAnyCount<Ground extends RawGround>(ground: Ground, call: ArrayCall<Ground>): void {
  for (const pointer of [1, 8, MEMORY_END - 1, MEMORY_END - 8]) {
    const returned = call.call(ground, pointer, 0);
    assert.ok(returned >= 0, `${returned} for nothing at 0x${pointer.toString(16)}`);
  }
}

function disk(build: Build): RawDisk {
  const ground = new RawDisk(inWholeMemory(build, places), { queueSizes: [16] });
  ground.ok(ground.open());
  return ground;
}

function card(build: Build): RawCard {
  const ground = new RawCard(inWholeMemory(build, places), { queueSizes: [16, 16], features: 2 ** 27 });
  ground.ok(ground.open());
  return ground;
}

function testCalls<Ground extends RawDisk | RawCard>(
  calls: Readonly<Record<string, ArrayCall<Ground>>>,
  make: (build: Build) => Ground,
): void {
  for (const [name, call] of Object.entries(calls)) {
    describe(name, () => {
      onBothBuilds("does the same with its records in the first bytes of memory and in the last", (build) => {
        const ground = make(build);
        isTheSameEverywhere(ground, call);
        ground.works();
        ground.closes();
        ground.checkViolations();
      });

      onBothBuilds("refuses records that end behind 2^32: E_ARGUMENT, and nothing is written", (build) => {
        const ground = make(build);
        isRefusedBehindTheEnd(ground, call);
        ground.works();
        ground.closes();
        ground.checkViolations();
      });

      if (call.count !== undefined) {
        onBothBuilds("takes an array of nothing, at the end of memory as well", (build) => {
          const ground = make(build);
          takesAnyCount(ground, call);
          ground.works();
          ground.closes();
          ground.checkViolations();
        });
      }
    });
  }
}

testCalls(diskCalls, disk);
testCalls(cardCalls, card);

describe("an array that is all of memory", () => {
  onBothBuilds("takes the completions of a disk, and is left alone behind them", (build) => {
    const ground = disk(build);
    const { exports } = ground.module;
    assert.equal(ground.submit(read(ground), read(ground)).accepted, 2);
    ground.wait();
    // It would end at 2^32, over the module's own data; two records of it are written.
    const count = (MEMORY_END - 16) / CompletionLayout.size;
    const behind = ground.module.bytes(16 + 2 * CompletionLayout.size, 1024).fill(GUARD);
    assert.equal(exports.block_poll(ground.handle, 16, count), 2);
    assert.ok(behind.every((byte) => byte === GUARD));
    assert.equal(exports.block_poll(ground.handle, 16, count), 0);
    ground.works();
    ground.closes();
  });

  onBothBuilds("takes what a card received, and is left alone behind it", (build) => {
    const ground = card(build);
    const { exports } = ground.module;
    ground.network.arrive(frameOf(1, 100));
    ground.wait();
    const count = Math.floor((MEMORY_END - 16) / ReceivedBufferLayout.size);
    const behind = ground.module.bytes(16 + ReceivedBufferLayout.size, 1024).fill(GUARD);
    assert.equal(exports.net_receive(ground.handle, 16, count), 1);
    assert.ok(behind.every((byte) => byte === GUARD));
    const { buffer } = ground.module.read(ReceivedBufferLayout, 16);
    assert.equal(ground.release([buffer]), 1);
    ground.works();
    ground.closes();
  });
});

describe("an array of segments", () => {
  for (const [place, at] of [
    ["in the first bytes of memory", 8],
    ["in the last", MEMORY_END - 2 * SegmentLayout.size],
    ["across 2^31", 2 ** 31 - 8],
  ] as const) {
    onBothBuilds(`${place} is read as any other`, (build) => {
      const ground = disk(build);
      ground.segmentsAt = at;
      ground.works();
      ground.closes();
      const other = card(build);
      other.segmentsAt = at;
      other.sends([
        { pointer: other.buffer, length: 50 },
        { pointer: other.buffer + 100, length: 50 },
      ]);
      other.closes();
    });
  }

  onBothBuilds("that ends behind 2^32 is E_ARGUMENT", (build) => {
    const ground = disk(build);
    const { module, handle, requestsAt } = ground;
    const places: readonly (readonly [number, number])[] = [
      [MEMORY_END - 8, 2],
      [MEMORY_END - 7, 1],
      [MEMORY_END - 1, 1],
      [8, 0x2000_0000],
      [8, 0xffff_ffff],
      [0, 1],
    ];
    for (const [segments, segment_count] of places) {
      module.write(BlockRequestLayout, requestsAt, { operation: BlockOperation.READ, segments, segment_count });
      assert.equal(module.exports.block_submit(handle, requestsAt, 1), 0);
      assert.equal(module.read(BlockRequestLayout, requestsAt).result, Result.E_ARGUMENT);
    }
    ground.works();
    ground.closes();
    const other = card(build);
    for (const [segments, segment_count] of places) {
      const refused = other.transmit([], { segments, segment_count });
      assert.deepEqual(refused, { accepted: 0, refusal: Result.E_ARGUMENT });
    }
    other.works();
    other.closes();
  });
});
