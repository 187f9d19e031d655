/** The run in words, section by section. */

import { beginStep, type Step } from "../command/progress.js";
import {
  describeConclusion,
  describeDisk,
  describeMachine,
  describeNetworkCard,
  describeProblems,
  describeSlots,
} from "./describe.js";
import { describePci } from "./describe-pci.js";
import type { Reporter } from "./reporter.js";
import type { DiskResult, MachineResult, NetworkCardResult, PciResult, RunResult, SlotResult } from "./result.js";

export class TerminalReporter implements Reporter {
  constructor(private readonly write: (text: string) => void) {}

  machine(result: MachineResult): void {
    this.section(describeMachine(result));
  }

  pci(result: PciResult): void {
    this.section(describePci(result));
  }

  slots(found: readonly SlotResult[], count: number): void {
    this.section(describeSlots(found, count));
  }

  networkCard(result: NetworkCardResult, machine: MachineResult): void {
    this.section(describeNetworkCard(result, machine));
  }

  disk(result: DiskResult): void {
    this.section(describeDisk(result));
  }

  progress(label: string, bytes: number): Step {
    return beginStep({ what: label, total: bytes, unit: "bytes" });
  }

  conclusion(result: RunResult): void {
    if (result.problems.length > 0) {
      this.section(describeProblems(result.problems));
    }
    this.write(`${describeConclusion(result)}\n`);
  }

  private section(text: string): void {
    this.write(`${text}\n\n`);
  }
}
