/** The result of a campaign, for people and for programs. */

import Table from "cli-table3";
import { repeatCommand } from "../../tests/hostile/report.js";
import type { CampaignResult } from "./campaign.js";
import type { CoverageReport } from "./coverage/coverage.js";

const number = (value: number): string => value.toLocaleString("en");

function percent(part: number, whole: number): string {
  return `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`;
}

export function describe(result: CampaignResult, listUncovered: boolean): string {
  const { firstSeed, seeds, seconds, totals, coverage } = result;
  const rate = (count: number): string => number(Math.round(count / Math.max(seconds, 0.001)));
  return [
    ...(coverage === null ? [] : [describeCoverage(coverage, totals.instrumentedInputs, listUncovered), ""]),
    `${number(totals.inputs)} inputs from ${number(seeds)} seeds, ${firstSeed} on, in ${seconds.toFixed(1)} s, ` +
      `${rate(totals.inputs)} a second`,
    `${number(totals.mutations)} mutated interactions, ${rate(totals.mutations)} a second`,
    `${number(totals.imports)} imports called`,
    `${totals.findings} findings`,
  ].join("\n");
}

function describeCoverage(coverage: CoverageReport, inputs: number, listUncovered: boolean): string {
  const table = new Table({
    head: ["file", "branches", "reached", ""],
    colAligns: ["left", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const { file, branches, reached } of coverage.files) {
    table.push([file, branches, reached, percent(reached, branches)]);
  }
  const lines = [
    table.toString(),
    `${number(coverage.reached)} of ${number(coverage.branches)} branches of the stack reached, ` +
      `${percent(coverage.reached, coverage.branches)}, by the ${number(inputs)} inputs that ran on instrumented modules, too`,
  ];
  if (listUncovered) {
    const places = coverage.files.flatMap(({ unreached }) => unreached);
    lines.push(...places.map(({ file, line, column, kind }) => `  ${file}:${line}:${column}: ${kind}`));
  }
  return lines.join("\n");
}

/** Everything that there is to know, with plain numbers. */
export function toJson({ firstSeed, seeds, seconds, totals, findings, coverage }: CampaignResult): string {
  const result = {
    firstSeed,
    seeds,
    seconds,
    inputs: totals.inputs,
    inputsPerSecond: totals.inputs / Math.max(seconds, 0.001),
    mutatedInteractions: totals.mutations,
    imports: totals.imports,
    findings: findings.map(({ options, outcome: { finding, mutations } }) => ({
      build: options.build,
      seed: options.seed,
      rule: finding?.oracle,
      message: finding?.message,
      mutations,
      repeat: repeatCommand(options, mutations),
    })),
    coverage: coverage === null ? null : { inputs: totals.instrumentedInputs, ...coverage },
  };
  return JSON.stringify(result, null, 2);
}
