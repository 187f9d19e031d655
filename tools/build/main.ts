/**
 * `npm run build`: makes what is out of date, and prints what there is; with `--output`, one module more, of the drivers,
 * transports, extras and memory that the command line chooses.
 *
 * A fingerprint of everything that goes into the build is kept beside what came out of it, and one of each of that. The
 * compilers are loaded only when one of them differs, because every command of the project passes through here first.
 *
 * Exit status: 0 it is built, 1 the source has mistakes, 2 it could not be built.
 */

import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { Option } from "commander";
import { CommandError } from "../command/command-error.js";
import { commandLine, readCommandLine } from "../command/command-line.js";
import { beginStep } from "../command/progress.js";
import { EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { userPath } from "../user-path.js";
import { fingerprint, hashOf } from "./fingerprint.js";
import { allParts, canLeaveOut, chooseParts, flagOf, missingFrom, namesOf } from "./parts.js";
import { moduleTargets, outputFolder, projectFolder, recordFile, type Build, type BuildRecord } from "./project.js";
import { formatAdditions, formatReports } from "./report.js";

interface Options {
  readonly debug: boolean;
  readonly force: boolean;
  readonly quiet: boolean;
  readonly sizes: boolean;
  readonly drivers?: string;
  readonly transports?: string;
  readonly extras?: string;
  readonly memory?: Build;
  readonly output?: string;
}

function readRecord(): BuildRecord | undefined {
  if (!existsSync(recordFile)) return undefined;
  return JSON.parse(readFileSync(recordFile, "utf8")) as BuildRecord;
}

/** Whether what was built is there, and nobody has written anything else in its place. */
function isAsBuilt(file: string, hash: string): boolean {
  return existsSync(file) && hashOf(readFileSync(file)) === hash;
}

function print(record: BuildRecord): void {
  console.log(formatReports(record.reports));
  console.log(formatAdditions(record.additions, record.reports[0]));
}

const secondsSince = (started: number): string => ((performance.now() - started) / 1000).toFixed(1);

/** Compiling takes too long to find out afterwards. */
function refuseUnwritable(folder: string): void {
  accessSync(folder, constants.W_OK | constants.X_OK);
}

async function build({ debug, force, quiet, sizes }: Options): Promise<number> {
  const current = fingerprint(projectFolder);
  const previous = readRecord();
  const isUpToDate =
    previous?.fingerprint === current &&
    (previous.hasDebug || !debug) &&
    Object.entries(previous.outputs).every(([file, hash]) => isAsBuilt(join(outputFolder, file), hash));
  if (isUpToDate && !force) {
    const record = sizes ? await measured(previous) : previous;
    if (!quiet) {
      print(record);
      console.log("Nothing changed since these were built.");
    }
    return 0;
  }
  mkdirSync(outputFolder, { recursive: true });
  refuseUnwritable(outputFolder);
  const targets = moduleTargets.filter(({ isRelease }) => isRelease || debug);
  const started = performance.now();
  const step = beginStep({ what: "Building", total: targets.length + 1, unit: "steps" });
  try {
    step.begin("compiler");
    const { make } = await import("./make.js");
    const result = await make(targets, current, (what, done) => {
      step.advance(done);
      step.begin(what);
    });
    step.end();
    if (result.problems.length > 0) {
      console.error(result.problems.join("\n"));
      console.error("Nothing in build/ was replaced.");
      return EXIT_PROBLEM;
    }
  } finally {
    step.end();
  }
  const seconds = secondsSince(started);
  const built = readRecord();
  if (built !== undefined) {
    const record = sizes ? await measured(built) : built;
    if (!quiet) print(record);
  }
  // What another command prints may be meant for a program.
  (quiet ? console.error : console.log)(`Built ${targets.length} modules and their bindings in ${seconds} s.`);
  return 0;
}

/** A build with what each part adds, which takes a compilation each unless it is known. */
async function measured(record: BuildRecord): Promise<BuildRecord> {
  if (record.additions !== undefined) return record;
  const { measurableParts } = await import("./additions.js");
  const step = beginStep({ what: "Measuring", total: measurableParts().length, unit: "modules" });
  try {
    step.begin("compiler");
    const { measure } = await import("./make.js");
    const additions = await measure(record, (what, done) => {
      step.advance(done);
      step.begin(what);
    });
    return { ...record, additions };
  } finally {
    step.end();
  }
}

/** Makes the module that the command line chooses, whose name there is `output`. */
async function buildChosen(options: Options, output: string, path: string): Promise<number> {
  const { memory = "mapped", debug, force, sizes, quiet } = options;
  if (debug || force || sizes) {
    throw new CommandError("--debug, --force and --sizes are of the modules in build/; leave them out with --output");
  }
  const parts = chooseParts(options);
  if (existsSync(path) && !statSync(path).isFile()) {
    throw new CommandError(`${output} is no file; give the name of a file`);
  }
  refuseUnwritable(dirname(path));
  const started = performance.now();
  const step = beginStep({ what: "Building" });
  try {
    step.begin(output);
    const { makeChosen } = await import("./make.js");
    const { problems, reports } = await makeChosen(parts, memory, path, output);
    step.end();
    if (problems.length > 0) {
      console.error(problems.join("\n"));
      console.error(`${output} was not written.`);
      return EXIT_PROBLEM;
    }
    if (quiet) return 0;
    console.log(formatReports(reports));
    const missing = missingFrom(parts);
    if (missing.length > 0) {
      const macros = missing.map((name) => `  #define VIRTIO_${flagOf(name)}`);
      console.log(`In C, before build/virtio-abi.h is included:\n${macros.join("\n")}`);
    }
    console.log(`Built in ${secondsSince(started)} s.`);
    return 0;
  } finally {
    step.end();
  }
}

await runCommand("npm run build", async () => {
  const { drivers, transports, extras } = allParts();
  const program = commandLine(
    "build",
    "Compiles the virtio modules, checks them, and generates their TypeScript and C bindings, into build/. " +
      "With --output, compiles another module of some of the parts.",
  )
    .option("--debug", "make modules with assertions and names as well, in build/debug/", false)
    .option("--force", "build even if nothing changed", false)
    .option("--quiet", "print nothing but what is being built", false)
    .option("--sizes", "measure what each part adds, which takes seconds each", false)
    .option("--output <file>", "write the one module there that the next options choose")
    .option("--drivers <list>", `some of ${drivers.join(", ")}; all unless given`)
    .option("--transports <list>", `some of ${transports.join(", ")}; all unless given`)
    .option("--extras <list>", `some of ${extras.join(", ")}, or none; all unless given`)
    .addOption(
      new Option("--memory <kind>", "where devices reach memory: inside linear memory, or outside").choices([
        "mapped",
        "ported",
      ]),
    );
  const needed = namesOf(allParts()).filter((name) => !canLeaveOut(name));
  if (needed.length > 0) program.addHelpText("after", `\nEvery module has ${needed.join(", ")}.`);
  if (!readCommandLine(program, "build", process.argv.slice(2))) return 0;
  const options = program.opts<Options>();
  const path = userPath("build", options.output ?? "");
  process.chdir(projectFolder);
  if (options.output !== undefined) return buildChosen(options, options.output, path);
  if ((options.drivers ?? options.transports ?? options.extras ?? options.memory) !== undefined) {
    throw new CommandError(
      "--drivers, --transports, --extras and --memory choose another module; say where with --output FILE",
    );
  }
  return build(options);
});
