/** What the block device makes of DISCARD, WRITE_ZEROES, SECURE_ERASE and GET_LIFETIME. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BlockDeviceOptions } from "../../../kernel-shim/emulated-pc/block/device.js";
import { assertViolations, blockGuest, BlockRequest, type BlockGuest, type GuestQueue } from "./guest.js";

const ANY_LAYOUT = 2 ** 27;
const FLUSH = 2 ** 9;
const DISCARD_FEATURE = 2 ** 13;
const WRITE_ZEROES_FEATURE = 2 ** 14;
const LIFETIME_FEATURE = 2 ** 15;
const SECURE_ERASE_FEATURE = 2 ** 16;
const ALL = ANY_LAYOUT + FLUSH + DISCARD_FEATURE + WRITE_ZEROES_FEATURE + LIFETIME_FEATURE + SECURE_ERASE_FEATURE;
const GET_LIFETIME = 10;
const DISCARD = 11;
const WRITE_ZEROES = 13;
const SECURE_ERASE = 14;
const OPERATIONS = [DISCARD, WRITE_ZEROES, SECURE_ERASE];
const OK = 0;
const IOERR = 1;
const UNSUPP = 2;
const UNMAP = 1;
const CONFIGURATION = 20;

type Range = readonly [sector: number, sectors: number, flags?: number];

const limits = { sectors: 16, ranges: 2, alignment: 4 };

function newGuest(options: Partial<BlockDeviceOptions> = {}, isReadOnly = false): BlockGuest {
  const offered = { discard: limits, writeZeroes: limits, secureErase: limits, lifetime: [1, 2, 3] as const };
  return blockGuest({}, { ...offered, ...options }, isReadOnly);
}

/** Submits a request of these ranges; returns its status. */
function perform(
  { pc, guest }: BlockGuest,
  queue: GuestQueue,
  type: number,
  ranges: readonly Range[],
  cut = 0,
): number {
  const bytes = new DataView(new ArrayBuffer(16 * ranges.length));
  ranges.forEach(([sector, sectors, flags = 0], index) => {
    bytes.setBigUint64(16 * index, BigInt(sector), true);
    bytes.setUint32(16 * index + 8, sectors, true);
    bytes.setUint32(16 * index + 12, flags, true);
  });
  const request = new BlockRequest(guest, bytes.byteLength - cut);
  pc.writeBuffer(request.data, new Uint8Array(bytes.buffer, 0, bytes.byteLength - cut));
  request.setHeader(type, 0);
  queue.chain(0, request.descriptors(type));
  queue.publish(0);
  queue.notify();
  return request.result;
}

describe("operations on ranges", () => {
  it("zero, erase, and spoil what is discarded, and nothing else", () => {
    for (const type of OPERATIONS) {
      const machine = newGuest();
      const { pc, disk, guest } = machine;
      const before = disk.bytes.slice();
      const queue = guest.start(ALL);
      assert.equal(
        perform(machine, queue, type, [
          [4, 8],
          [100, 1],
        ]),
        OK,
      );
      const value = type === DISCARD ? 0xdc : 0;
      before.fill(value, 4 * 512, 12 * 512);
      before.fill(value, 100 * 512, 101 * 512);
      assert.deepEqual(disk.bytes, before);
      assert.equal(queue.used(0).length, 1, "the device wrote a status");
      assertViolations(pc, []);
    }
  });

  it("reach stable storage at once where the cache writes through", () => {
    const machine = newGuest();
    const queue = machine.guest.start(ALL - FLUSH);
    assert.equal(perform(machine, queue, WRITE_ZEROES, [[0, 1]]), OK);
    assert.equal(machine.disk.flushes, 1);
    const writeback = machine.guest.start(ALL);
    assert.equal(perform(machine, writeback, WRITE_ZEROES, [[0, 1]]), OK);
    assert.equal(machine.disk.flushes, 1);
  });

  it("take UNMAP for WRITE_ZEROES, and no other flag", () => {
    const machine = newGuest();
    const queue = machine.guest.start(ALL);
    assert.equal(perform(machine, queue, WRITE_ZEROES, [[0, 1, UNMAP]]), OK);
    assertViolations(machine.pc, []);
    assert.equal(
      perform(machine, queue, WRITE_ZEROES, [
        [0, 1],
        [0, 1, 2],
      ]),
      UNSUPP,
    );
    assert.equal(perform(machine, queue, DISCARD, [[0, 1, UNMAP]]), UNSUPP);
    assert.equal(perform(machine, queue, SECURE_ERASE, [[0, 1, UNMAP]]), UNSUPP);
    assertViolations(machine.pc, ["block-range-flags", "block-range-flags", "block-range-flags"]);
  });

  it("record more ranges, or sectors in all of them, than the limits allow", () => {
    for (const type of OPERATIONS) {
      const machine = newGuest();
      const queue = machine.guest.start(ALL);
      const before = machine.disk.bytes.slice();
      assert.equal(
        perform(machine, queue, type, [
          [0, 1],
          [1, 1],
          [2, 1],
        ]),
        UNSUPP,
      );
      assert.equal(perform(machine, queue, type, [[0, 17]]), IOERR);
      assert.equal(
        perform(machine, queue, type, [
          [0, 9],
          [20, 8],
        ]),
        IOERR,
      );
      assert.deepEqual(machine.disk.bytes, before);
      assertViolations(machine.pc, ["block-range-count", "block-range-sectors", "block-range-sectors"]);
    }
  });

  it("record ranges beyond the end", () => {
    const machine = newGuest();
    const queue = machine.guest.start(ALL);
    const before = machine.disk.bytes.slice();
    for (const type of OPERATIONS) {
      assert.equal(
        perform(machine, queue, type, [
          [0, 1],
          [127, 2],
        ]),
        IOERR,
      );
      assert.equal(perform(machine, queue, type, [[2 ** 52, 1]]), IOERR);
    }
    assert.deepEqual(machine.disk.bytes, before, "none of them is performed");
    assertViolations(machine.pc, new Array<string>(6).fill("block-capacity"));
  });

  it("record data that is no whole range, and none", () => {
    const machine = newGuest();
    const queue = machine.guest.start(ALL);
    assert.equal(perform(machine, queue, DISCARD, [[0, 1]], 1), IOERR);
    assert.equal(perform(machine, queue, WRITE_ZEROES, []), IOERR);
    assertViolations(machine.pc, ["block-data-length", "block-data-length"]);
  });

  it("record what was not negotiated, and answer UNSUPP", () => {
    const machine = newGuest();
    const { pc, guest } = machine;
    const queue = guest.start(ANY_LAYOUT);
    for (const type of OPERATIONS) assert.equal(perform(machine, queue, type, [[0, 1]]), UNSUPP);
    const lifetime = new BlockRequest(guest, 6);
    lifetime.setHeader(GET_LIFETIME, 0);
    queue.chain(0, lifetime.descriptors(GET_LIFETIME));
    queue.publish(0);
    queue.notify();
    assert.equal(lifetime.result, UNSUPP);
    assertViolations(pc, new Array<string>(4).fill("block-not-negotiated"));
  });

  it("record that a read-only disk is to be changed", () => {
    const machine = newGuest({}, true);
    const queue = machine.guest.start(ALL);
    for (const type of OPERATIONS) assert.equal(perform(machine, queue, type, [[0, 1]]), IOERR);
    assertViolations(machine.pc, new Array<string>(3).fill("block-read-only"));
  });

  it("answer IOERR to parts of blocks", () => {
    const machine = newGuest({ blockSize: 4096 });
    const queue = machine.guest.start(ALL + 2 ** 6);
    assert.equal(perform(machine, queue, WRITE_ZEROES, [[8, 8]]), OK);
    assert.equal(perform(machine, queue, WRITE_ZEROES, [[8, 4]]), IOERR);
    assert.equal(perform(machine, queue, WRITE_ZEROES, [[1, 8]]), IOERR);
  });

  it("have no sector but those of the ranges", () => {
    const machine = newGuest();
    const { pc, guest } = machine;
    const queue = guest.start(ALL);
    const request = new BlockRequest(guest, 16);
    pc.writeBuffer(request.data, Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0));
    request.setHeader(WRITE_ZEROES, 9);
    queue.chain(0, request.descriptors(WRITE_ZEROES));
    queue.publish(0);
    queue.notify();
    assert.equal(request.result, OK);
    assertViolations(pc, ["block-sector-unused"]);
  });

  it("have their limits in the configuration", () => {
    const machine = newGuest({ writeZeroes: { sectors: 7, ranges: 3, mayUnmap: false } });
    const field = (offset: number, width: 1 | 4 = 4): number => machine.guest.read(CONFIGURATION + offset, width);
    assert.deepEqual(
      [36, 40, 44].map((offset) => field(offset)),
      [16, 2, 4],
    );
    assert.deepEqual([field(48), field(52), field(56, 1)], [7, 3, 0]);
    assert.deepEqual(
      [60, 64, 68].map((offset) => field(offset)),
      [16, 2, 4],
    );
    assertViolations(machine.pc, []);
  });
});

describe("GET_LIFETIME", () => {
  it("reads three numbers, and nothing else", () => {
    const { pc, guest } = newGuest({ lifetime: [3, 11, 0x102] });
    const queue = guest.start(ALL);
    for (const [bytes, status] of [
      [6, OK],
      [8, IOERR],
    ] as const) {
      const request = new BlockRequest(guest, bytes);
      request.setHeader(GET_LIFETIME, 0);
      queue.chain(0, request.descriptors(GET_LIFETIME));
      queue.publish(0);
      queue.notify();
      assert.equal(request.result, status);
      if (status === OK) assert.deepEqual(request.contents, Uint8Array.of(3, 0, 11, 0, 2, 1));
    }
    assertViolations(pc, ["block-data-length"]);
  });
});
