/** The run in words, section by section, with a progress bar where somebody watches. */

import { Presets, SingleBar } from "cli-progress";
import { describeDisk, describeMachine, describeNetworkCard, describePci, describeProblems } from "./describe.js";
import type { Progress, Reporter } from "./reporter.js";
import type { DiskResult, MachineResult, NetworkCardResult, PciResult, RunResult } from "./result.js";

const MEBIBYTE = 1024 * 1024;

export class TerminalReporter implements Reporter {
  /** The bar goes to `stream` only if that is a terminal. */
  constructor(
    private readonly write: (text: string) => void,
    private readonly stream: NodeJS.WriteStream,
  ) {}

  machine(result: MachineResult): void {
    this.section(describeMachine(result));
  }

  pci(result: PciResult): void {
    this.section(describePci(result));
  }

  networkCard(result: NetworkCardResult, machine: MachineResult): void {
    this.section(describeNetworkCard(result, machine));
  }

  disk(result: DiskResult): void {
    this.section(describeDisk(result));
  }

  progress(label: string, bytes: number): Progress {
    const format = `${label}  {bar}  {percentage} %  {value} of {total} MiB`;
    // Nothing of the terminal's state is changed, and Ctrl-C is left to its default: the run is one synchronous stretch,
    // in which no signal handler gets its turn to put things right.
    const untouched = { hideCursor: false, linewrap: true, gracefulExit: false };
    const options = { format, stream: this.stream, noTTYOutput: false, clearOnComplete: true, ...untouched };
    const bar = new SingleBar(options, Presets.shades_classic);
    let done = 0;
    bar.start(Math.round(bytes / MEBIBYTE), 0);
    return {
      advance: (more) => {
        done += more;
        bar.update(Math.round(done / MEBIBYTE));
      },
      stop: () => {
        bar.stop();
      },
    };
  }

  conclusion(result: RunResult): void {
    if (result.problems.length > 0) {
      this.section(describeProblems(result.problems));
    }
    this.write(`${result.conclusion}\n`);
  }

  private section(text: string): void {
    this.write(`${text}\n\n`);
  }
}
