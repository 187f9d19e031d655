/** What a card is plugged into: takes frames, and sends some when it is told to. */
import type { NetworkBackend, NetworkPort } from "../../kernel-shim/emulated-pc/net/backend.js";
import type { UnfinishedFrame } from "../../kernel-shim/emulated-pc/net/offloads/unfinished.js";

/** A frame of `bytes` bytes, each of which can be told from its number. */
export function frameOf(number: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes);
  // To everybody, so that no card filters it.
  frame.fill(0xff, 0, 6);
  for (let index = 6; index < bytes; index++) frame[index] = 3 + ((number * 31 + index * 17) % 253);
  return frame;
}

export class TracedNetwork implements NetworkBackend {
  private lastSent: Uint8Array | null = null;
  private port: NetworkPort | undefined;

  attach(port: NetworkPort): void {
    this.port = port;
  }

  send(frame: Uint8Array): void {
    this.lastSent = frame;
  }

  /** What the card sent last, if anything since the last call. */
  takeSent(): Uint8Array | null {
    const sent = this.lastSent;
    this.lastSent = null;
    return sent;
  }

  /** A frame arrives at the card. */
  arrive(frame: Uint8Array): void {
    this.port?.receive(frame);
  }

  /** The same with something left to be done, by the card or its driver. */
  arriveUnfinished(frame: UnfinishedFrame): void {
    this.port?.receiveUnfinished?.(frame);
  }
}
