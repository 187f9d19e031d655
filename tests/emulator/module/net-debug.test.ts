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

// Legacy registers. [virtio-1.2 §4.1.4.8]
const QUEUE_SIZE = 12;
const QUEUE_SELECT = 14;

class Crash extends Error {}

/** Of a device that has another size for a queue than before. */
function queueSizeLie(queue: number): (offset: number, right: number, selected: number) => number {
  return (offset, right, selected) => (offset === QUEUE_SIZE && selected === queue ? right / 2 : right);
}

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

  onBothBuilds("takes a card over to receive as to send", (build) => {
    const card = new CrashingCard(build);
    const { kernel } = card.module;
    const before = { ...kernel };
    kernel.relax = () => {
      card.peer.deliver(frame(100, 1));
      before.relax();
    };
    assert.deepEqual(card.receiveOne(), frame(100, 1));
  });

  const STATUS = 18;
  for (const [what, lie] of [
    ["does not reset", (offset: number, right: number) => (offset === STATUS ? right | 4 : right)],
    [
      "refuses its features",
      (offset: number, right: number) => (offset === STATUS && right & 8 ? right | 0x40 : right),
    ],
    ["has another queue to receive in", queueSizeLie(0)],
    ["has another queue to send in", queueSizeLie(1)],
  ] as const) {
    onBothBuilds(`says as a reset would why a card that ${what} cannot be taken over`, (build) => {
      const card = new CrashingCard(build);
      const { module, handle, device } = card;
      let selected = 0;
      device.faults.writeRegister = (offset, _, value) => {
        if (offset === QUEUE_SELECT) selected = value;
        return true;
      };
      device.faults.readRegister = (offset, _, right) => lie(offset, right, selected);
      const reset = module.exports.reset(handle);
      assert.ok(reset < 0);
      assertResult(card.send(frame(60, 1), 100), reset);
      const received = card.receiveOne(100);
      assert.ok(typeof received === "number");
      assertResult(received, reset);
      device.faults.readRegister = undefined;
      card.handleCrash();
      assertResult(module.exports.reset(handle), Result.OK);
      card.works();
    });
  }

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

  onBothBuilds("says that the card went while it waited for it", (build) => {
    for (const waits of ["send", "receive"] as const) {
      const card = new CrashingCard(build);
      const { module, handle, device } = card;
      assertResult(card.send(frame(60, 1)), Result.OK);
      assert.equal(module.exports.events(handle), Event.BROKEN);
      const { kernel, pc } = module;
      const before = { ...kernel };
      kernel.relax = () => {
        Object.assign(kernel, before);
        pc.removeDevice(device);
      };
      const result = waits === "send" ? card.send(frame(60, 2), 100) : card.receiveOne(100);
      assert.equal(result, Result.E_GONE);
      assert.equal(module.exports.events(handle), Event.GONE);
      assertResult(card.send(frame(60, 3), 100), Result.E_GONE);
      assert.equal(module.exports.close(handle), 0);
    }
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

  onBothBuilds("believes no used ring of received frames, either", (build) => {
    const card = new CrashingCard(build);
    const { faults } = card.device;
    assertResult(card.send(frame(60, 1)), Result.OK);
    for (const id of [255, 256, 0xffff_ffff]) {
      faults.usedId = (queue, right) => (queue === 0 ? id : right);
      card.peer.deliver(frame(100, 2));
      const received = card.receiveOne();
      assert.ok(typeof received === "number");
      assertResult(received, Result.E_BROKEN);
      delete faults.usedId;
      card.handleCrash();
    }
  });

  onBothBuilds("tells the owner once that the card is not its own any more", (build) => {
    const card = new CrashingCard(build);
    const { module, handle, device } = card;
    card.handleCrash();
    assert.equal(module.exports.events(handle), Event.BROKEN);
    device.faults.usedId = () => 255;
    assertResult(card.send(frame(60, 1)), Result.E_BROKEN);
    delete device.faults.usedId;
    card.handleCrash();
    assert.equal(module.exports.events(handle), 0);
  });

  onBothBuilds("comes back though all that the card receives is no frame", (build) => {
    const card = new CrashingCard(build);
    const { peer, device } = card;
    assertResult(card.send(frame(60, 1)), Result.OK);
    const buffers = 7;
    let received = 0;
    device.faults.usedLength = (queue, right) => (queue === 0 && received++ < buffers ? 0 : right);
    for (let seed = 0; seed <= buffers; seed++) peer.deliver(frame(100, seed));
    assert.equal(card.receiveOne(), 0);
    assert.deepEqual(card.receiveOne(), frame(100, buffers));
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

  onBothBuilds("is asked for in vain where the card cannot be opened, or has no room for it in its ring", (build) => {
    const card = new HostedCard(build, { card: { queueSizes: [1, 8] } });
    const { module, device } = card;
    assert.equal(module.exports.close(card.handle), 0);
    assertResult(module.openCard(device, { debug: 1 }), Result.E_QUEUE_SIZE);
    assertResult(module.openCard(device, { receive_buffer_bytes: 100 }), Result.E_ARGUMENT);
    const other = new HostedCard(build);
    assert.equal(other.module.exports.close(other.handle), 0);
    const refused = other.module.openCard(other.device, { debug: 1, receive_buffer_bytes: 100 });
    assertResult(refused, Result.E_ARGUMENT);
    assert.ok(card.open() > 0);
    card.works();
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
