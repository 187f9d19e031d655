/** A machine for a run, and what the run wants to know of it beside. */

import type { Machine } from "../../kernel-shim/machine.js";

export interface Host {
  readonly machine: Machine;
  /** Whether the machine has PCI functions. */
  readonly hasPci: boolean;
  /** How many message vectors each PCI device is to have; 0: it interrupts by its line. */
  readonly vectors: number;
  /** Whether the machine's clock is its own, so that its times say nothing about this computer. */
  readonly hasVirtualTime: boolean;
  /** What the machine has to say against the driver so far, a sentence each. */
  complaints(): string[];
  /** Ends the machine and removes its temporary files. */
  close(): void;
}
