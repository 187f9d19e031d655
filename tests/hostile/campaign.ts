/** Runs inputs one after the other, seed by seed, and adds up. */
import type { Build } from "../../kernel-shim/machine.js";
import type { InstrumentedModule } from "../../tools/fuzz/coverage/coverage.js";
import { Finding } from "./finding.js";
import { type Outcome, runScenario, type ScenarioOptions } from "./scenario.js";

export interface Totals {
  inputs: number;
  /** Of these, run once more on the instrumented module. */
  instrumentedInputs: number;
  /** Values, bytes and moments that were not as a correct device would have had them. */
  mutations: number;
  imports: number;
  findings: number;
}

export function newTotals(): Totals {
  return { inputs: 0, instrumentedInputs: 0, mutations: 0, imports: 0, findings: 0 };
}

/**
 * Runs one input and adds it to the totals.
 *
 * @param found called with each finding
 * @param instrumented the input is run once more on this module, which has to do the same; only the first run counts
 */
export function runSeed(
  seed: number,
  build: Build,
  totals: Totals,
  found: (options: ScenarioOptions, outcome: Outcome) => void,
  instrumented?: InstrumentedModule,
): void {
  const options = { build, seed };
  const outcome = runScenario(options);
  totals.inputs++;
  totals.mutations += outcome.mutations.length;
  totals.imports += outcome.imports;
  if (outcome.finding !== undefined) {
    totals.findings++;
    found(options, outcome);
  }
  if (instrumented === undefined) return;
  totals.instrumentedInputs++;
  const finding = outcome.finding === undefined ? compare(outcome, { ...options, instrumented }) : undefined;
  if (finding === undefined) return;
  totals.findings++;
  found(options, { ...outcome, finding });
}

/** Looks for what the same input does otherwise to the same source, compiled in another way. */
export function compare(outcome: Outcome, options: ScenarioOptions): Finding | undefined {
  const other = runScenario(options);
  if (other.finding !== undefined) return other.finding;
  const isSame =
    other.imports === outcome.imports &&
    other.opened === outcome.opened &&
    other.mutations.length === outcome.mutations.length;
  if (isSame) return undefined;
  const detail = `${outcome.imports} imports, and ${other.imports} when it is not optimised`;
  return new Finding("the module does what its source says", detail);
}
