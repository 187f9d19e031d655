/** `npm run format`: gives every file the project's layout, and `kernel-shim/README.md` the current interface. */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { documentAbi, documentFile } from "../build/abi-document.js";
import { readAbi } from "../build/abi-model.js";
import { projectFolder } from "../build/project.js";

const program = new Command("npm run format --")
  .description("Formats every file, or the files named.")
  .argument("[files...]")
  .parse();

const readSource = (name: string): string => readFileSync(join(projectFolder, name), "utf8");

const files = program.args.length > 0 ? program.args : ["."];
writeFileSync(join(projectFolder, documentFile), documentAbi(readSource(documentFile), readAbi(readSource)));
const { status } = spawnSync(
  process.execPath,
  ["node_modules/prettier/bin/prettier.cjs", "--write", "--log-level=warn", ...files, documentFile],
  { cwd: projectFolder, stdio: "inherit" },
);
process.exitCode = status ?? 1;
