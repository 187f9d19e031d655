/** How long test files took the last time that they ran here, so that the long ones can begin first. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { outputFolder } from "../build/project.js";

/** Seconds by file. */
export type Durations = Readonly<Record<string, number>>;

const recordFile = join(outputFolder, "test-seconds.json");

export function readDurations(): Durations {
  if (!existsSync(recordFile)) return {};
  try {
    return JSON.parse(readFileSync(recordFile, "utf8")) as Durations;
  } catch {
    // Half of it was written; it only makes things faster.
    return {};
  }
}

/** Adds to what is known. */
export function writeDurations(durations: Durations): void {
  mkdirSync(outputFolder, { recursive: true });
  writeFileSync(recordFile, JSON.stringify({ ...readDurations(), ...durations }, null, 2));
}

/** The longest first; before them those that nobody knows, which may be longer. */
export function longestFirst<Job extends { readonly file: string }>(jobs: readonly Job[], durations: Durations): Job[] {
  const seconds = ({ file }: Job): number => durations[file] ?? Number.MAX_VALUE;
  return [...jobs].sort((one, other) => seconds(other) - seconds(one));
}
