/**
 * `npm run fuzz`: hostile devices at random, for as long as wanted.
 *
 * Exit status 0 when nothing was found, 1 when something was, 2 when the arguments make no sense.
 */

import { compare } from "../../tests/hostile/campaign.js";
import { describeFinding } from "../../tests/hostile/report.js";
import { runScenario, type ScenarioOptions } from "../../tests/hostile/scenario.js";
import { runCampaign } from "./campaign.js";
import { Coverage } from "./coverage/coverage.js";
import { parseOptions } from "./options.js";
import { describe, toJson } from "./report.js";

const EXIT_FOUND = 1;

/** One seed again, with what its devices did. Returns whether nothing was found. */
function replay(options: ScenarioOptions, coverage: Coverage | null): boolean {
  const first = runScenario({ ...options, isThorough: true });
  const finding =
    first.finding ??
    (coverage === null ? undefined : compare(first, { ...options, instrumented: coverage.moduleOf(options.build) }));
  console.log(describeFinding(options, { ...first, finding }));
  if (finding?.stack !== undefined) console.log(finding.stack);
  return finding === undefined;
}

const options = parseOptions(process.argv.slice(2));
const { replay: seed, mutations: only, builds } = options;
let isFine: boolean;
if (seed === undefined) {
  const result = await runCampaign(options, (finding) => {
    if (!options.json) console.log(`\n${describeFinding(finding.options, finding.outcome)}`);
  });
  console.log(options.json ? toJson(result) : describe(result, options.uncovered));
  isFine = result.totals.findings === 0;
} else {
  const coverage = options.coverageEvery === 0 ? null : await Coverage.create(builds);
  const runs = builds.map((build) => replay({ build, seed, ...(only === undefined ? {} : { only }) }, coverage));
  isFine = runs.every((wasFine) => wasFine);
}
process.exitCode = isFine ? 0 : EXIT_FOUND;
