/** A host's network card without any machine: what a back end needs of a device, and what `runExchange` needs. */
import type { NetworkBackend, NetworkPort } from "../../../kernel-shim/emulated-pc/net/backend.js";
import { VirtualTime } from "../../../kernel-shim/emulated-pc/time.js";
import type { FramePort } from "../../../kernel-shim/network/client/run.js";

export class TestPort implements NetworkPort {
  /** Frames that came and were not fetched yet. */
  arrived: Uint8Array[] = [];
  isLinkUp = true;
  /** Every frame sent. */
  readonly sent: Uint8Array[] = [];
  /** This card as the clients see it; waiting for frames moves time on. */
  readonly frames: FramePort = {
    now: () => this.time.now,
    send: (frame) => this.send(frame),
    receive: (deadline) => this.fetch(deadline),
  };

  constructor(
    private readonly backend: NetworkBackend,
    readonly time = new VirtualTime(),
  ) {
    backend.attach(this);
  }

  receive(frame: Uint8Array): void {
    this.arrived.push(frame);
  }

  setLink(up: boolean): void {
    this.isLinkUp = up;
  }

  send(frame: Uint8Array): void {
    this.sent.push(frame);
    this.backend.send(frame);
  }

  /** All that is there once there is something, or nothing at `deadline`. */
  fetch(deadline: number): Uint8Array[] {
    while (this.arrived.length === 0 && this.time.next <= deadline) this.time.runNext();
    if (this.arrived.length === 0) this.time.advanceTo(deadline);
    return this.arrived.splice(0);
  }
}

/** What is there after everything that is due within a second. */
export function arrivedWithinSecond(port: TestPort): Uint8Array[] {
  port.time.advanceTo(port.time.now + 1_000_000_000);
  return port.arrived.splice(0);
}
