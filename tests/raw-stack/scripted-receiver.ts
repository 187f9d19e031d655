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
  /** Heads that the driver published, as often as the device did not tell it that they are done; oldest first. */
  private held: number[] = [];
  /** Heads of the completions that the driver was not told of. */
  private untold: number[] = [];

  /** The card must be open, and nothing received yet. */
  constructor(private readonly card: RawCard) {
    card.device.faults.silent = true;
    const queue = card.device.queues[RECEIVE_QUEUE];
    assert.ok(queue);
    this.reader = new RingReader(card.device, RECEIVE_QUEUE);
    this.used = new UsedRing(card.device, queue);
  }

  /** The heads that name what is with the device: published, and not said to be done. */
  get withDevice(): readonly number[] {
    this.look();
    return this.held;
  }

  /** The same without those that are done, and the driver was not told. */
  get heads(): number[] {
    this.look();
    return without(this.held, this.untold);
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

  /** Says of a head, true or not, that it is done, with so many bytes written, once `publish` is called. */
  put(head: number, length: number): void {
    this.used.put(this.used.index + this.untold.length, head, length);
    this.untold.push(head);
  }

  /** Tells the driver of all that was put. */
  publish(): void {
    this.look();
    this.used.index += this.untold.length;
    this.held = without(this.held, this.untold);
    this.untold = [];
  }

  private look(): void {
    for (; this.seen !== this.reader.published; this.seen = (this.seen + 1) & 0xffff) {
      this.held.push(this.reader.head(this.seen));
    }
  }
}

/** The list without the first of each of these; what is not there cannot be missing. */
function without(list: readonly number[], others: readonly number[]): number[] {
  const left = [...list];
  for (const other of others) {
    const place = left.indexOf(other);
    if (place >= 0) left.splice(place, 1);
  }
  return left;
}
