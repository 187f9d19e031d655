/**
 * What the npm scripts call: `node tools/run.mjs COMMAND ARGUMENTS…`.
 *
 * Makes every command work in a fresh clone: installs the packages when they are missing or others than the lock file
 * asks for, builds what is out of date, then runs `tools/COMMAND/main.ts`. Plain JavaScript without dependencies, because
 * it runs before there are any. Its exit status is the command's.
 */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const commands = ["build", "start", "test", "bench", "fuzz", "mutants", "check", "format", "unikernel"];
const commandsWithoutModules = ["build", "format"];
const oldestNode = [20, 12];
const usage = `usage: node tools/run.mjs COMMAND [ARGUMENTS], with one of these commands:\n  ${commands.join(" ")}`;

/** npm notes here when it installed what the lock file asks for. */
const installed = join(root, "node_modules", ".package-lock.json");
const wanted = join(root, "package-lock.json");
/** Which lock file that was: in a copied checkout, times say nothing. */
const installedHash = join(root, "node_modules", ".package-lock.sha256");

/** Says in one line why nothing can be done. */
function fail(message) {
  console.error(message);
  process.exit(2);
}

/** Runs a program in the project's folder, and returns its exit status. */
async function run(program, parameters) {
  const child = spawn(program, parameters, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
  // The terminal sends Ctrl-C to the child as well; the child says when it is done with it.
  const leaveToChild = () => {};
  process.on("SIGINT", leaveToChild);
  const passOn = (signal) => child.kill(signal);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, passOn);
  const status = await new Promise((resolve) => {
    child.on("error", (error) => fail(`cannot run ${program} (${error.code}); see whether it is installed`));
    child.on("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
  process.off("SIGINT", leaveToChild);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.off(signal, passOn);
  return status;
}

/** Runs a command of the project, and ends with it when it fails. */
async function runTypeScript(file, parameters) {
  const status = await run(process.execPath, ["--import", "tsx", join(root, file), ...parameters]);
  if (status !== 0) process.exit(status);
}

function hashOf(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Whether the packages are those of the lock file. */
function isInstalled() {
  if (!existsSync(installed)) return false;
  if (existsSync(installedHash) && readFileSync(installedHash, "utf8") === hashOf(wanted)) return true;
  return statSync(installed).mtimeMs >= statSync(wanted).mtimeMs;
}

async function install() {
  // What a command prints may be meant for a program.
  console.error("Installing packages (npm ci) …");
  const status = await run("npm", ["ci", "--no-audit", "--no-fund"]);
  if (status > 128) process.exit(status);
  if (status !== 0) fail("The packages could not be installed: npm says why above. Mend that, and try again.");
  writeFileSync(installedHash, hashOf(wanted));
}

/** Says where the person stands who called this, as npm does: it runs its scripts in the project's folder, too. */
function noteFolder(command) {
  const isCalledByNpm = process.env.npm_lifecycle_event === command && process.cwd() === root;
  if (isCalledByNpm) return;
  process.env.npm_lifecycle_event = command;
  process.env.INIT_CWD = process.cwd();
}

const [command, ...parameters] = process.argv.slice(2);
if (command === "-h" || command === "--help") {
  console.log(usage);
  process.exit(0);
}
if (!commands.includes(command)) fail(`There is no command "${command ?? ""}"; node tools/run.mjs -h lists them.`);
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
  fail(`Node ${oldestNode.join(".")} or newer is needed; this is ${process.versions.node}.`);
}

try {
  noteFolder(command);
  if (!isInstalled()) await install();
  if (!commandsWithoutModules.includes(command)) await runTypeScript("tools/build/main.ts", ["--quiet"]);
  await runTypeScript(`tools/${command}/main.ts`, parameters);
} catch (error) {
  fail(error.message);
}
