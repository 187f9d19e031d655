/** `npm run format`: gives every file the project's layout. */

import { spawnSync } from "node:child_process";
import { Command } from "commander";
import { projectFolder } from "../build/project.js";

const program = new Command("npm run format --")
  .description("Formats every file, or the files named.")
  .argument("[files...]")
  .parse();

const files = program.args.length > 0 ? program.args : ["."];
const { status } = spawnSync(
  process.execPath,
  ["node_modules/prettier/bin/prettier.cjs", "--write", "--log-level=warn", ...files],
  { cwd: projectFolder, stdio: "inherit" },
);
process.exitCode = status ?? 1;
