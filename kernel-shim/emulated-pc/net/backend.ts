/**
 * Between a network device and what it is plugged into: a cable with two ends, one in the device and one in a back end.
 *
 * All of it is synchronous and takes place in virtual time. Frames are without preamble and check sequence. A frame
 * belongs to nobody once it was sent: neither side changes its bytes afterwards, so that it can be kept without a copy.
 */

/** The device's end, as a back end sees it. */
export interface NetworkPort {
  /** Takes in a frame from the network. What the device cannot store it drops and counts. */
  receive(frame: Uint8Array): void;
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
  /** Lets go of files. Optional; a second call does nothing. */
  close?(): void;
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
