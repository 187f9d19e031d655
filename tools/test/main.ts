/**
 * `npm test`: sets up what the suites need, runs them one after the other, and prints how many tests ran, passed and
 * failed. The last line is the sum, alone: "N passed, N failed".
 *
 * Exit status: 0 all passed, 1 a test failed or a suite ran none, 2 a program is missing or the arguments make no sense.
 */

import { setMaxListeners } from "node:events";
import Table from "cli-table3";
import { InvalidArgumentError } from "commander";
import { projectFolder } from "../build/project.js";
import { onSignal, TemporaryFolder } from "../command/cleanup.js";
import { commandLine, readCommandLine } from "../command/command-line.js";
import { beginStep } from "../command/progress.js";
import { EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { ensurePrograms, searchPath } from "../setup/system-packages.js";
import { runSuite, type SuiteResult } from "./run-suite.js";
import { suites, testFiles, type Suite } from "./suites.js";

interface Options {
  readonly only?: readonly string[];
  readonly verbose: boolean;
}

interface Job {
  readonly suite: Suite;
  readonly files: string[];
}

function parseSuites(list: string): string[] {
  const names = list.split(",");
  const unknown = names.find((name) => suites.every((suite) => suite.name !== name));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no suite ${unknown}.`);
  return names;
}

async function runJobs(jobs: readonly Job[], filter: string, verbose: boolean): Promise<SuiteResult[]> {
  // Tests that are ended cannot put away their files; all of these are in one folder.
  const folder = new TemporaryFolder("virtio-tests-");
  process.env["TMPDIR"] = folder.path;
  const abortion = new AbortController();
  // Every test listens.
  setMaxListeners(0, abortion.signal);
  const forget = onSignal(() => abortion.abort());
  const results: SuiteResult[] = [];
  try {
    for (const { suite, files } of jobs) {
      console.log(`${suite.name}: ${suite.description} …`);
      const step = beginStep({ what: suite.name });
      const options = { verbose, allowEmptyFiles: filter !== "", step, signal: abortion.signal };
      const result = await runSuite(suite, files, options).finally(() => step.end());
      results.push(result);
      console.log(`${suite.name}: ${result.passed} passed, ${result.failed} failed, ${result.seconds.toFixed(1)} s`);
    }
    return results;
  } finally {
    forget();
    folder.remove();
  }
}

/** Prints the sums, and returns whether all is well. */
function summarise(results: readonly SuiteResult[], filter: string): boolean {
  const ranNothing = results.filter(({ passed, failed }) => passed + failed === 0);
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
  const hasRunEnough = filter === "" ? ranNothing.length === 0 : ranNothing.length < results.length;
  return failed === 0 && hasRunEnough;
}

await runCommand("npm test", async () => {
  const program = commandLine("test", "Runs the tests. Installs the programs they need where that takes no password.")
    .argument("[text]", "run only test files (for unit: specs) whose path contains this", "")
    .option("--only <suites>", "run only these suites, separated by commas", parseSuites)
    .option("--verbose", "print the tests that pass, too", false)
    .addHelpText(
      "after",
      `\nSuites:\n${suites.map((suite) => `  ${suite.name.padEnd(10)} ${suite.description}`).join("\n")}`,
    );
  if (!readCommandLine(program, "test", process.argv.slice(2))) return 0;
  const { only, verbose } = program.opts<Options>();
  const filter = program.args[0] ?? "";
  process.chdir(projectFolder);

  // The unit suite has one file per build, which looks for the specs itself.
  process.env["UNIT_SPECS"] = filter;
  const jobs = suites
    .filter(({ name }) => only?.includes(name) ?? true)
    .map((suite) => ({ suite, files: testFiles(suite, suite.name === "unit" ? "" : filter) }))
    .filter(({ files }) => files.length > 0 || filter === "");

  // Tests run programs by name, those for administrators too.
  process.env["PATH"] = searchPath();
  ensurePrograms(jobs.flatMap(({ suite }) => suite.programs));
  return summarise(await runJobs(jobs, filter, verbose), filter) ? 0 : EXIT_PROBLEM;
});
