/** Runs one test file with Node's test runner, and counts. */

import { relative, resolve } from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";
import { projectFolder } from "../build/project.js";

/** A test file that takes longer hangs. */
const timeoutMilliseconds = 8 * 60 * 1000;

/** What has come of a file so far. */
export interface Counts {
  passed: number;
  failed: number;
  /** Tests that did not run, by the reason that they give. */
  skipped: Map<string, number>;
}

export interface FileOptions {
  /** Is given lines about tests, failures above all. */
  readonly print: (text: string) => void;
  /** Is called whenever the counts have changed. */
  readonly counted?: (counts: Readonly<Counts>) => void;
  /** Ends the tests when it is aborted. */
  readonly signal?: AbortSignal;
  /** Print the tests that do not fail, too. */
  readonly verbose: boolean;
  /** A file without a test is as bad as a failed test, unless tests were filtered out. */
  readonly allowEmpty: boolean;
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

/** Runs a file, given by its full path, in a process of its own. Never throws because of a test. */
export async function runFile(file: string, options: FileOptions): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: new Map() };
  const { print, counted = () => undefined, verbose } = options;
  const report = (mark: string, test: TestEvent): void => {
    print(`${mark} ${relative(projectFolder, file)}: ${test.name}`);
  };

  const onPass = (test: TestEvent): void => {
    const notRun = test.skip ?? test.todo;
    if (test.details.type === "suite") return;
    if (isFile(test, file)) {
      if (options.allowEmpty) return;
      counts.failed++;
      report("no tests in", test);
    } else if (notRun !== undefined) {
      const reason = typeof notRun === "string" && notRun !== "" ? notRun : "they give no reason";
      counts.skipped.set(reason, (counts.skipped.get(reason) ?? 0) + 1);
      if (verbose) report("skipped", test);
    } else {
      counts.passed++;
      if (verbose) report("passed", test);
    }
  };
  const onFail = (test: TestEvent): void => {
    const { error } = test.details;
    // The tests inside have been counted one by one.
    if (error !== undefined && "failureType" in error && error.failureType === "subtestsFailed") return;
    counts.failed++;
    report("FAILED", test);
    print(describeError(error));
  };

  // It gets what this process was started with, the loader for TypeScript among it.
  const aborting = options.signal === undefined ? {} : { signal: options.signal };
  const events = run({ files: [file], concurrency: 1, timeout: timeoutMilliseconds, ...aborting })
    .on("test:pass", (test: TestEvent) => {
      onPass(test);
      counted(counts);
    })
    .on("test:fail", (test: TestEvent) => {
      onFail(test);
      counted(counts);
    })
    .on("test:stdout", ({ message }: { message: string }) => print(message.trimEnd()))
    .on("test:stderr", ({ message }: { message: string }) => process.stderr.write(message));
  await new Promise<void>((done, fail) => {
    events.on("end", done).on("error", fail).resume();
  });
  return counts;
}

/** The runner reports a file as a test of its own when there is none in it, or when the file itself fails. */
function isFile(test: TestEvent, file: string): boolean {
  return test.nesting === 0 && resolve(projectFolder, test.name) === file;
}

function describeError(error: Error | undefined): string {
  // The runner wraps what was thrown.
  const cause = error?.cause ?? error;
  const text =
    cause instanceof Error ? (cause.stack ?? cause.message) : typeof cause === "string" ? cause : inspect(cause);
  return text.replaceAll(/^/gm, "    ");
}
