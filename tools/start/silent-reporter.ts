/** `--json -`: standard output is for the document, so nothing else is said there. */

import { beginStep, type Step } from "../command/progress.js";
import type { Reporter } from "./reporter.js";

const silence = (): void => undefined;

export class SilentReporter implements Reporter {
  readonly machine = silence;
  readonly pci = silence;
  readonly slots = silence;
  readonly networkCard = silence;
  readonly disk = silence;
  readonly conclusion = silence;

  progress(label: string, bytes: number): Step {
    return beginStep({ what: label, total: bytes, unit: "bytes" });
  }
}
