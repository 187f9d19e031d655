/**
 * `npm run fuzz`: hostile devices at random, for as long as wanted.
 *
 * Exit status 0 when nothing was found, 1 when something was, 2 when the arguments make no sense.
 */

import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Presets, SingleBar } from "cli-progress";
import type { Build } from "../../kernel-shim/machine.js";
import { newTotals, runSeed, type Totals } from "../../tests/hostile/campaign.js";
import { describeFinding } from "../../tests/hostile/report.js";
import { type Outcome, runScenario, type ScenarioOptions } from "../../tests/hostile/scenario.js";
import { shrink } from "../../tests/hostile/shrink.js";
import { type Options, parseOptions } from "./options.js";

const EXIT_FOUND = 1;
/** Findings after which more of them tell nothing new. */
const FINDINGS_MAX = 10;
const SEEDS = 0x1_0000_0000;
const MILLISECONDS_PER_MINUTE = 60_000;

/** Tells the watchdog what is being run. */
function startWatchdog(): { begin(seed: number, build: Build): void; stop(): Promise<number> } {
  const shared = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT);
  const beat = new Int32Array(shared);
  const worker = new Worker(new URL("watchdog.mjs", import.meta.url), { workerData: shared, execArgv: [] });
  return {
    begin: (seed, build) => {
      beat[1] = seed;
      beat[2] = build === "ported" ? 1 : 0;
      Atomics.add(beat, 0, 1);
    },
    stop: () => worker.terminate(),
  };
}

/** One seed again, with what its devices did. */
function replay(options: ScenarioOptions): boolean {
  const outcome = runScenario({ ...options, isThorough: true });
  console.log(describeFinding(options, { outcome, mutations: outcome.mutations }));
  if (outcome.finding?.stack !== undefined) console.log(outcome.finding.stack);
  return outcome.finding === undefined;
}

function describeTotals(totals: Totals, first: number, seconds: number): string {
  const rate = (count: number): string => Math.round(count / Math.max(seconds, 0.001)).toLocaleString("en");
  const { inputs, mutations, imports, findings } = totals;
  return [
    `${inputs.toLocaleString("en")} inputs from seed ${first} on in ${seconds.toFixed(1)} s, ${rate(inputs)} a second`,
    `${mutations.toLocaleString("en")} mutated interactions, ${rate(mutations)} a second`,
    `${imports.toLocaleString("en")} imports called`,
    `${findings} findings`,
  ].join("\n");
}

async function campaign({ minutes, seed: first, builds }: Options): Promise<boolean> {
  const totals = newTotals();
  const started = performance.now();
  const elapsed = (): number => performance.now() - started;
  const length = minutes * MILLISECONDS_PER_MINUTE;
  const watchdog = startWatchdog();
  const bar = new SingleBar(
    {
      format: "{bar}  {inputs} inputs, {rate} a second, {mutations} mutated interactions, {findings} findings",
      stream: process.stderr,
      noTTYOutput: false,
      clearOnComplete: true,
      hideCursor: false,
    },
    Presets.shades_classic,
  );
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  const found = (options: ScenarioOptions, outcome: Outcome): void => {
    console.log(`\n${describeFinding(options, shrink(options, outcome))}`);
  };
  bar.start(Math.round(length / 1000), 0, { ...totals, rate: 0 });
  for (let seed = first; elapsed() < length && !interrupted.signal.aborted; seed = (seed + 1) % SEEDS) {
    for (const build of builds) {
      watchdog.begin(seed, build);
      runSeed(seed, [build], totals, found);
    }
    if (totals.findings >= FINDINGS_MAX) break;
    if (seed % 16 !== 0) continue;
    bar.update(Math.round(elapsed() / 1000), { ...totals, rate: Math.round((totals.inputs * 1000) / elapsed()) });
    // Signals, and what is to be printed, get their turn here only.
    await setImmediate();
  }
  bar.stop();
  await watchdog.stop();
  console.log(describeTotals(totals, first, elapsed() / 1000));
  return totals.findings === 0;
}

const options = parseOptions(process.argv.slice(2));
const { replay: seed, mutations: only, builds } = options;
let isFine: boolean;
if (seed === undefined) isFine = await campaign(options);
else {
  const runs = builds.map((build) => replay({ build, seed, ...(only === undefined ? {} : { only }) }));
  isFine = runs.every((wasFine) => wasFine);
}
process.exitCode = isFine ? 0 : EXIT_FOUND;
