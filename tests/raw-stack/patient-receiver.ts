/**
 * A card that receives as QEMU's does: with MRG_RXBUF a frame waits until there are buffers for all of it, and those
 * behind it wait as well, however long that is; without, a frame that is too long for its buffer is dropped.
 */
import type { RawCard } from "./raw-card.js";
import { ScriptedReceiver } from "./scripted-receiver.js";

const NUM_BUFFERS = 10;

export class PatientReceiver {
  readonly receiver: ScriptedReceiver;
  private readonly headerBytes: number;
  private readonly isMergeable: boolean;

  constructor(card: RawCard) {
    this.receiver = new ScriptedReceiver(card);
    this.headerBytes = card.information().header_bytes;
    this.isMergeable = this.headerBytes > NUM_BUFFERS;
  }

  /** A frame arrives: `waits` when there are too few buffers for it, `dropped` when it is too long for any. */
  arrive(frame: Uint8Array): "delivered" | "waits" | "dropped" {
    const { receiver } = this;
    const bytes = new Uint8Array(this.headerBytes + frame.length);
    bytes.set(frame, this.headerBytes);
    const heads: number[] = [];
    let room = 0;
    for (const head of receiver.heads) {
      if (room >= bytes.length) break;
      if (!this.isMergeable && heads.length === 1) return "dropped";
      heads.push(head);
      room += receiver.offered(head).bytes;
    }
    if (room < bytes.length) return heads.length === 1 && !this.isMergeable ? "dropped" : "waits";
    if (this.isMergeable) new DataView(bytes.buffer).setUint16(NUM_BUFFERS, heads.length, true);
    let done = 0;
    for (const head of heads) {
      const written = receiver.fill(head, bytes.subarray(done));
      receiver.put(head, written);
      done += written;
    }
    receiver.publish();
    return "delivered";
  }
}
