/**
 * Mutants that no test can miss, or need miss, each with the reason. One is known by the function's name and by the
 * condition as it is written there, in one line; so it is good for all conditions of that text in functions of that name.
 */

import type { Mutant, Never } from "./mutants.js";

export interface Acceptance {
  readonly function: string;
  readonly condition: string;
  readonly never: readonly Never[];
  /** Why it makes no difference that matters. */
  readonly why: string;
}

export const acceptances: readonly Acceptance[] = [];

/** Why a mutant is accepted; undefined when it is not. */
export function acceptanceOf(mutant: Mutant): Acceptance | undefined {
  return acceptances.find((acceptance) => isOf(acceptance, mutant));
}

/** Those that name no mutant: the condition has been changed, or is gone. */
export function outdatedAcceptances(mutants: readonly Mutant[]): Acceptance[] {
  return acceptances.filter((acceptance) => !mutants.some((mutant) => isOf(acceptance, mutant)));
}

function isOf(acceptance: Acceptance, mutant: Mutant): boolean {
  return (
    acceptance.function === mutant.function &&
    acceptance.condition === mutant.condition &&
    acceptance.never.includes(mutant.never)
  );
}
