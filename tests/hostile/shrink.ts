/** Cuts the mutations of a run down to those that matter for its finding. */
import { type Outcome, runScenario, type ScenarioOptions } from "./scenario.js";

/** Runs that shrinking may take. */
const ATTEMPTS = 400;

/**
 * Leaves out ever smaller parts of the mutations as long as the same rule is broken.
 *
 * @param outcome of the run with `options`, with a finding
 * @returns that of the last run that had the finding
 */
export function shrink(options: ScenarioOptions, outcome: Outcome): Outcome {
  const oracle = outcome.finding?.oracle;
  let best = outcome;
  let attempts = 0;
  const stillFails = (indices: readonly number[]): boolean => {
    attempts++;
    const next = runScenario({ ...options, only: new Set(indices) });
    if (next.finding?.oracle !== oracle) return false;
    best = next;
    return true;
  };
  let indices = outcome.mutations.map(({ index }) => index);
  if (stillFails([])) return best;
  for (let size = Math.ceil(indices.length / 2); size >= 1 && attempts < ATTEMPTS; size = Math.floor(size / 2)) {
    for (let start = 0; start < indices.length && attempts < ATTEMPTS;) {
      const rest = [...indices.slice(0, start), ...indices.slice(start + size)];
      if (rest.length < indices.length && stillFails(rest)) indices = rest;
      else start += size;
    }
  }
  return best;
}
