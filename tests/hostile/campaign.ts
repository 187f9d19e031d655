/** Runs inputs one after the other, seed by seed, and adds up. */
import type { Build } from "../../kernel-shim/machine.js";
import { type Outcome, runScenario, type ScenarioOptions } from "./scenario.js";

export interface Totals {
  inputs: number;
  /** Values, bytes and moments that were not as a correct device would have had them. */
  mutations: number;
  imports: number;
  findings: number;
}

export function newTotals(): Totals {
  return { inputs: 0, mutations: 0, imports: 0, findings: 0 };
}

/** Runs one input on each build and adds it to the totals; `found` is called with each finding. */
export function runSeed(
  seed: number,
  builds: readonly Build[],
  totals: Totals,
  found: (options: ScenarioOptions, outcome: Outcome) => void,
): void {
  for (const build of builds) {
    const options = { build, seed };
    const outcome = runScenario(options);
    totals.inputs++;
    totals.mutations += outcome.mutations.length;
    totals.imports += outcome.imports;
    if (outcome.finding === undefined) continue;
    totals.findings++;
    found(options, outcome);
  }
}
