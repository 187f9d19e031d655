/** The result of a campaign, for people and for programs. */

import Table from "cli-table3";
import { repeatCommand } from "../../tests/hostile/report.js";
import { count } from "../command/count.js";
import { fold } from "../command/layout.js";
import type { CampaignResult } from "./campaign.js";
import type { CoverageReport } from "./coverage/coverage.js";
import type { FuzzResult } from "./result.js";

const number = (value: number): string => value.toLocaleString("en");

function percent(part: number, whole: number): string {
  return `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`;
}

export function describe(result: CampaignResult, listUncovered: boolean): string {
  const { firstSeed, seeds, seconds, totals, coverage } = result;
  const rate = (of: number): string => number(Math.round(of / Math.max(seconds, 0.001)));
  return [
    ...(coverage === null ? [] : [describeCoverage(coverage, totals.instrumentedInputs, listUncovered), ""]),
    fold(
      `${count(totals.inputs, "input")} from ${count(seeds, "seed")}, ${firstSeed} on, in ${seconds.toFixed(1)} s, ` +
        `${rate(totals.inputs)} a second`,
    ),
    `${count(totals.mutations, "mutated interaction")}, ${rate(totals.mutations)} a second`,
    `${count(totals.imports, "import")} called`,
    count(totals.findings, "finding"),
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
    fold(
      `${number(coverage.reached)} of ${number(coverage.branches)} branches of the stack reached, ` +
        `${percent(coverage.reached, coverage.branches)}, ` +
        `by the ${count(inputs, "input")} that ran on instrumented modules, too`,
    ),
  ];
  if (listUncovered) {
    const places = coverage.files.flatMap(({ unreached }) => unreached);
    lines.push(...places.map(({ file, line, column, kind }) => `  ${file}:${line}:${column}: ${kind}`));
  }
  return lines.join("\n");
}

/** Everything that there is to know, with plain numbers. */
export function toDocument({ firstSeed, seeds, seconds, totals, findings, coverage }: CampaignResult): FuzzResult {
  return {
    version: 1,
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
      rule: finding?.oracle ?? "",
      message: finding?.message ?? "",
      mutations,
      repeat: repeatCommand(options, mutations),
    })),
    coverage: coverage === null ? null : { inputs: totals.instrumentedInputs, ...coverage },
  };
}
