/**
 * `npm run fuzz`: hostile devices at random, for as long as wanted.
 *
 * Exit status 0 when nothing was found, 1 when something was, 2 when what was asked for cannot be done.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compare } from "../../tests/hostile/campaign.js";
import { describeFinding } from "../../tests/hostile/report.js";
import { runScenario, type ScenarioOptions } from "../../tests/hostile/scenario.js";
import { projectFolder } from "../build/project.js";
import { STANDARD_OUTPUT, writeJson } from "../command/json-file.js";
import { EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { documentCampaign, reliabilityFile } from "../figures/document.js";
import type { Coverage } from "./coverage/coverage.js";
import { parseOptions, type Options } from "./options.js";
import { describe, toDocument } from "./report.js";

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

/** Returns whether nothing was found. */
async function campaign(options: Options): Promise<boolean> {
  const { json, readme, uncovered } = options;
  // It brings the compilers with it.
  const { runCampaign } = await import("./campaign.js");
  const result = await runCampaign(options, (finding) => {
    if (json !== STANDARD_OUTPUT) console.log(`\n${describeFinding(finding.options, finding.outcome)}`);
  });
  if (json !== STANDARD_OUTPUT) console.log(describe(result, uncovered));
  const document = toDocument(result);
  if (json !== undefined) writeJson(json, document);
  if (readme) {
    const file = join(projectFolder, reliabilityFile);
    writeFileSync(file, documentCampaign(readFileSync(file, "utf8"), document));
  }
  return result.totals.findings === 0;
}

/** Returns whether nothing was found. */
async function fuzz(options: Options): Promise<boolean> {
  const { replay: seed, mutations: only, builds, coverageEvery } = options;
  if (seed === undefined) return campaign(options);
  const coverage = coverageEvery === 0 ? null : await (await import("./coverage/coverage.js")).Coverage.create(builds);
  const runs = builds.map((build) => replay({ build, seed, ...(only === undefined ? {} : { only }) }, coverage));
  return runs.every((wasFine) => wasFine);
}

await runCommand("npm run fuzz", async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options === null) return 0;
  return (await fuzz(options)) ? 0 : EXIT_PROBLEM;
});
