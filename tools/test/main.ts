/**
 * `npm test`: sets up what the suites need, runs their files side by side, and prints how many tests ran, passed and
 * failed, and which files took longest. The last line is the sum, alone: "N passed, N failed".
 *
 * Exit status: 0 all passed, 1 a test failed or a suite ran none, 2 suites were left out because programs are missing,
 * or the arguments make no sense.
 */

import { setMaxListeners } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgumentError } from "commander";
import { TALLY_VARIABLE } from "../../tests/cases/tally.js";
import { withSection } from "../build/marked-section.js";
import { projectFolder } from "../build/project.js";
import { onSignal, TemporaryFolder } from "../command/cleanup.js";
import { CommandError } from "../command/command-error.js";
import { commandLine, readCommandLine } from "../command/command-line.js";
import { count } from "../command/count.js";
import { fold } from "../command/layout.js";
import { beginStep } from "../command/progress.js";
import { EXIT_IMPOSSIBLE, EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { searchPath } from "../setup/system-packages.js";
import { readDurations, writeDurations } from "./durations.js";
import { documentFile, documentGrounds, formatGrounds, readGrounds, sectionName, type Row } from "./grounds.js";
import { installPrograms } from "./programs.js";
import { filesAtATime, runSuites, type FileResult, type Selection } from "./run-suites.js";
import { suites, testFiles } from "./suites.js";
import { describeSkipped, describeSuite, describeTimes, suiteTable, sumOf } from "./summary.js";

interface Options {
  readonly only?: readonly string[];
  readonly verbose: boolean;
  readonly where: boolean;
  readonly readme: boolean;
}

function parseSuites(list: string): string[] {
  const names = list.split(",");
  const unknown = names.find((name) => suites.every((suite) => suite.name !== name));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no suite ${unknown}.`);
  return names;
}

/** Tests that are ended cannot put away their files; all of these are in `folder`. */
async function runAll(
  selections: readonly Selection[],
  filter: string,
  verbose: boolean,
  folder: TemporaryFolder,
): Promise<FileResult[]> {
  process.env["TMPDIR"] = folder.path;
  const abortion = new AbortController();
  // Every test listens.
  setMaxListeners(0, abortion.signal);
  const forget = onSignal(() => abortion.abort());
  const files = selections.reduce((sum, selection) => sum + selection.files.length, 0);
  const names = selections.map(({ suite }) => suite.name).join(", ");
  console.log(fold(`Running ${count(files, "file")}, ${filesAtATime} at a time, of ${names}`));
  const step = beginStep({ what: "Testing" });
  try {
    return await runSuites(selections, {
      durations: readDurations(),
      step,
      suiteEnded: ({ name }, results) => step.aside(() => console.log(describeSuite(name, results))),
      signal: abortion.signal,
      verbose,
      allowEmptyFiles: filter !== "",
    });
  } finally {
    step.end();
    forget();
  }
}

async function writeGrounds(grounds: readonly Row[]): Promise<void> {
  const { format, resolveConfig } = await import("prettier");
  const text = withSection(readFileSync(documentFile, "utf8"), documentFile, sectionName, documentGrounds(grounds));
  writeFileSync(documentFile, await format(text, { ...(await resolveConfig(documentFile)), parser: "markdown" }));
}

/** Prints the sums, with `paragraphs` before the last line, and returns whether all is well. */
function summarise(
  selections: readonly Selection[],
  results: readonly FileResult[],
  filter: string,
  paragraphs: readonly string[],
): boolean {
  const names = selections.map(({ suite }) => suite.name);
  const ranNothing = names.filter((name) => {
    const ofSuite = sumOf(results.filter(({ suite }) => suite === name));
    return ofSuite.passed + ofSuite.failed === 0;
  });
  const { passed, failed } = sumOf(results);
  console.log(suiteTable(names, results));
  for (const text of paragraphs.filter((each) => each !== "")) console.log(text);
  for (const name of ranNothing) console.log(`The suite ${name} ran no test, which counts as a failure.`);
  console.log(`${passed} passed, ${failed} failed`);
  const hasRunEnough = filter === "" ? ranNothing.length === 0 : ranNothing.length < names.length;
  return failed === 0 && hasRunEnough;
}

await runCommand("npm test", async () => {
  const program = commandLine("test", "Runs the tests. Installs the programs they need where that takes no password.")
    .argument("[text]", "run only test files (for unit: specs) whose path contains this", "")
    .option("--only <suites>", "run only these suites, separated by commas", parseSuites)
    .option("--verbose", "print the tests that pass, too", false)
    .option("--where", "print which behaviour cases ran on which machine", false)
    .option("--readme", `put that into ${documentFile}, after a run of everything`, false)
    .addHelpText(
      "after",
      `\nSuites:\n${suites.map((suite) => `  ${suite.name.padEnd(10)} ${suite.description}`).join("\n")}`,
    );
  if (!readCommandLine(program, "test", process.argv.slice(2))) return 0;
  const { only, verbose, where, readme } = program.opts<Options>();
  const filter = program.args[0] ?? "";
  if (readme && (only !== undefined || filter !== "")) {
    throw new CommandError("--readme is for runs of everything: leave out --only and the text");
  }
  process.chdir(projectFolder);

  // Tests run programs by name, those for administrators too.
  process.env["PATH"] = searchPath();
  // The unit suite has one file per build, which looks for the specs itself.
  process.env["UNIT_SPECS"] = filter;
  const wanted = suites
    .filter(({ name }) => only?.includes(name) ?? true)
    .map((suite) => ({ suite, files: testFiles(suite, suite.name === "unit" ? "" : filter) }))
    .filter(({ files }) => files.length > 0 || filter === "");
  if (wanted.length === 0) throw new CommandError(`no test file has "${filter}" in its path; see the folder tests`);
  const { leftOut, advice } = installPrograms(wanted.map(({ suite }) => suite));
  if (advice !== "") console.error(advice);
  const selections = wanted.filter(({ suite }) => !leftOut.includes(suite));

  const started = performance.now();
  const folder = new TemporaryFolder("virtio-tests-");
  const tally = join(folder.path, "cases");
  process.env[TALLY_VARIABLE] = tally;
  let grounds: Row[] = [];
  const results = await runAll(selections, filter, verbose, folder).finally(() => {
    grounds = readGrounds(tally);
    folder.remove();
  });
  // Of a part of the unit tests it says nothing.
  if (filter === "") writeDurations(Object.fromEntries(results.map(({ file, seconds }) => [file, seconds])));

  const isGood = summarise(selections, results, filter, [
    describeTimes(results, (performance.now() - started) / 1000, filesAtATime),
    describeSkipped(results),
    where ? formatGrounds(grounds) : "",
    advice,
  ]);
  if (readme && isGood && leftOut.length === 0) await writeGrounds(grounds);
  if (!isGood) return EXIT_PROBLEM;
  return leftOut.length > 0 ? EXIT_IMPOSSIBLE : 0;
});
