/** Where a run's results go as they become known. */

import type { DiskResult, MachineResult, NetworkCardResult, PciResult, RunResult } from "./result.js";

/** How far a long step has come. */
export interface Progress {
  /** So many more bytes are done. */
  advance(bytes: number): void;
  /** The step is over, finished or not. */
  stop(): void;
}

export interface Reporter {
  machine(result: MachineResult): void;
  pci(result: PciResult): void;
  networkCard(result: NetworkCardResult, machine: MachineResult): void;
  disk(result: DiskResult): void;
  /** Begins a step over `bytes` bytes. */
  progress(label: string, bytes: number): Progress;
  /** Everything, at the end. */
  conclusion(result: RunResult): void;
}
