/** What devices need of the stack that opened them; `VirtioStack` supplies it. */

import type { Machine } from "../machine.js";
import type { VirtioExports } from "./abi.js";
import type { PrivateMemory } from "./private-memory.js";

/** A device whose interrupt was pending. */
export interface Serviced<Owner> {
  device: Owner;
  /** Bits of `Interrupt`. */
  pending: number;
}

export interface StackContext<Owner> {
  readonly machine: Machine;
  readonly exports: VirtioExports;
  /** All of linear memory, which never grows. */
  readonly view: DataView;
  readonly privateMemory: PrivateMemory;
  /** As `VirtioStack.freeBuffer`. */
  freeBuffer(pointer: number): void;
  /** As `VirtioStack.service`. */
  service(timeoutMilliseconds: number): Serviced<Owner>[];
  /** Whether a device's PCI function is there, with the base addresses it was opened with. Writes nothing to it. */
  isInPlace(device: Owner): boolean;
  /** Programs the messages of an open device again, where its MSI-X table was at first. Returns their numbers. */
  reconnectMessages(device: Owner): number[];
  /** The device was closed: its ports are taken back, its interrupt line is no longer served. */
  deviceClosed(device: Owner): void;
}
