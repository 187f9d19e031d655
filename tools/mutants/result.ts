/** What became of the mutants: the document that `--json` writes. `npm run format` makes `result.schema.json` of it. */

import type { Mutant } from "./mutants.js";

export interface MutantsResult {
  /** Of this document's form: another number means that fields went or have another meaning. */
  readonly version: 1;
  readonly seconds: number;
  readonly missed: readonly MissedMutant[];
  /** Nothing was tried with these. */
  readonly accepted: readonly AcceptedMutant[];
  readonly notMissed: readonly SurvivingMutant[];
}

export interface MissedMutant extends Mutant {
  /** What kind of test missed it: "fixed cases". */
  readonly by: string;
  /** Its name. */
  readonly test: string;
}

export interface AcceptedMutant extends Mutant {
  readonly why: string;
}

export interface SurvivingMutant extends Mutant {
  /** How many tests go the way that it does not go; 0: the tests do not get there. */
  readonly tests: number;
}
