/** Runs the test files of one suite with Node's test runner, and counts. */

import { resolve, relative } from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";
import { projectFolder } from "../build/project.js";
import { count } from "../command/count.js";
import type { Step } from "../command/progress.js";
import type { Suite } from "./suites.js";

/** A test file that takes longer hangs. */
const fileTimeoutMilliseconds = 8 * 60 * 1000;

export interface SuiteResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
}

export interface RunOptions {
  /** Told what comes of it; nobody when left out. */
  readonly step?: Step;
  /** Ends the tests when it is aborted. */
  readonly signal?: AbortSignal;
  /** Print the tests that pass, too. */
  readonly verbose: boolean;
  /** A file without a test is as bad as a failed test, unless tests were filtered out. */
  readonly allowEmptyFiles: boolean;
}

/** What Node's test runner tells about one test, as far as it is used here. */
interface TestEvent {
  readonly name: string;
  readonly nesting: number;
  readonly file?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: { readonly type?: string | undefined; readonly error?: Error | undefined };
}

/** Runs the files and prints failures as they happen. Never throws because of a test. */
export async function runSuite(suite: Suite, files: string[], options: RunOptions): Promise<SuiteResult> {
  const started = performance.now();
  const result = { name: suite.name, passed: 0, failed: 0, skipped: 0 };
  const begun = new Set<string>();
  const print = (text: string): void => {
    if (options.step === undefined) console.log(text);
    else options.step.aside(() => console.log(text));
  };
  const report = (mark: string, test: TestEvent): void => {
    print(`${mark} ${relative(projectFolder, test.file ?? "")}: ${test.name}`);
  };
  // Files differ too much to tell from them what remains.
  const advance = (test: TestEvent): void => {
    if (test.file !== undefined) begun.add(test.file);
    const tests = result.passed + result.failed + result.skipped;
    options.step?.note(
      `${count(tests, "test")} of ${begun.size} files out of ${files.length}, ${result.failed} failed`,
    );
  };

  const onPass = (test: TestEvent): void => {
    if (test.details.type === "suite") return;
    if (isFile(test)) {
      if (options.allowEmptyFiles) return;
      result.failed++;
      report("no tests in", test);
    } else if (test.skip !== undefined || test.todo !== undefined) {
      result.skipped++;
      report("skipped", test);
    } else {
      result.passed++;
      if (options.verbose) report("passed", test);
    }
  };
  const onFail = (test: TestEvent): void => {
    const { error } = test.details;
    // The tests inside have been counted one by one.
    if (error !== undefined && "failureType" in error && error.failureType === "subtestsFailed") return;
    result.failed++;
    report("FAILED", test);
    print(describeError(error));
  };

  // Test files get what this process was started with, the loader for TypeScript among it.
  const aborting = options.signal === undefined ? {} : { signal: options.signal };
  const events = run({ files, concurrency: suite.concurrency, timeout: fileTimeoutMilliseconds, ...aborting })
    .on("test:pass", (test: TestEvent) => {
      onPass(test);
      advance(test);
    })
    .on("test:fail", (test: TestEvent) => {
      onFail(test);
      advance(test);
    })
    .on("test:stdout", ({ message }: { message: string }) => print(message.trimEnd()))
    .on("test:stderr", ({ message }: { message: string }) => process.stderr.write(message));
  await new Promise<void>((done, fail) => {
    events.on("end", done).on("error", fail).resume();
  });
  return { ...result, seconds: (performance.now() - started) / 1000 };
}

/** The runner reports a file as a test of its own when there is none in it, or when the file itself fails. */
function isFile(test: TestEvent): boolean {
  return test.nesting === 0 && test.file !== undefined && resolve(projectFolder, test.name) === test.file;
}

function describeError(error: Error | undefined): string {
  // The runner wraps what was thrown.
  const cause = error?.cause ?? error;
  const text =
    cause instanceof Error ? (cause.stack ?? cause.message) : typeof cause === "string" ? cause : inspect(cause);
  return text.replaceAll(/^/gm, "    ");
}
