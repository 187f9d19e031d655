/**
 * Debug I/O from inside any other call: the machine crashes at each import in turn that everyday calls make, and its handler
 * sends a frame and receives one. Nothing is allocated, logged or waited for without end meanwhile.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Event, Result } from "../../../kernel-shim/javascript/index.js";
import type { Build, KernelImports } from "../../../kernel-shim/machine.js";
import { frame } from "../../cases/net/frames.js";
import { HostedCard, type HostedCardOptions } from "./card.js";
import { assertResult } from "./hosted.js";
import { onBothBuilds } from "./moments.js";

const ENOUGH_MICROSECONDS = 1_000_000;
const FRAME_BYTES_MAX = 1518;
/** Far from the records of the calls that are interrupted. */
const RECORD_OFFSET = 32 * 1024;

class Crash extends Error {}

/** A card, and what a crash handler does with it. */
class CrashingCard extends HostedCard {
  constructor(build: Build, options: HostedCardOptions = {}) {
    super(build, { ...options, open: { debug: 1, ...options.open } });
  }

  send(bytes: Uint8Array, timeout = ENOUGH_MICROSECONDS): number {
    const { exports } = this.module;
    this.bytes(bytes.length).set(bytes);
    return exports.net_debug_transmit(this.handle, this.record, bytes.length, timeout);
  }

  receiveOne(timeout = ENOUGH_MICROSECONDS): Uint8Array | number {
    const length = this.module.exports.net_debug_receive(this.handle, this.record, FRAME_BYTES_MAX, timeout);
    return length > 0 ? this.bytes(length).slice() : length;
  }

  /** Both ways, with nothing but the device's registers, and no interrupt. */
  handleCrash(): void {
    const { module, peer } = this;
    const before = { ...module.kernel };
    module.kernel.dma_alloc = () => assert.fail("memory was allocated");
    module.kernel.log = () => assert.fail("something was logged");
    peer.sent.length = 0;
    assertResult(this.send(frame(200, 7)), Result.OK);
    assert.deepEqual(peer.sent.at(-1), frame(200, 7));
    peer.deliver(frame(300, 8));
    assert.deepEqual(this.receiveOne(), frame(300, 8));
    assert.deepEqual(module.line, []);
    Object.assign(module.kernel, before);
  }

  private get record(): number {
    return this.module.records + RECORD_OFFSET;
  }

  private bytes(length: number): Uint8Array {
    return new Uint8Array(this.module.view.buffer, this.record, length);
  }
}

/** What goes on all day. */
function everydayCalls(card: CrashingCard): void {
  const { module, peer, handle } = card;
  const { exports } = module;
  card.transmit(3);
  for (let seed = 0; seed < 4; seed++) peer.deliver(frame(100, seed));
  module.letDevicesWork();
  exports.interrupt(handle);
  module.reclaim(handle, 8);
  exports.net_await_all(handle);
  card.receiveAll();
  exports.enable_interrupts(handle);
  exports.disable_interrupts(handle);
  exports.suspend(handle, 1);
  exports.resume(handle);
  exports.reset(handle);
  card.transmit(1);
}

/** The card is its owner's again: what the interrupted call left half done comes back, and nothing else. */
function giveBack(card: CrashingCard): void {
  const { module, handle } = card;
  const { exports } = module;
  if (exports.reset(handle) === Result.E_SUSPENDED) assertResult(exports.resume(handle), Result.OK);
  const { completions } = module.reclaim(handle, 32);
  for (const { token } of completions) assert.ok(token < 3n, `token ${token}`);
  assert.ok(completions.length <= 4, `${completions.length} completions`);
  module.letDevicesWork();
  card.receiveAll();
  card.works();
}

type KernelFunction = (...parameters: never[]) => unknown;

/** Calls `happen` before the import in that place of all that are called from now on. Returns how many were, so far. */
function beforeImport(kernel: KernelImports, place: number, happen: () => void): () => number {
  let count = 0;
  const original: Partial<KernelImports> = { ...kernel };
  for (const [name, call] of Object.entries(original) as [keyof KernelImports, KernelFunction][]) {
    const replaced = (...parameters: never[]): unknown => {
      if (count++ === place) {
        Object.assign(kernel, original);
        happen();
      }
      return call(...parameters);
    };
    Object.assign(kernel, { [name]: replaced });
  }
  return () => count;
}

describe("debug I/O", () => {
  onBothBuilds("works at every import of everyday calls, and the card comes back with a reset", (build) => {
    const counted = new CrashingCard(build);
    const imports = beforeImport(counted.module.kernel, Infinity, () => {});
    everydayCalls(counted);
    assert.ok(imports() > 100, `${imports()} imports`);
    // Each is one; the memory of the ported build is cleared in so many calls that some will do.
    const step = Math.ceil(imports() / 400);
    for (let place = 0; place < imports(); place += step) {
      const card = new CrashingCard(build);
      let hasCrashed = false;
      beforeImport(card.module.kernel, place, () => {
        const isAsleep = card.module.exports.net_debug_transmit(card.handle, 0, 60, 0) === Result.E_SUSPENDED;
        if (!isAsleep) card.handleCrash();
        hasCrashed = true;
        throw new Crash();
      });
      assert.throws(() => everydayCalls(card), Crash);
      assert.ok(hasCrashed);
      giveBack(card);
    }
  });

  onBothBuilds("gives the card back to its owner with all that was under way", (build) => {
    const card = new CrashingCard(build);
    const { module, handle } = card;
    card.transmit(3);
    card.handleCrash();
    assert.ok(module.exports.events(handle) & Event.BROKEN);
    assertResult(module.transmit(handle, card.frames(1)).count, Result.E_BROKEN);
    assertResult(module.exports.reset(handle), Result.OK);
    const { completions } = module.reclaim(handle, 8);
    assert.deepEqual(
      completions.map(({ token, result }) => [token, result]),
      [0n, 1n, 2n].map((token) => [token, Result.E_RESET]),
    );
    card.works();
    module.assertNoComplaints();
    assert.equal(module.exports.close(handle), 0);
  });

  onBothBuilds("says when a frame does not leave, and does not send the next one before", (build) => {
    const card = new CrashingCard(build);
    const { module, peer } = card;
    assertResult(card.send(frame(60, 1)), Result.OK);
    const before = { ...module.kernel };
    let now = before.now_ns();
    Object.assign(module.kernel, { relax: () => {}, now_ns: () => (now += 10_000n) });
    peer.sent.length = 0;
    assertResult(card.send(frame(60, 2), 100), Result.E_TIMEOUT);
    assertResult(card.send(frame(60, 3), 100), Result.E_TIMEOUT);
    assert.equal(card.receiveOne(100), 0);
    Object.assign(module.kernel, before);
    assertResult(card.send(frame(60, 4)), Result.OK);
    assert.deepEqual(peer.sent, [frame(60, 2), frame(60, 4)]);
  });

  onBothBuilds("ends its waits though the clock stands still", (build) => {
    const card = new CrashingCard(build);
    const { module } = card;
    assertResult(card.send(frame(60, 1)), Result.OK);
    module.kernel.relax = () => {};
    module.kernel.now_ns = () => 5n;
    assertResult(card.send(frame(60, 2)), Result.E_TIMEOUT);
    assert.equal(card.receiveOne(), 0);
  });

  onBothBuilds("works with rings of any size", (build) => {
    for (const size of [2, 4, 8, 16, 256]) {
      const card = new CrashingCard(build, { card: { queueSizes: [size, size] } });
      for (let round = 0; round < 3 * Math.min(size, 16); round++) card.handleCrash();
    }
  });

  onBothBuilds("believes no used ring, and takes the card over anew after a lie", (build) => {
    const card = new CrashingCard(build);
    const { faults } = card.device;
    for (const id of [1, 255, 256, 0xffff_ffff]) {
      faults.usedId = () => id;
      assertResult(card.send(frame(60, 1)), Result.E_BROKEN);
      delete faults.usedId;
      card.handleCrash();
    }
    // More chains than there are.
    faults.usedIndex = (_, index) => index + 2;
    assertResult(card.send(frame(60, 1), 100), Result.E_BROKEN);
    delete faults.usedIndex;
    card.handleCrash();
  });

  onBothBuilds("copies no more than the device can have written, and drops what is no frame", (build) => {
    const card = new CrashingCard(build);
    const { peer, device } = card;
    assertResult(card.send(frame(60, 1)), Result.OK);
    device.faults.usedLength = () => 0xffff_ffff;
    peer.deliver(frame(100, 2));
    const longest = card.receiveOne();
    assert.ok(typeof longest === "object" && longest.length === FRAME_BYTES_MAX);
    assert.deepEqual(longest.subarray(0, 100), frame(100, 2));
    for (const length of [0, 9, 12, 23]) {
      device.faults.usedLength = () => length;
      peer.deliver(frame(100, 3));
      assert.equal(card.receiveOne(100), 0);
    }
    delete device.faults.usedLength;
    card.handleCrash();
  });

  it("refuses records outside of linear memory, and frames of no size", () => {
    const card = new CrashingCard("mapped");
    const { exports, records, view } = card.module;
    const end = view.buffer.byteLength;
    for (const pointer of [0, end - 59, end, 0xffff_ffff]) {
      assertResult(exports.net_debug_transmit(card.handle, pointer, 60, 0), Result.E_ARGUMENT);
    }
    for (const [pointer, capacity] of [
      [0, FRAME_BYTES_MAX],
      [end - FRAME_BYTES_MAX + 1, FRAME_BYTES_MAX],
      [records, FRAME_BYTES_MAX - 1],
      [records, 0],
    ] as const) {
      assertResult(exports.net_debug_receive(card.handle, pointer, capacity, 0), Result.E_ARGUMENT);
    }
    for (const bytes of [0, 13, FRAME_BYTES_MAX + 1]) {
      assertResult(exports.net_debug_transmit(card.handle, records, bytes, 0), Result.E_FRAME_SIZE);
    }
    // None of these took the card over.
    card.works();
  });
});
