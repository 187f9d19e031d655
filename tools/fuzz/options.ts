/** What `npm run fuzz` is asked to do. */

import { Command, InvalidArgumentError, Option } from "commander";
import type { Build } from "../../kernel-shim/machine.js";

export interface Options {
  /** How long to go on. */
  readonly minutes: number;
  /** The first seed; the others follow. */
  readonly seed: number;
  readonly builds: readonly Build[];
  /** One seed to run again, in place of a campaign. */
  readonly replay: number | undefined;
  /** Which of its mutations to repeat; all when undefined. */
  readonly mutations: ReadonlySet<number> | undefined;
}

const SEEDS = 0x1_0000_0000;

function parseSeed(text: string): number {
  const seed = Number(text);
  if (!Number.isInteger(seed) || seed < 0 || seed >= SEEDS) {
    throw new InvalidArgumentError("A seed is a whole number from 0 to 4294967295.");
  }
  return seed;
}

function parseMinutes(text: string): number {
  const minutes = Number(text);
  if (!(minutes > 0)) throw new InvalidArgumentError("Minutes are a number above 0.");
  return minutes;
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
  readonly minutes: number;
  readonly seed?: number;
  readonly build: Build | "both";
  readonly replay?: number;
  readonly mutations?: Set<number>;
}

/** Ends the process with status 2 when the arguments make no sense. */
export function parseOptions(parameters: readonly string[]): Options {
  const program = new Command("npm run fuzz --")
    .description("Runs the driver stack on devices that break every rule, at random, and reports what that breaks.")
    .option("--minutes <number>", "how long to go on", parseMinutes, 1)
    .option("--seed <number>", "where to begin; some other place every time unless given", parseSeed)
    .addOption(new Option("--build <build>", "which module").choices(["mapped", "ported", "both"]).default("both"))
    .option("--replay <seed>", "run just this seed, and show what its devices do", parseSeed)
    .option("--mutations <numbers>", "with --replay: only these mutations, separated by commas", parseMutations)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .parse(parameters, { from: "user" });
  const { minutes, seed, build, replay, mutations } = program.opts<Parsed>();
  if (mutations !== undefined && replay === undefined) {
    program.error("error: --mutations needs --replay, the seed that they belong to");
  }
  return {
    minutes,
    seed: seed ?? Math.floor(Math.random() * SEEDS),
    builds: build === "both" ? ["mapped", "ported"] : [build],
    replay,
    mutations,
  };
}
