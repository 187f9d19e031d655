/**
 * Who has a receive buffer: no entry of the available ring that the device may still use names one that is in the
 * caller's hands. Looked at behind every import and every call, whatever the device says it has used.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Random } from "../../../kernel-shim/emulated-pc/random.js";
import { type NetOptions, Result } from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { ScriptedReceiver } from "../../raw-stack/scripted-receiver.js";
import { frameOf } from "../traced-network.js";
import { onBothBuilds } from "../fixed/ground.js";

const ANY_LAYOUT = 2 ** 27;
const MRG_RXBUF = 2 ** 15;
const NUM_BUFFERS = 10;
const FRAME_BYTES = 60;

class OwnedBuffers {
  readonly card: RawCard;
  receiver: ScriptedReceiver;
  /** Where the buffers' bytes lie that the caller has, by their ids. */
  readonly callers = new Map<number, { readonly address: bigint; readonly length: number }>();
  readonly headerBytes: number;

  constructor(build: Build, features: number, options?: Partial<NetOptions>) {
    this.card = new RawCard({ build }, { features, queueSizes: [64, 16] });
    this.card.ok(this.card.open(options));
    this.headerBytes = this.card.information().header_bytes;
    this.receiver = new ScriptedReceiver(this.card);
  }

  /** No buffer is with the device and with the caller, and none twice with the device. */
  check(exceptIds: readonly number[] = []): void {
    const withDevice = new Set<bigint>();
    for (const head of this.receiver.withDevice) {
      for (const { address, length } of this.receiver.offered(head).descriptors) {
        assert.ok(!withDevice.has(address), "a buffer is published once");
        withDevice.add(address);
        for (const [id, callers] of this.callers) {
          if (exceptIds.includes(id)) continue;
          const isApart =
            address + BigInt(length) <= callers.address || callers.address + BigInt(callers.length) <= address;
          assert.ok(isApart, `buffer ${id} is with the caller, and published as head ${head}`);
        }
      }
    }
  }

  /** The device writes a packet header and a frame, and says that it wrote `length` bytes. */
  complete(head: number, length: number, buffers = 1): void {
    const bytes = new Uint8Array(this.headerBytes + FRAME_BYTES);
    bytes.set(frameOf(head, FRAME_BYTES), this.headerBytes);
    if (this.headerBytes > NUM_BUFFERS) bytes[NUM_BUFFERS] = buffers;
    this.receiver.fill(head, bytes);
    this.receiver.put(head, length);
  }

  /** A whole frame in one buffer. */
  get wholeFrame(): number {
    return this.headerBytes + FRAME_BYTES;
  }

  /** Takes what there is; the negative result when the card is broken. */
  receive(): number {
    const { card } = this;
    card.kernel.between = () => this.check();
    const received = card.receive();
    card.kernel.between = undefined;
    if (typeof received === "number") {
      assert.equal(received, Result.E_BROKEN);
      return received;
    }
    for (const { buffer, pointer, length } of received) {
      assert.ok(!this.callers.has(buffer), `buffer ${buffer} is lent once`);
      this.callers.set(buffer, { address: card.machine.pc.kernel.dma_address(pointer), length });
    }
    this.check();
    return received.length;
  }

  release(ids: readonly number[]): void {
    const { card } = this;
    card.kernel.between = () => this.check(ids);
    assert.equal(card.release(ids), ids.length);
    card.kernel.between = undefined;
    for (const id of ids) this.callers.delete(id);
    this.check();
  }

  reset(): void {
    this.card.device.faults.silent = false;
    assert.equal(this.card.module.exports.reset(this.card.handle), Result.OK);
    this.receiver = new ScriptedReceiver(this.card);
    this.check();
  }

  /** On a device that keeps the rules, frames come in; in the end all buffers are back. */
  ends(): void {
    this.reset();
    this.release([...this.callers.keys()]);
    this.card.device.faults.silent = false;
    this.card.receives(200);
    this.card.closes();
  }
}

const layouts: Readonly<Record<string, number>> = {
  "one buffer a frame": ANY_LAYOUT,
  "one buffer a frame, header apart": 0,
  "frames over several buffers": ANY_LAYOUT + MRG_RXBUF,
};

describe("a receive buffer", () => {
  for (const [layout, features] of Object.entries(layouts)) {
    // Shorter than a header; a header alone; less than an Ethernet header behind it.
    for (const short of [0, 5, 12, 20]) {
      onBothBuilds(
        `used twice in one batch, first for ${short} bytes, is not lent while the device has it, ${layout}`,
        (build) => {
          const owned = new OwnedBuffers(build, features);
          const [head = -1] = owned.receiver.heads;
          owned.complete(head, short);
          owned.complete(head, owned.wholeFrame);
          owned.receiver.publish();
          owned.receive();
          // What the device has, it may use: that is a frame like any other.
          owned.receive();
          owned.ends();
        },
      );

      onBothBuilds(`used again and again in one batch for ${short} bytes is posted once, ${layout}`, (build) => {
        const owned = new OwnedBuffers(build, features);
        const [head = -1, other = -1] = owned.receiver.heads;
        for (let again = 0; again < 5; again++) owned.complete(head, short);
        owned.complete(other, owned.wholeFrame);
        owned.complete(head, owned.wholeFrame);
        owned.receiver.publish();
        owned.receive();
        owned.ends();
      });
    }

    onBothBuilds(`used twice in one batch, both times for a frame, breaks the device, ${layout}`, (build) => {
      const owned = new OwnedBuffers(build, features);
      const [head = -1] = owned.receiver.heads;
      owned.complete(head, owned.wholeFrame);
      owned.complete(head, owned.wholeFrame);
      owned.receiver.publish();
      // The first one is true.
      assert.equal(owned.receive(), 1);
      assert.equal(owned.receive(), Result.E_BROKEN);
      owned.ends();
    });

    onBothBuilds(`used while the caller has it breaks the device, ${layout}`, (build) => {
      const owned = new OwnedBuffers(build, features);
      const [head = -1] = owned.receiver.heads;
      owned.complete(head, owned.wholeFrame);
      owned.receiver.publish();
      assert.equal(owned.receive(), 1);
      owned.complete(head, owned.wholeFrame);
      owned.receiver.publish();
      assert.equal(owned.receive(), Result.E_BROKEN);
      owned.ends();
    });

    onBothBuilds(`is with one of the two, whatever the device does, ${layout}`, (build) => {
      for (let seed = 1; seed <= 12; seed++) wander(new OwnedBuffers(build, features), new Random(seed), features);
    });
  }

  onBothBuilds("of a frame that makes no sense, used again in the same batch, is not lent as well", (build) => {
    const owned = new OwnedBuffers(build, ANY_LAYOUT + MRG_RXBUF);
    const [first = -1, second = -1, third = -1] = owned.receiver.heads;
    // Nothing in the second of two buffers: both are posted again.
    owned.complete(first, owned.wholeFrame, 2);
    owned.complete(second, 0);
    for (const head of [first, second, third]) owned.complete(head, owned.wholeFrame);
    owned.receiver.publish();
    owned.receive();
    owned.receive();
    owned.ends();
  });
});

/** A device that completes, for the most part, what it has, and a caller that takes and gives back at random. */
function wander(owned: OwnedBuffers, random: Random, features: number): void {
  for (let step = 0; step < 60; step++) {
    for (let count = random.below(6); count > 0; count--) {
      const { heads } = owned.receiver;
      const isWrong = random.below(20) === 0;
      const head = isWrong ? random.below(64) : (heads[random.below(Math.min(heads.length, 4))] ?? 0);
      const length = [owned.wholeFrame, owned.wholeFrame, 5, 0, 0xffff_ffff][random.below(5)] ?? 0;
      owned.complete(head, length, features >= MRG_RXBUF ? 1 + random.below(3) : 1);
      // The same again, before the driver hears of the first time.
      if (random.below(8) === 0) owned.complete(head, owned.wholeFrame);
    }
    if (random.below(4) > 0) owned.receiver.publish();
    const isBroken = owned.receive() < 0;
    const ids = [...owned.callers.keys()].filter(() => random.below(2) === 0);
    owned.release(ids);
    if (isBroken) owned.reset();
  }
  owned.ends();
}
