/**
 * `npm test`: sets up what the suites need, runs them one after the other, and prints how many tests ran, passed and
 * failed. The last line is the sum, alone: "N passed, N failed".
 *
 * Exit status: 0 all passed, 1 a test failed or a suite ran none, 2 a program is missing or the arguments make no sense.
 */

import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { projectFolder } from "../build/project.js";
import { ensurePrograms, MissingPrograms, searchPath } from "../setup/system-packages.js";
import { runSuite, type SuiteResult } from "./run-suite.js";
import { suites, testFiles } from "./suites.js";

interface Options {
  readonly only?: readonly string[];
  readonly verbose: boolean;
}

function parseSuites(list: string): string[] {
  const names = list.split(",");
  const unknown = names.find((name) => suites.every((suite) => suite.name !== name));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no suite ${unknown}.`);
  return names;
}

process.chdir(projectFolder);
const program = new Command("npm test --")
  .description("Runs the tests. Installs the programs they need where that takes no password.")
  .argument("[text]", "run only test files (for unit: specs) whose path contains this", "")
  .option("--only <suites>", "run only these suites, separated by commas", parseSuites)
  .option("--verbose", "print the tests that pass, too", false)
  .addHelpText(
    "after",
    `\nSuites:\n${suites.map((suite) => `  ${suite.name.padEnd(10)} ${suite.description}`).join("\n")}`,
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();
const { only, verbose } = program.opts<Options>();
const filter = program.args[0] ?? "";

// The unit suite has one file per build, which looks for the specs itself.
process.env["UNIT_SPECS"] = filter;
const jobs = suites
  .filter(({ name }) => only?.includes(name) ?? true)
  .map((suite) => ({ suite, files: testFiles(suite, suite.name === "unit" ? "" : filter) }))
  .filter(({ files }) => files.length > 0 || filter === "");

// Tests run programs by name, those for administrators too.
process.env["PATH"] = searchPath();
try {
  ensurePrograms(jobs.flatMap(({ suite }) => suite.programs));
} catch (error) {
  if (!(error instanceof MissingPrograms)) throw error;
  console.error(error.message);
  process.exit(2);
}

const results: SuiteResult[] = [];
for (const { suite, files } of jobs) {
  console.log(`${suite.name}: ${suite.description} …`);
  const result = await runSuite(suite, files, { verbose, allowEmptyFiles: filter !== "" });
  results.push(result);
  console.log(`${suite.name}: ${result.passed} passed, ${result.failed} failed, ${result.seconds.toFixed(1)} s`);
}

const ranNothing = results.filter(({ passed, failed }) => passed + failed === 0);
const isFailure =
  results.some(({ failed }) => failed > 0) ||
  (filter === "" ? ranNothing.length > 0 : ranNothing.length === results.length);
const sum = (value: (result: SuiteResult) => number): number =>
  results.reduce((total, result) => total + value(result), 0);
const passed = sum((result) => result.passed);
const failed = sum((result) => result.failed);

const table = new Table({
  head: ["suite", "ran", "passed", "failed", "skipped", "seconds"],
  colAligns: ["left", "right", "right", "right", "right", "right"],
  style: { head: [], border: [] },
});
for (const result of results) {
  table.push([
    result.name,
    result.passed + result.failed,
    result.passed,
    result.failed,
    result.skipped,
    result.seconds.toFixed(1),
  ]);
}
table.push(["all", passed + failed, passed, failed, sum((r) => r.skipped), sum((r) => r.seconds).toFixed(1)]);
console.log(table.toString());
for (const { name } of ranNothing) console.log(`The suite ${name} ran no test, which counts as a failure.`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(isFailure ? 1 : 0);
