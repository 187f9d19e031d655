/**
 * Remembers which test missed which mutant, from run to run. It only says what to try first: where it is wrong, or gone,
 * the others are asked.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { outputFolder } from "../build/project.js";
import { replaceFile } from "../build/replace-file.js";
import type { Mutant } from "./mutants.js";

const file = join(outputFolder, "mutants.json");

/** A run may take hours, and be ended by anything: from time to time, what was noted is saved. */
const NOTES_UNSAVED_MAX = 20;

export class Memory {
  private unsaved = 0;
  private readonly tests: Map<string, string>;

  constructor() {
    const known: unknown = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
    this.tests = new Map(Object.entries(known as Record<string, string>));
  }

  /** The name of the test that missed the mutant the last time. */
  testOf(mutant: Mutant): string | undefined {
    return this.tests.get(keyOf(mutant));
  }

  note(mutant: Mutant, test: string): void {
    this.tests.set(keyOf(mutant), test);
    if (++this.unsaved >= NOTES_UNSAVED_MAX) this.save();
  }

  save(): void {
    this.unsaved = 0;
    replaceFile(file, JSON.stringify(Object.fromEntries(this.tests), null, 1));
  }
}

/** The same as long as the condition is. */
function keyOf({ file: name, function: inner, condition, never, place }: Mutant): string {
  return `${name}: ${inner}: ${condition}: ${never}${place === 1 ? "" : ` (${place})`}`;
}
