/**
 * The device's side of a card's receive queue in the hands of a test: which buffers the device has, and completions of
 * any of them in any order, true or not. The emulated card itself does nothing meanwhile.
 */
import assert from "node:assert/strict";
import { UsedRing } from "../../kernel-shim/emulated-pc/hostile/used-ring.js";
import type { RawCard } from "./raw-card.js";
import { type Descriptor, RingReader } from "./ring-reader.js";

const RECEIVE_QUEUE = 0;

export interface Offered {
  readonly head: number;
  readonly descriptors: readonly Descriptor[];
  /** Bytes that it has room for. */
  readonly bytes: number;
}

export class ScriptedReceiver {
  readonly reader: RingReader;
  private readonly used: UsedRing;
  /** How many entries of the available ring were looked at. */
  private seen = 0;
  /** Heads that the driver published and the device did not complete, and how often. */
  private readonly held = new Map<number, number>();
  /** Completions written that the driver was not told of. */
  private untold = 0;

  /** The card must be open, and nothing received yet. */
  constructor(private readonly card: RawCard) {
    card.device.faults.silent = true;
    const queue = card.device.queues[RECEIVE_QUEUE];
    assert.ok(queue);
    this.reader = new RingReader(card.device, RECEIVE_QUEUE);
    this.used = new UsedRing(card.device, queue);
  }

  /** The heads that are the device's at the moment, oldest first. */
  get heads(): number[] {
    this.look();
    return [...this.held].flatMap(([head, times]) => Array.from({ length: times }, () => head));
  }

  /** What a published head names. */
  offered(head: number): Offered {
    const descriptors = this.reader.chain(head);
    return { head, descriptors, bytes: descriptors.reduce((sum, { length }) => sum + length, 0) };
  }

  /** Writes to the buffer, as far as it has room; returns how many bytes. */
  fill(head: number, bytes: Uint8Array): number {
    let done = 0;
    for (const { address, length } of this.offered(head).descriptors) {
      const part = Math.min(length, bytes.length - done);
      this.card.device.dma.write(Number(address), bytes, done, part);
      done += part;
    }
    return done;
  }

  /** Says of a head that it is done, with so many bytes written, once `publish` is called. */
  put(head: number, length: number): void {
    this.look();
    this.used.put(this.used.index + this.untold, head, length);
    this.untold++;
    // What the device does not have, it does not lose either.
    const left = Math.max((this.held.get(head) ?? 0) - 1, 0);
    // At the end, when it comes back: the oldest first.
    this.held.delete(head);
    if (left !== 0) this.held.set(head, left);
  }

  /** Tells the driver of all that was put. */
  publish(): void {
    this.used.index += this.untold;
    this.untold = 0;
  }

  private look(): void {
    for (; this.seen !== this.reader.published; this.seen = (this.seen + 1) & 0xffff) {
      const head = this.reader.head(this.seen);
      this.held.set(head, (this.held.get(head) ?? 0) + 1);
    }
  }
}
