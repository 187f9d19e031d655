/**
 * Runs the files of several suites side by side: as many at a time as there are processors, whatever suite they are of.
 * What a suite brings together is how its files are counted.
 */

import { availableParallelism } from "node:os";
import { relative } from "node:path";
import { projectFolder } from "../build/project.js";
import { count } from "../command/count.js";
import type { Step } from "../command/progress.js";
import { longestFirst, type Durations } from "./durations.js";
import { runPool } from "./pool.js";
import { runFile } from "./run-file.js";
import type { Suite } from "./suites.js";

/** Each file's runner listens to this process, and Node takes more than ten listeners for a mistake. */
const filesAtATimeMax = 8;
/** A test file is one process that works, or one that waits for one that works: QEMU, a compiler, a command. */
export const filesAtATime = Math.min(availableParallelism(), filesAtATimeMax);

/** A suite, and those of its test files that shall run, by their full paths. */
export interface Selection {
  readonly suite: Suite;
  readonly files: readonly string[];
}

export interface FileResult {
  /** Relative to the project's folder. */
  readonly file: string;
  readonly suite: string;
  readonly passed: number;
  readonly failed: number;
  /** How many tests did not run, by the reason that they give. */
  readonly skipped: ReadonlyMap<string, number>;
  readonly seconds: number;
}

export interface RunOptions {
  /** How long files took before. */
  readonly durations: Durations;
  /** Is told what comes of it. */
  readonly step: Step;
  /** Is given the results of a suite when its last file has ended. */
  readonly suiteEnded: (suite: Suite, results: readonly FileResult[]) => void;
  /** Ends the tests when it is aborted. */
  readonly signal: AbortSignal;
  /** Print the tests that do not fail, too. */
  readonly verbose: boolean;
  /** A file without a test is as bad as a failed test, unless tests were filtered out. */
  readonly allowEmptyFiles: boolean;
}

/** One file that waits to be run. */
interface Job {
  readonly suite: Suite;
  readonly path: string;
  readonly file: string;
}

/** Runs the files, and prints failures as they happen. Never throws because of a test. */
export async function runSuites(selections: readonly Selection[], options: RunOptions): Promise<FileResult[]> {
  const { step, durations, suiteEnded, verbose, signal, allowEmptyFiles } = options;
  const jobs = selections.flatMap(({ suite, files }) =>
    files.map((path): Job => ({ suite, path, file: relative(projectFolder, path) })),
  );
  const results: FileResult[] = [];
  const running = new Map<Job, { passed: number; failed: number }>();

  const runningOf = (suite: Suite): number => [...running.keys()].filter((job) => job.suite === suite).length;
  const mayStart = ({ suite }: Job): boolean => runningOf(suite) < (suite.concurrency ?? filesAtATime);
  const note = (): void => {
    const counts = [...results, ...running.values()];
    const failed = counts.reduce((sum, each) => sum + each.failed, 0);
    const ran = counts.reduce((sum, each) => sum + each.passed, failed);
    step.note(`${count(ran, "test")}, ${failed} failed, ${results.length} of ${count(jobs.length, "file")} done`);
  };
  const run = async (job: Job): Promise<void> => {
    const { suite, path, file } = job;
    running.set(job, { passed: 0, failed: 0 });
    const started = performance.now();
    const counts = await runFile(path, {
      print: (text) => step.aside(() => console.log(text)),
      counted: ({ passed, failed }) => {
        running.set(job, { passed, failed });
        note();
      },
      verbose,
      signal,
      allowEmpty: allowEmptyFiles,
    }).finally(() => running.delete(job));
    results.push({ file, suite: suite.name, ...counts, seconds: (performance.now() - started) / 1000 });
    note();
    const ofSuite = results.filter((result) => result.suite === suite.name);
    if (ofSuite.length === jobs.filter((each) => each.suite === suite).length) suiteEnded(suite, ofSuite);
  };

  await runPool(longestFirst(jobs, durations), filesAtATime, mayStart, run);
  return results;
}
