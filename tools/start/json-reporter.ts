/** `--json`: one document at the end and nothing else. */

import type { Progress, Reporter } from "./reporter.js";
import type { RunResult } from "./result.js";

const silence = (): void => undefined;
const noProgress: Progress = { advance: silence, stop: silence };

export class JsonReporter implements Reporter {
  readonly machine = silence;
  readonly pci = silence;
  readonly networkCard = silence;
  readonly disk = silence;

  constructor(private readonly write: (text: string) => void) {}

  progress(): Progress {
    return noProgress;
  }

  conclusion(result: RunResult): void {
    this.write(`${JSON.stringify(result, null, 2)}\n`);
  }
}
