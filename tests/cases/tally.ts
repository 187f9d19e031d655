/**
 * What ran where: each ground's cases are counted while they run, and noted in a file when the caller of the tests names
 * one.
 */

import { appendFileSync } from "node:fs";

/** Names the file that grounds are noted in, a line of JSON each. */
export const TALLY_VARIABLE = "VIRTIO_CASES_TALLY";

/** What became of a group of cases on one ground. */
export interface Tally {
  passed: number;
  skipped: number;
}

export interface GroundTally {
  readonly ground: string;
  readonly groups: Readonly<Record<string, Tally>>;
}

/** Adds a line to the file, if there is one. */
export function noteGround(tally: GroundTally): void {
  const file = process.env[TALLY_VARIABLE];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(tally)}\n`);
}
