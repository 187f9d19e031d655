/** Where a run's results go as they become known. */

import type { Step } from "../command/progress.js";
import type { DiskResult, MachineResult, NetworkCardResult, PciResult, RunResult, SlotResult } from "./result.js";

export interface Reporter {
  machine(result: MachineResult): void;
  pci(result: PciResult): void;
  /** Memory-mapped devices, and how many slots there are. */
  slots(found: readonly SlotResult[], count: number): void;
  networkCard(result: NetworkCardResult, machine: MachineResult): void;
  disk(result: DiskResult): void;
  /** Begins a step over `bytes` bytes, which the caller ends. */
  progress(label: string, bytes: number): Step;
  /** Everything, at the end. */
  conclusion(result: RunResult): void;
}
