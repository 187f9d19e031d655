/**
 * Between a network device and what it is plugged into: a cable with two ends, one in the device and one in a back end.
 *
 * All of it is synchronous and takes place in the virtual time of the machine that a frame goes to, so that back ends can
 * join machines whose times differ. Frames are without preamble and check sequence. A frame belongs to nobody once it
 * was sent: neither side changes its bytes afterwards, so that it can be kept without a copy.
 */
import type { VirtualTime } from "../time.js";
import { finish } from "./offloads/finish.js";
import type { UnfinishedFrame } from "./offloads/unfinished.js";

/** The device's end, as a back end sees it. */
export interface NetworkPort {
  /** The time of the machine that the device is plugged into; null before that. */
  readonly time: VirtualTime | null;
  /** Takes in a frame from the network. What the device cannot store it drops and counts. */
  receive(frame: Uint8Array): void;
  /**
   * The same of a frame of which something is left to be done, for a driver that does without, or else for the device to do.
   * Optional: the others are given finished frames.
   */
  receiveUnfinished?(frame: UnfinishedFrame): void;
  /** Plugs the cable in or out. */
  setLink(up: boolean): void;
}

/** What a network device is plugged into. */
export interface NetworkBackend {
  /**
   * Joins a device to the back end; before any `send`, once for each back end. The back end may call the port's methods
   * at any time from then on, from inside `send` as well.
   */
  attach(port: NetworkPort): void;
  /** Takes a frame that the device transmits while its link is up. What the back end has no use for it drops. */
  send(frame: Uint8Array): void;
  /** Takes a frame of which something is left to be done. Optional: a device does it itself for other back ends. */
  sendUnfinished?(frame: UnfinishedFrame): void;
  /** Lets go of files. Optional; a second call does nothing. */
  close?(): void;
}

/**
 * Hands a frame to a port after `delay` nanoseconds; with 0, before the call returns. Returns false, and the frame is
 * lost, if the port's device is in no machine.
 */
export function deliver(port: NetworkPort, frame: Uint8Array, delay: number): boolean {
  if (port.time === null) return false;
  if (delay === 0) port.receive(frame);
  else port.time.schedule(delay, () => port.receive(frame));
  return true;
}

/** The same for a frame of which something is left to be done. */
export function deliverUnfinished(port: NetworkPort, frame: UnfinishedFrame, delay: number): boolean {
  if (port.receiveUnfinished === undefined) {
    return finish(frame).every((finished) => deliver(port, finished, delay));
  }
  if (port.time === null) return false;
  if (delay === 0) port.receiveUnfinished(frame);
  else port.time.schedule(delay, () => port.receiveUnfinished?.(frame));
  return true;
}

/** A back end with nothing behind it: takes everything, sends nothing. */
export class UnpluggedBackend implements NetworkBackend {
  /** Frames taken so far. */
  frames = 0;

  attach(): void {}

  send(): void {
    this.frames += 1;
  }
}
