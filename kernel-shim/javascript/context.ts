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
  /** Programs the messages again of a device whose MSI-X table may have been lost. Returns their numbers. */
  reconnectMessages(device: Owner): number[];
  /** The device was closed: its ports are taken back, its interrupt line is no longer served. */
  deviceClosed(device: Owner): void;
}
