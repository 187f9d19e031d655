/** Cuts the mutations of a run down to those that matter for its finding. */
import type { Mutation } from "../../kernel-shim/emulated-pc/hostile/mutations.js";
import { type Outcome, runScenario, type ScenarioOptions } from "./scenario.js";

/** Runs that shrinking may take. */
const ATTEMPTS = 400;

export interface Shrunken {
  /** The last run that had the finding. */
  readonly outcome: Outcome;
  /** What its devices did. */
  readonly mutations: readonly Mutation[];
}

/**
 * Leaves out ever smaller parts of the mutations as long as the same rule is broken.
 *
 * @param outcome of the run with `options`, with a finding
 */
export function shrink(options: ScenarioOptions, outcome: Outcome): Shrunken {
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
  if (stillFails([])) return { outcome: best, mutations: best.mutations };
  for (let size = Math.ceil(indices.length / 2); size >= 1 && attempts < ATTEMPTS; size = Math.floor(size / 2)) {
    for (let start = 0; start < indices.length && attempts < ATTEMPTS;) {
      const rest = [...indices.slice(0, start), ...indices.slice(start + size)];
      if (rest.length < indices.length && stillFails(rest)) indices = rest;
      else start += size;
    }
  }
  return { outcome: best, mutations: best.mutations };
}
