/** What `npm test` prints when all suites have run. */

import Table from "cli-table3";
import { count } from "../command/count.js";
import { columns, fold, indent } from "../command/layout.js";
import { duration } from "../command/progress-text.js";
import type { FileResult } from "./run-suites.js";

const slowestShown = 10;

/** What became of one suite, or of all of them. */
export interface Sum {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Of its files, one after the other. */
  readonly seconds: number;
}

export function sumOf(results: readonly FileResult[]): Sum {
  const sum = (value: (result: FileResult) => number): number =>
    results.reduce((total, result) => total + value(result), 0);
  return {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    skipped: sum(({ skipped }) => [...skipped.values()].reduce((total, number) => total + number, 0)),
    seconds: sum(({ seconds }) => seconds),
  };
}

/** "emulator: 2310 passed, 0 failed, 60 skipped". */
export function describeSuite(name: string, results: readonly FileResult[]): string {
  const { passed, failed, skipped } = sumOf(results);
  return `${name}: ${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

/** The suites, a row each, with those that have no results, and the sums. */
export function suiteTable(suites: readonly string[], results: readonly FileResult[]): string {
  const table = new Table({
    head: ["suite", "files", "ran", "passed", "failed", "skipped", "seconds"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  const add = (name: string, ofSuite: readonly FileResult[]): void => {
    const { passed, failed, skipped, seconds } = sumOf(ofSuite);
    table.push([name, ofSuite.length, passed + failed, passed, failed, skipped, seconds.toFixed(1)]);
  };
  for (const name of suites)
    add(
      name,
      results.filter(({ suite }) => suite === name),
    );
  add("all", results);
  return table.toString();
}

/** How long all of it took, and which files took longest. */
export function describeTimes(results: readonly FileResult[], seconds: number, filesAtATime: number): string {
  const slowest = [...results].sort((one, other) => other.seconds - one.seconds).slice(0, slowestShown);
  const inAll = duration(sumOf(results).seconds);
  return [
    `It took ${duration(seconds)}, ${count(filesAtATime, "file")} at a time; one by one, they took ${inAll}.`,
    "The slowest, in seconds:",
    ...indent(
      columns(
        slowest.map((result) => [result.seconds.toFixed(1), result.file]),
        [0],
      ),
    ),
  ].join("\n");
}

/** Why tests did not run, one paragraph for each suite and reason; empty when all of them ran. */
export function describeSkipped(results: readonly FileResult[]): string {
  const counts = new Map<string, number>();
  for (const { suite, skipped } of results) {
    for (const [reason, number] of skipped) {
      const key = `${suite}: ${reason}`;
      counts.set(key, (counts.get(key) ?? 0) + number);
    }
  }
  if (counts.size === 0) return "";
  const reasons = Array.from(counts, ([reason, number]) => `${count(number, "test")} of ${reason}`);
  return `Skipped (--verbose names them):\n${reasons.map((each) => indent(fold(each, 78).split("\n")).join("\n")).join("\n")}`;
}
