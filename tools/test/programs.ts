/** What becomes of suites whose programs are missing and cannot be installed: the others run. */

import { ensurePrograms, MissingPrograms, missingPackages } from "../setup/system-packages.js";
import type { Suite } from "./suites.js";

export interface LeftOut {
  readonly leftOut: readonly Suite[];
  /** Which suites those are, and the command that installs what they need; empty when all can run. */
  readonly advice: string;
}

/** Installs what the suites need. Returns those that cannot run; throws `MissingPrograms` when none can. */
export function installPrograms(wanted: readonly Suite[]): LeftOut {
  try {
    ensurePrograms(wanted.flatMap(({ programs }) => programs));
    return { leftOut: [], advice: "" };
  } catch (error) {
    const leftOut = wanted.filter(({ programs }) => missingPackages(programs).length > 0);
    if (!(error instanceof MissingPrograms) || leftOut.length === wanted.length) throw error;
    const names = leftOut.map(({ name }) => name).join(", ");
    return { leftOut, advice: `Left out, because programs are missing: ${names}.\n${error.message}` };
  }
}
