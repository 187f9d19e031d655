/** What `npm run fuzz` is asked to do. */

import { InvalidArgumentError, Option } from "commander";
import type { Build } from "../../kernel-shim/machine.js";
import { CommandError } from "../command/command-error.js";
import { commandLine, readCommandLine } from "../command/command-line.js";
import { STANDARD_OUTPUT } from "../command/json-file.js";
import { reliabilityFile } from "../figures/document.js";
import { userPath } from "../user-path.js";

export interface Options {
  /** The longest to go on. */
  readonly minutes: number;
  /** The first seed; the others follow. */
  readonly seed: number;
  /** How many seeds to run. */
  readonly seeds: number;
  readonly builds: readonly Build[];
  /** One in how many seeds is run on the instrumented modules, too; 0: none. */
  readonly coverageEvery: number;
  /** List the branches that were not reached. */
  readonly uncovered: boolean;
  /** File that the result goes to as JSON, or `STANDARD_OUTPUT`; undefined: none. */
  readonly json: string | undefined;
  /** Put the result into the document on reliability. */
  readonly readme: boolean;
  /** One seed to run again, in place of a campaign. */
  readonly replay: number | undefined;
  /** Which of its mutations to repeat; all when undefined. */
  readonly mutations: ReadonlySet<number> | undefined;
}

export const SEEDS = 0x1_0000_0000;
const DEFAULT_MINUTES = 1;
const DEFAULT_COVERAGE_EVERY = 8;

function parseSeed(text: string): number {
  const seed = Number(text);
  if (text === "" || !Number.isInteger(seed) || seed < 0 || seed >= SEEDS) {
    throw new InvalidArgumentError("A seed is a whole number from 0 to 4294967295.");
  }
  return seed;
}

function parseSeeds(text: string): number {
  const seeds = Number(text);
  if (!Number.isInteger(seeds) || seeds < 1 || seeds > SEEDS) {
    throw new InvalidArgumentError("Seeds are counted from 1 to 4294967296.");
  }
  return seeds;
}

function parseMinutes(text: string): number {
  const minutes = Number(text);
  if (!(minutes > 0)) throw new InvalidArgumentError("Minutes are a number above 0.");
  return minutes;
}

function parseEvery(text: string): number {
  const every = Number(text);
  if (text === "" || !Number.isInteger(every) || every < 0) {
    throw new InvalidArgumentError("One in how many is a whole number; 0 switches coverage off.");
  }
  return every;
}

function parseMutations(text: string): Set<number> {
  const numbers = text.split(",").filter((part) => part !== "");
  const indices = numbers.map(Number);
  if (!indices.every((index) => Number.isInteger(index) && index >= 0)) {
    throw new InvalidArgumentError("Mutations are numbers separated by commas.");
  }
  return new Set(indices);
}

interface Parsed {
  readonly minutes?: number;
  readonly seed?: number;
  readonly seeds?: number;
  readonly build: Build | "both";
  readonly coverage: number;
  readonly uncovered: boolean;
  readonly json?: string;
  readonly readme: boolean;
  readonly replay?: number;
  readonly mutations?: Set<number>;
}

/** Returns null after help. Throws `CommandError` when the arguments make no sense. */
export function parseOptions(parameters: readonly string[]): Options | null {
  const program = commandLine(
    "fuzz",
    "Runs the modules on devices that break every rule, at random, and reports what the stack should not have done, " +
      "with the mutations that matter and the command that repeats them, and which branches of the stack were reached.",
  )
    .option("--minutes <number>", `the longest to go on; ${DEFAULT_MINUTES} unless seeds are given`, parseMinutes)
    .option("--seeds <number>", "how many seeds to run, each on every build", parseSeeds)
    .option("--seed <number>", "where to begin; some other place every time unless given", parseSeed)
    .addOption(new Option("--build <build>", "which module").choices(["mapped", "ported", "both"]).default("both"))
    .option(
      "--coverage <number>",
      "one in how many seeds also runs on modules that tell which branches they reach; 0: none",
      parseEvery,
      DEFAULT_COVERAGE_EVERY,
    )
    .option("--uncovered", "list the branches that were not reached", false)
    .option("--json <file>", "write the result to this file as JSON, or - for standard output")
    .option("--readme", `put the result, of seeds with coverage, into ${reliabilityFile}`, false)
    .option("--replay <seed>", "run just this seed, and show what its devices do", parseSeed)
    .option("--mutations <numbers>", "with --replay: only these mutations, separated by commas", parseMutations);
  if (!readCommandLine(program, "fuzz", parameters)) return null;
  const { minutes, seed, seeds, build, coverage, uncovered, json, readme, replay, mutations } = program.opts<Parsed>();
  if (mutations !== undefined && replay === undefined) {
    throw new CommandError("--mutations needs --replay, the seed that they belong to");
  }
  if (uncovered && coverage === 0) throw new CommandError("--uncovered needs --coverage");
  if (readme && (seeds === undefined || seed === undefined || coverage === 0 || build !== "both")) {
    throw new CommandError(
      "--readme is for what others can repeat: give --seeds and --seed, both builds, and coverage",
    );
  }
  return {
    minutes: minutes ?? (seeds === undefined ? DEFAULT_MINUTES : Infinity),
    seed: seed ?? Math.floor(Math.random() * SEEDS),
    seeds: seeds ?? Infinity,
    builds: build === "both" ? ["mapped", "ported"] : [build],
    coverageEvery: coverage,
    uncovered,
    json: json === undefined || json === STANDARD_OUTPUT ? json : userPath("fuzz", json),
    readme,
    replay,
    mutations,
  };
}
