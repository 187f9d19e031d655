/**
 * A process that runs tests on mutants, over and over: `node --import tsx bench.ts FOLDER FILES`. The folder has the
 * modules that know all mutants. Those of both builds stand in for the stack's, wherever a test has them from; a spec is
 * a module of its own, and all of it counts as one test. Tests are run one at a time, by their numbers.
 */

import { readFileSync } from "node:fs";
import { register } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ImpatientReporter, runCompiledSpec } from "../../tests/unit/specs.js";
import { COVERAGE_IMPORT, COVERAGE_MODULE } from "../fuzz/coverage/instrument.js";
import { isSpec, moduleFile } from "./modules.js";

/** Runs one test on the stack as it is, or on a mutant. */
export interface Order {
  readonly test: number;
  /** The branch that is never taken; null: none. */
  readonly mutant: number | null;
  /** How many branches the stack may take before it counts as going on for ever. */
  readonly branchesMax: number;
  /** How long the test may take before it does. */
  readonly millisecondsMax: number;
}

/** What came of it. */
export interface Report {
  /** The failure's message; null where the test did not fail. */
  readonly failure: string | null;
  readonly milliseconds: number;
  /** How many branches were taken. */
  readonly taken: number;
  /** Which ones. */
  readonly branches: readonly number[];
}

/** A test that can be run: the first message says which there are. */
export interface KnownTest {
  readonly file: string;
  /** With the suites that it is in. */
  readonly name: string;
  /** It is not for this build or host. */
  readonly isSkipped: boolean;
}

interface RecordedTest {
  readonly path: readonly string[];
  readonly name: string;
  readonly run: () => unknown;
  readonly isSkipped: boolean;
}

register("../reliability/hooks.mjs", import.meta.url);
const recorder = (await import(new URL("../reliability/recorder.mjs", import.meta.url).href)) as {
  tests: RecordedTest[];
};

let order: Order = { test: 0, mutant: null, branchesMax: 0, millisecondsMax: 0 };
let taken = 0;
const branches = new Set<number>();
/** A test that calls the stack again and again although it goes on and on does so, too. */
const CALLS_MAX = 100;

function reached(branch: number): number {
  if (order.mutant === null) branches.add(branch);
  if (++taken > order.branchesMax) {
    if (taken > order.branchesMax + CALLS_MAX) process.exit(1);
    throw new Error("the stack goes on and on");
  }
  return branch === order.mutant ? 1 : 0;
}

// Nobody reads where an error came from, and to find that out takes most of a spec's time.
Error.stackTraceLimit = 0;

const [folder = "", ...files] = process.argv.slice(2);
const readModule = (name: string): Buffer<ArrayBuffer> => readFileSync(join(folder, moduleFile(name)));
const mappedMutants = new WebAssembly.Module(readModule("mapped"));
const portedMutants = new WebAssembly.Module(readModule("ported"));

/** The same build of the stack, with all mutants; anything else as it is. */
function withMutants(module: WebAssembly.Module): WebAssembly.Module {
  const imports = WebAssembly.Module.imports(module);
  const names = imports.map((each) => each.module);
  if (!names.includes("kernel") || names.includes(COVERAGE_MODULE)) return module;
  return imports.some(({ name }) => name.startsWith("phys_")) ? portedMutants : mappedMutants;
}

WebAssembly.Instance = class extends WebAssembly.Instance {
  constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
    super(withMutants(module), { ...imports, [COVERAGE_MODULE]: { [COVERAGE_IMPORT]: reached } });
  }
};

/** Runs a spec's tests; throws when one fails. */
function runSpec(file: string): void {
  const outcomes = runCompiledSpec(file, "mapped", readModule(file), new ImpatientReporter());
  const failure = outcomes.find((outcome) => outcome.failure !== undefined);
  if (failure !== undefined) throw new Error(`${failure.name}: ${failure.failure ?? ""}`);
}

const known: KnownTest[] = [];
for (const file of files) {
  if (isSpec(file)) {
    recorder.tests.push({ path: [], name: file, run: () => runSpec(file), isSkipped: false });
    known.push({ file, name: file, isSkipped: false });
    continue;
  }
  await import(pathToFileURL(file).href);
  for (const { path, name, isSkipped } of recorder.tests.slice(known.length)) {
    known.push({ file, name: [...path, name].join(": "), isSkipped });
  }
}

process.on("message", (message: Order) => {
  void run(message).then((report) => process.send?.(report));
});
process.on("disconnect", () => process.exit());
process.send?.(known);

async function run(wanted: Order): Promise<Report> {
  order = wanted;
  taken = 0;
  branches.clear();
  const started = performance.now();
  let failure: string | null = null;
  try {
    await recorder.tests[wanted.test]?.run();
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  const milliseconds = performance.now() - started;
  return { failure, milliseconds, taken, branches: [...branches] };
}
