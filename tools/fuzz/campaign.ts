/** Seed after seed, until time or seeds are over, somebody interrupts, or more findings would tell nothing new. */

import { setImmediate } from "node:timers/promises";
import { newTotals, runSeed, type Totals } from "../../tests/hostile/campaign.js";
import type { Outcome, ScenarioOptions } from "../../tests/hostile/scenario.js";
import { shrink } from "../../tests/hostile/shrink.js";
import { count } from "../command/count.js";
import { beginStep, type Step } from "../command/progress.js";
import { Coverage, type CoverageReport } from "./coverage/coverage.js";
import { type Options, SEEDS } from "./options.js";
import { startWatchdog } from "./watchdog.js";

const FINDINGS_MAX = 10;
const MILLISECONDS_PER_MINUTE = 60_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Seeds between two turns for signals and output. */
const PAUSE_EVERY = 16;

export interface FoundFinding {
  readonly options: ScenarioOptions;
  /** Of a run with no more mutations than it takes. */
  readonly outcome: Outcome;
}

export interface CampaignResult {
  readonly firstSeed: number;
  /** How many were run. */
  readonly seeds: number;
  readonly seconds: number;
  readonly totals: Totals;
  readonly findings: readonly FoundFinding[];
  /** Null when it was not asked for. */
  readonly coverage: CoverageReport | null;
}

/** Runs a campaign. `found` is called with each finding, shrunken. */
export async function runCampaign(options: Options, found: (finding: FoundFinding) => void): Promise<CampaignResult> {
  const { seed: firstSeed, builds, coverageEvery } = options;
  const coverage = coverageEvery === 0 ? null : await compileForCoverage(builds);
  const totals = newTotals();
  const findings: FoundFinding[] = [];
  const started = performance.now();
  const elapsed = (): number => performance.now() - started;
  const end = options.minutes * MILLISECONDS_PER_MINUTE;
  const watchdog = startWatchdog();
  // What has been found out is worth telling.
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  for (const signal of SIGNALS) process.once(signal, interrupt);
  const step = beginStep({ what: "Fuzzing", ...workOf(options) });
  let reported = 0;
  const note = (scenario: ScenarioOptions, outcome: Outcome): void => {
    const finding = { options: scenario, outcome: shrink(scenario, outcome) };
    findings.push(finding);
    step.aside(() => found(finding));
  };
  let seeds = 0;
  while (seeds < options.seeds && elapsed() < end && !interrupted.signal.aborted && findings.length < FINDINGS_MAX) {
    const seed = (firstSeed + seeds) % SEEDS;
    const instrumented = coverage !== null && seeds % coverageEvery === 0 ? coverage : undefined;
    for (const build of builds) {
      watchdog.begin(seed, build);
      runSeed(seed, build, totals, note, instrumented?.moduleOf(build));
    }
    seeds++;
    if (seeds % PAUSE_EVERY !== 0) continue;
    const done = doneOf(options, seeds, elapsed());
    step.note(`${count(totals.inputs, "input")}, ${count(totals.findings, "finding")}`);
    step.advance(done - reported);
    reported = done;
    await setImmediate();
  }
  step.end();
  for (const signal of SIGNALS) process.off(signal, interrupt);
  await watchdog.stop();
  return { firstSeed, seeds, seconds: elapsed() / 1000, totals, findings, coverage: coverage?.report() ?? null };
}

/** Seeds where their number is what ends the campaign; otherwise shares of its time. */
function workOf({ minutes, seeds }: Options): { total: number; unit?: string } {
  return minutes === Infinity ? { total: seeds, unit: "seeds" } : { total: 1 };
}

function doneOf({ minutes, seeds: wanted }: Options, seeds: number, milliseconds: number): number {
  if (minutes === Infinity) return seeds;
  return Math.min(Math.max(seeds / wanted, milliseconds / (minutes * MILLISECONDS_PER_MINUTE)), 1);
}

async function compileForCoverage(builds: Options["builds"]): Promise<Coverage> {
  const step: Step = beginStep({ what: "Compiling modules that tell which branches they reach" });
  try {
    return await Coverage.create(builds);
  } finally {
    step.end();
  }
}
