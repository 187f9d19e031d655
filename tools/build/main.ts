/**
 * `npm run build`: makes what is out of date, and prints what there is.
 *
 * A fingerprint of everything that goes into the build is kept beside what came out of it. The compilers are loaded
 * only when the two differ, because every command of the project passes through here first.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { moduleTargets, outputFolder, projectFolder, recordFile, type BuildRecord } from "./project.js";
import { formatReports } from "./report.js";

interface Options {
  readonly debug: boolean;
  readonly force: boolean;
  readonly quiet: boolean;
}

/** What the build reads: files, and folders with all that is in them. */
const inputs = ["assembly", "tools/build", "asconfig.json", "package-lock.json"];

function filesOf(input: string): string[] {
  const entries = existsSync(join(projectFolder, input)) ? [input] : [];
  if (input.includes(".")) return entries;
  return readdirSync(join(projectFolder, input), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** One number for the contents of all inputs. */
function fingerprint(): string {
  const hash = createHash("sha256");
  for (const file of inputs.flatMap(filesOf)) hash.update(file).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

function readRecord(): BuildRecord | undefined {
  if (!existsSync(recordFile)) return undefined;
  return JSON.parse(readFileSync(recordFile, "utf8")) as BuildRecord;
}

const program = new Command("npm run build --")
  .description("Compiles the virtio modules, checks them, and generates their TypeScript and C bindings, into build/.")
  .option("--debug", "make modules with assertions and names as well, in build/debug/", false)
  .option("--force", "build even if nothing changed", false)
  .option("--quiet", "print one line if something is built, otherwise nothing", false)
  .parse();
const options = program.opts<Options>();

process.chdir(projectFolder);
const current = fingerprint();
const previous = readRecord();
const isUpToDate =
  previous?.fingerprint === current &&
  (previous.hasDebug || !options.debug) &&
  previous.outputs.every((file) => existsSync(join(outputFolder, file)));

if (isUpToDate && !options.force) {
  if (!options.quiet) console.log(`${formatReports(previous.reports)}\nNothing changed since these were built.`);
} else {
  const { make } = await import("./make.js");
  const targets = moduleTargets.filter(({ isRelease }) => isRelease || options.debug);
  const started = performance.now();
  const result = await make(targets, current);
  if (result.problems.length > 0) {
    console.error(result.problems.join("\n"));
    console.error("Nothing in build/ was replaced.");
    process.exitCode = 1;
  } else {
    if (!options.quiet) console.log(formatReports(result.reports));
    console.log(
      `Built ${targets.length} modules and their bindings in ${((performance.now() - started) / 1000).toFixed(1)} s.`,
    );
  }
}
