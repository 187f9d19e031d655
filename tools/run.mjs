/**
 * What the npm scripts call: `node tools/run.mjs COMMAND ARGUMENTS…`.
 *
 * Makes every command work in a fresh clone: installs the packages when they are missing or older than the lock file,
 * builds what is out of date, then runs `tools/COMMAND/main.ts`. Plain JavaScript without dependencies, because it runs
 * before there are any. Its exit status is the command's.
 */

import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const commands = ["build", "start", "test", "bench", "fuzz", "mutants", "check", "format", "unikernel"];
const commandsWithoutModules = ["build", "format"];
const oldestNode = [20, 12];

/** npm notes here when it installed what the lock file asks for. */
const installed = join(root, "node_modules", ".package-lock.json");
const wanted = join(root, "package-lock.json");

function fail(message) {
  console.error(message);
  process.exit(2);
}

/** Runs a program in the project's folder, and ends with it when it fails. */
async function run(program, parameters) {
  const child = spawn(program, parameters, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
  // The terminal sends Ctrl-C to the child as well; the child says when it is done with it.
  const leaveToChild = () => {};
  process.on("SIGINT", leaveToChild);
  const passOn = (signal) => child.kill(signal);
  process.on("SIGTERM", passOn);
  const status = await new Promise((resolve) => {
    child.on("error", (error) => fail(`cannot run ${program}: ${error.message}`));
    child.on("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
  process.off("SIGINT", leaveToChild);
  process.off("SIGTERM", passOn);
  if (status !== 0) process.exit(status);
}

const runTypeScript = (file, parameters) => run(process.execPath, ["--import", "tsx", join(root, file), ...parameters]);

const [command, ...parameters] = process.argv.slice(2);
if (!commands.includes(command)) fail(`usage: node tools/run.mjs ${commands.join("|")} [arguments]`);
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
  fail(`Node ${oldestNode.join(".")} or newer is needed; this is ${process.versions.node}.`);
}

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(wanted).mtimeMs) {
  // What a command prints may be meant for a program.
  console.error("Installing packages (npm ci) …");
  await run("npm", ["ci", "--no-audit", "--no-fund"]);
}
if (!commandsWithoutModules.includes(command)) await runTypeScript("tools/build/main.ts", ["--quiet"]);
await runTypeScript(`tools/${command}/main.ts`, parameters);
