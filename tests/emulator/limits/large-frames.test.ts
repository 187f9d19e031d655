/**
 * The largest frames that a host delivers, to a card with MRG_RXBUF: up to 69,632 bytes, which is what QEMU passes on from
 * a neighbour on a socket. The driver takes a frame whole, or drops it and counts it; reception goes on in any case.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Event, type NetOptions, Result } from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { onBothBuilds } from "../../hostile/fixed/ground.js";
import { frameOf } from "../../hostile/traced-network.js";
import { PatientReceiver } from "../../raw-stack/patient-receiver.js";
import { RawCard } from "../../raw-stack/raw-card.js";

const ANY_LAYOUT = 2 ** 27;
const MRG_RXBUF = 2 ** 15;
const RING = 512;
/** The most that QEMU delivers. */
const DELIVERED_MAX = 69_632;
/** 64 KiB of IPv6 packet, its header, an Ethernet header and a VLAN tag: frames that mean something end here. */
const SENSIBLE_MAX = 65_535 + 40 + 14 + 4;

/** Lengths around every limit there is: of Ethernet, of one and of several buffers, of 16 bits, of IPv6, of QEMU. */
function lengths(bufferBytes: number): number[] {
  const found = new Set([60, 61, 1514, 1515, 1518, 1519, 9014, 65_535, 65_536, 65_549, 65_550, 65_553, 65_554]);
  for (const limit of [SENSIBLE_MAX, 65_611, 67_573, DELIVERED_MAX]) {
    for (let off = -2; off <= 2; off++) found.add(limit + off);
  }
  for (const buffers of [1, 2, Math.floor(65_536 / bufferBytes), Math.floor(DELIVERED_MAX / bufferBytes)]) {
    for (let off = -2; off <= 2; off++) found.add(buffers * bufferBytes - 12 + off);
  }
  for (let bytes = 65_611; bytes <= DELIVERED_MAX; bytes += 96) found.add(bytes);
  return [...found].filter((bytes) => bytes >= 60 && bytes <= DELIVERED_MAX).sort((left, right) => left - right);
}

class LargeFrames {
  readonly card: RawCard;
  private readonly device: PatientReceiver;
  private errors = 0n;

  constructor(build: Build, features: number, options?: Partial<NetOptions>) {
    this.card = new RawCard(
      { build, machine: { memoryBytes: 16 * 1024 * 1024 } },
      { features, queueSizes: [RING, 16] },
    );
    this.card.ok(this.card.open(options));
    this.device = new PatientReceiver(this.card);
  }

  /** A frame arrives; whether the driver takes it. What it does not take, it counts. */
  takes(bytes: number): boolean {
    const { card } = this;
    const frame = frameOf(bytes, bytes);
    assert.equal(this.device.arrive(frame), "delivered", `${bytes} bytes`);
    const frames = card.takeFrames();
    const { receive_errors } = card.statistics();
    assert.equal(card.module.exports.events(card.handle) & Event.BROKEN, 0);
    if (frames.length === 0) this.errors++;
    assert.equal(receive_errors, this.errors, `a frame of ${bytes} bytes that is dropped is counted`);
    if (frames.length === 0) return false;
    assert.equal(frames.length, 1);
    assert.equal(Buffer.compare(frames[0] ?? frame.subarray(1), frame), 0, `${bytes} bytes`);
    return true;
  }

  ends(): void {
    this.card.device.faults.silent = false;
    assert.equal(this.card.module.exports.reset(this.card.handle), Result.OK);
    this.card.works();
    this.card.closes();
  }
}

describe("a large frame over several buffers", () => {
  for (const [layout, features] of [
    ["ANY_LAYOUT", MRG_RXBUF + ANY_LAYOUT],
    ["a descriptor for the header", MRG_RXBUF],
  ] as const) {
    for (const bufferBytes of [0, 512, 1536, 2048, 4096, 65_536]) {
      const size = bufferBytes === 0 ? "of the default size" : `of ${bufferBytes} bytes`;
      onBothBuilds(`is taken whole or dropped and counted, with buffers ${size}, ${layout}`, (build) => {
        const frames = new LargeFrames(build, features, { receive_buffer_bytes: bufferBytes, receive_buffers: 140 });
        const { receive_buffer_bytes } = frames.card.information();
        let largest = 0;
        let isOver = false;
        for (const bytes of lengths(receive_buffer_bytes)) {
          const isTaken = frames.takes(bytes);
          assert.ok(!isTaken || !isOver, `${bytes} bytes are taken, and fewer were not`);
          isOver = !isTaken;
          if (isTaken) largest = bytes;
          assert.ok(frames.takes(60 + (bytes % 1000)), `reception goes on behind ${bytes} bytes`);
        }
        assert.ok(largest >= SENSIBLE_MAX, `the largest taken has ${largest} bytes`);
        frames.ends();
      });
    }
  }

  onBothBuilds("does not end reception when many follow each other", (build) => {
    const frames = new LargeFrames(build, MRG_RXBUF + ANY_LAYOUT);
    for (let round = 0; round < 100; round++) {
      frames.takes(DELIVERED_MAX - (round % 3));
      assert.ok(frames.takes(1514));
    }
    frames.ends();
  });
});
