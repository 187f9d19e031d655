/** What a campaign came to: the document that `--json` writes. `npm run format` makes `result.schema.json` of it. */

import type { Mutation } from "../../kernel-shim/emulated-pc/hostile/mutations.js";
import type { Build } from "../build/project.js";
import type { CoverageReport } from "./coverage/coverage.js";

export interface FuzzResult {
  /** Of this document's form: another number means that fields went or have another meaning. */
  readonly version: 1;
  readonly firstSeed: number;
  /** How many were run. */
  readonly seeds: number;
  readonly seconds: number;
  readonly inputs: number;
  readonly inputsPerSecond: number;
  readonly mutatedInteractions: number;
  /** Imports that the stack called. */
  readonly imports: number;
  readonly findings: readonly FuzzFinding[];
  /** Null when it was not asked for. */
  readonly coverage: FuzzCoverage | null;
}

export interface FuzzFinding {
  readonly build: Build;
  readonly seed: number;
  /** Which of the stack's rules was broken. */
  readonly rule: string;
  readonly message: string;
  /** The mutations that it takes. */
  readonly mutations: readonly Mutation[];
  /** The command that repeats it. */
  readonly repeat: string;
}

export interface FuzzCoverage extends CoverageReport {
  /** How many ran on instrumented modules, too. */
  readonly inputs: number;
}
