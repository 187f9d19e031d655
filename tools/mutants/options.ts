/** What `npm run mutants` is asked to do. */

import { commandLine, readCommandLine } from "../command/command-line.js";
import { STANDARD_OUTPUT } from "../command/json-file.js";
import { userPath } from "../user-path.js";

export interface Options {
  /** What stands in the line of every mutant that is meant. */
  readonly only: string;
  /** Names of groups of tests, or nothing for all. */
  readonly ask: readonly string[];
  /** Just list them. */
  readonly list: boolean;
  /** File that the result goes to as JSON, or `STANDARD_OUTPUT`; undefined: none. */
  readonly json: string | undefined;
}

/** Returns null after help. Throws `CommandError` when the arguments make no sense. */
export function parseOptions(parameters: readonly string[]): Options | null {
  const program = commandLine(
    "mutants",
    "Has the conditions in which the stack judges what a device says never come out one way, one after the other, " +
      "and reports those of which no test takes notice.",
  )
    .option("--only <text>", "only those with this in what --list prints: a file, a function, a condition", "")
    .option("--ask <groups>", "ask only these groups of tests, separated by commas: fixed cases, limits, …", "")
    .option("--list", "print them, and do nothing", false)
    .option("--json <file>", "write the result to this file as JSON, or - for standard output");
  if (!readCommandLine(program, "mutants", parameters)) return null;
  const { only, ask, list, json } = program.opts<{ only: string; ask: string; list: boolean; json?: string }>();
  const groups = ask.split(",").map((name) => name.trim());
  return {
    only,
    ask: groups.filter((name) => name !== ""),
    list,
    json: json === undefined || json === STANDARD_OUTPUT ? json : userPath("mutants", json),
  };
}
