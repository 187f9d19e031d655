/**
 * `npm run format`: gives every file the project's layout, `kernel-shim/README.md` the current interface, and `README.md`
 * the current list of tests on devices that misbehave.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { documentAbi, documentFile } from "../build/abi-document.js";
import { readAbi } from "../build/abi-model.js";
import { outputFolder, projectFolder } from "../build/project.js";
import { documentFile as listFile, documentReliability, readParts } from "../reliability/document.js";
import { TestNamesError } from "../reliability/test-names.js";

const program = new Command("npm run format --")
  .description("Formats every file, or the files named.")
  .argument("[files...]")
  .parse();

const readSource = (name: string): string => readFileSync(join(projectFolder, name), "utf8");

const files = program.args.length > 0 ? program.args : ["."];
writeFileSync(join(projectFolder, documentFile), documentAbi(readSource(documentFile), readAbi(readSource)));
const isListed = updateList();
const { status } = spawnSync(
  process.execPath,
  ["node_modules/prettier/bin/prettier.cjs", "--write", "--log-level=warn", ...files, documentFile, listFile],
  { cwd: projectFolder, stdio: "inherit" },
);
process.exitCode = isListed ? (status ?? 1) : 1;

/** Formatting goes on when the tests cannot be imported because they, or what they test, are broken at the moment. */
function updateList(): boolean {
  try {
    // Tests import the bindings that the build makes.
    if (!existsSync(join(outputFolder, "abi.ts"))) {
      spawnSync(process.execPath, ["--import", "tsx", join(projectFolder, "tools", "build", "main.ts"), "--quiet"], {
        stdio: "inherit",
      });
    }
    writeFileSync(join(projectFolder, listFile), documentReliability(readSource(listFile), readParts()));
    return true;
  } catch (error) {
    if (!(error instanceof TestNamesError)) throw error;
    console.error(`${error.message}\nThe list of tests in ${listFile} stays as it was.`);
    return false;
  }
}
