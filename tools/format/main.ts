/**
 * `npm run format`: gives every file the project's layout, and brings up to date what is generated: the interface in
 * `kernel-shim/REFERENCE.md`, lists and figures in documents, and the schemas of what `--json` writes.
 *
 * Exit status: 0 done, 1 a file could not be formatted or a list not be made, 2 it could not be run.
 */

import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { documentAbi, documentFile } from "../build/abi-document.js";
import { readAbi } from "../build/abi-model.js";
import { outputFolder, projectFolder } from "../build/project.js";
import { onSignal } from "../command/cleanup.js";
import { commandLine, readCommandLine } from "../command/command-line.js";
import { beginStep, type Step } from "../command/progress.js";
import { EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { documentMutants, documentSizes, reliabilityFile, sizesFile } from "../figures/document.js";
import { makeSchema, schemas } from "../schema/make.js";
import { documentFile as listFile, documentReliability, readParts } from "../reliability/document.js";
import { TestNamesError } from "../reliability/test-names.js";
import { userPath } from "../user-path.js";

const readSource = (name: string): string => readFileSync(join(projectFolder, name), "utf8");
const writeSource = (name: string, text: string): void => writeFileSync(join(projectFolder, name), text);

/** Runs a script with Node, and returns its exit status. */
function runScript(...parameters: string[]): Promise<number> {
  const child = spawn(process.execPath, parameters, { cwd: projectFolder, stdio: "inherit" });
  const forget = onSignal(() => child.kill());
  return new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? EXIT_PROBLEM));
  }).finally(forget);
}

/** Formatting goes on when the tests cannot be imported because they, or what they test, are broken at the moment. */
function updateList(step: Step): boolean {
  try {
    writeSource(listFile, documentReliability(readSource(listFile), readParts()));
    return true;
  } catch (error) {
    if (!(error instanceof TestNamesError)) throw error;
    step.aside(() => {
      console.error(`${error.message}\nThe list of tests in ${listFile} stays as it was.`);
    });
    return false;
  }
}

async function format(files: readonly string[]): Promise<number> {
  // Tests import the bindings that the build makes, and figures are about its modules.
  if (!existsSync(join(outputFolder, "abi.ts"))) {
    const status = await runScript("--import", "tsx", join(projectFolder, "tools", "build", "main.ts"), "--quiet");
    if (status !== 0) return status;
  }
  const step = beginStep({ what: "Formatting" });
  try {
    step.begin("the interface");
    writeSource(documentFile, documentAbi(readSource(documentFile), readAbi(readSource)));
    step.begin("schemas");
    for (const schema of schemas) writeSource(schema.file, makeSchema(schema));
    step.begin("the list of tests");
    const isListed = updateList(step);
    writeSource(reliabilityFile, documentMutants(readSource(reliabilityFile)));
    writeSource(sizesFile, documentSizes(readSource(sizesFile)));
    step.begin("all files");
    const generated = [documentFile, listFile, sizesFile, ...schemas.map(({ file }) => file)];
    const parameters = ["--write", "--log-level=warn", ...files, ...generated];
    const status = await runScript("node_modules/prettier/bin/prettier.cjs", ...parameters);
    return isListed ? status : EXIT_PROBLEM;
  } finally {
    step.end();
  }
}

await runCommand("npm run format", () => {
  const program = commandLine(
    "format",
    "Formats every file, or the files named, and updates generated documents.",
  ).argument("[files...]");
  if (!readCommandLine(program, "format", process.argv.slice(2))) return 0;
  const files = program.args.map((name) => userPath("format", name));
  return format(files.length > 0 ? files : ["."]);
});
