/**
 * `npm run build`: makes what is out of date, and prints what there is.
 *
 * A fingerprint of everything that goes into the build is kept beside what came out of it, and one of each of that. The
 * compilers are loaded only when one of them differs, because every command of the project passes through here first.
 *
 * Exit status: 0 it is built, 1 the source has mistakes, 2 it could not be built.
 */

import { accessSync, constants, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { commandLine, readCommandLine } from "../command/command-line.js";
import { beginStep } from "../command/progress.js";
import { EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { fingerprint, hashOf } from "./fingerprint.js";
import { moduleTargets, outputFolder, projectFolder, recordFile, type BuildRecord } from "./project.js";
import { formatReports } from "./report.js";

interface Options {
  readonly debug: boolean;
  readonly force: boolean;
  readonly quiet: boolean;
}

function readRecord(): BuildRecord | undefined {
  if (!existsSync(recordFile)) return undefined;
  return JSON.parse(readFileSync(recordFile, "utf8")) as BuildRecord;
}

/** Whether what was built is there, and nobody has written anything else in its place. */
function isAsBuilt(file: string, hash: string): boolean {
  return existsSync(file) && hashOf(readFileSync(file)) === hash;
}

async function build({ debug, force, quiet }: Options): Promise<number> {
  const current = fingerprint(projectFolder);
  const previous = readRecord();
  const isUpToDate =
    previous?.fingerprint === current &&
    (previous.hasDebug || !debug) &&
    Object.entries(previous.outputs).every(([file, hash]) => isAsBuilt(join(outputFolder, file), hash));
  if (isUpToDate && !force) {
    if (!quiet) console.log(`${formatReports(previous.reports)}\nNothing changed since these were built.`);
    return 0;
  }
  // Compiling takes too long to find out afterwards.
  mkdirSync(outputFolder, { recursive: true });
  accessSync(outputFolder, constants.W_OK | constants.X_OK);
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
    if (!quiet) console.log(formatReports(result.reports));
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    // What another command prints may be meant for a program.
    (quiet ? console.error : console.log)(`Built ${targets.length} modules and their bindings in ${seconds} s.`);
    return 0;
  } finally {
    step.end();
  }
}

await runCommand("npm run build", async () => {
  const program = commandLine(
    "build",
    "Compiles the virtio modules, checks them, and generates their TypeScript and C bindings, into build/.",
  )
    .option("--debug", "make modules with assertions and names as well, in build/debug/", false)
    .option("--force", "build even if nothing changed", false)
    .option("--quiet", "print nothing but what is being built", false);
  if (!readCommandLine(program, "build", process.argv.slice(2))) return 0;
  process.chdir(projectFolder);
  return build(program.opts<Options>());
});
