/** Seed after seed, until time or seeds are over, somebody interrupts, or more findings would tell nothing new. */

import { setImmediate } from "node:timers/promises";
import { Presets, SingleBar } from "cli-progress";
import { newTotals, runSeed, type Totals } from "../../tests/hostile/campaign.js";
import type { Outcome, ScenarioOptions } from "../../tests/hostile/scenario.js";
import { shrink } from "../../tests/hostile/shrink.js";
import { Coverage, type CoverageReport } from "./coverage/coverage.js";
import { type Options, SEEDS } from "./options.js";
import { startWatchdog } from "./watchdog.js";

const FINDINGS_MAX = 10;
const MILLISECONDS_PER_MINUTE = 60_000;
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
  const coverage = coverageEvery === 0 ? null : await Coverage.create(builds);
  const totals = newTotals();
  const findings: FoundFinding[] = [];
  const started = performance.now();
  const elapsed = (): number => performance.now() - started;
  const end = options.minutes * MILLISECONDS_PER_MINUTE;
  const watchdog = startWatchdog();
  const progress = new Progress(options);
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  const note = (scenario: ScenarioOptions, outcome: Outcome): void => {
    const finding = { options: scenario, outcome: shrink(scenario, outcome) };
    findings.push(finding);
    found(finding);
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
    progress.update(seeds, elapsed(), totals);
    await setImmediate();
  }
  progress.stop();
  await watchdog.stop();
  return { firstSeed, seeds, seconds: elapsed() / 1000, totals, findings, coverage: coverage?.report() ?? null };
}

/** A bar on a terminal; nothing anywhere else. */
class Progress {
  private readonly bar = new SingleBar(
    {
      format: "{bar}  {inputs} inputs, {rate} a second, {mutations} mutated interactions, {findings} findings",
      stream: process.stderr,
      noTTYOutput: false,
      clearOnComplete: true,
      hideCursor: false,
    },
    Presets.shades_classic,
  );

  constructor(private readonly options: Options) {
    this.bar.start(1000, 0, { ...newTotals(), rate: 0 });
  }

  update(seeds: number, milliseconds: number, totals: Totals): void {
    const { minutes, seeds: wanted } = this.options;
    const done = Math.max(seeds / wanted, milliseconds / (minutes * MILLISECONDS_PER_MINUTE));
    this.bar.update(Math.round(1000 * done), { ...totals, rate: Math.round((1000 * totals.inputs) / milliseconds) });
  }

  stop(): void {
    this.bar.stop();
  }
}
