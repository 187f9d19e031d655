/** What is the same for all commands: help, what makes no sense, options that npm keeps, and where they are called. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { projectFolder } from "../../tools/build/project.js";
import type { RunResult } from "../../tools/start/result.js";
import { sha256, withFolder } from "./start-command.js";

const RUN = join(projectFolder, "tools", "run.mjs");
const commands = ["build", "start", "test", "bench", "fuzz", "mutants", "check", "format", "unikernel"];
const WIDTH = 80;

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** What npm sets for its scripts must not come from the npm that runs these tests. */
function environment(): NodeJS.ProcessEnv {
  const isOfNpm = (name: string): boolean => name.startsWith("npm_") || name === "INIT_CWD";
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOfNpm(name)));
}

function run(program: string, parameters: readonly string[], cwd = projectFolder): Ended {
  const { status, stdout, stderr } = spawnSync(program, parameters, { cwd, encoding: "utf8", env: environment() });
  return { status, stdout, stderr };
}

const runScript = (parameters: readonly string[], cwd?: string): Ended =>
  run(process.execPath, [RUN, ...parameters], cwd);

/** A command without what runs before each of them, which is the same for all: the look at what was built. */
const runCommand = (command: string, ...parameters: string[]): Ended =>
  run(process.execPath, ["--import", "tsx", join(projectFolder, "tools", command, "main.ts"), ...parameters]);

for (const command of commands) {
  test(`${command} -h prints help that fits 80 columns, and does nothing`, () => {
    const help = runScript([command, "-h"]);
    assert.equal(help.status, 0, help.stderr);
    assert.match(help.stdout, /^Usage: npm (run )?\w+ -- /);
    assert.match(help.stdout, /^ {2}-h, --help /m);
    for (const line of help.stdout.split("\n")) assert.ok(line.length <= WIDTH, line);
    assert.deepEqual(runCommand(command, "--help"), help);
  });

  test(`${command} refuses an unknown option in one line, with status 2`, () => {
    const { status, stdout, stderr } = runCommand(command, "--nonsense");
    assert.equal(stdout, "");
    assert.match(stderr, /^unknown option '--nonsense'; "npm (run )?\w+ -- --help" lists the options\n$/);
    assert.equal(status, 2);
  });
}

test("a command that does not exist is refused in one line, and -h lists those that do", () => {
  const { status, stderr } = runScript(["launch"]);
  assert.match(stderr, /^There is no command "launch"; [^\n]*-h[^\n]*\n$/);
  assert.equal(status, 2);
  const help = runScript(["-h"]);
  assert.equal(help.status, 0);
  for (const command of commands) assert.ok(help.stdout.includes(command), command);
});

for (const [parameters, advice] of [
  [["start", "--qemu"], "npm start -- --qemu"],
  [["start", "--disk", "disk.img"], "npm start -- --disk <file>"],
  [["run", "fuzz", "--seeds", "5"], "npm run fuzz -- --seeds <number>"],
  [["run", "bench", "--no-native"], "npm run bench -- --no-native"],
] as const) {
  test(`an option that npm keeps for itself is noticed: npm ${parameters.join(" ")}`, () => {
    const { status, stdout, stderr } = run("npm", parameters);
    assert.equal(status, 2, stdout);
    const lines = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("npm warn"));
    assert.equal(lines.length, 1, stderr);
    assert.match(lines[0] ?? "", /^npm keeps --/);
    assert.ok(lines[0]?.endsWith(advice), lines[0]);
  });
}

test("files are looked for where the person stands, whether npm is called or the script itself", () => {
  withFolder((folder) => {
    const image = join(folder, "disk.img");
    writeFileSync(image, Buffer.alloc(8192, 3));
    const parameters = ["start", "--", "--disk", "disk.img", "--json", "result.json", "--pcap", "frames.pcap"];
    const byNpm = run("npm", ["--prefix", projectFolder, ...parameters], folder);
    assert.equal(byNpm.status, 0, byNpm.stderr);
    assert.deepEqual(readdirSync(folder).sort(), ["disk.img", "frames.pcap", "result.json"]);

    const byScript = runScript(["start", "--disk", "disk.img", "--json", "other.json"], folder);
    assert.equal(byScript.status, 0, byScript.stderr);
    assert.ok(readdirSync(folder).includes("other.json"));
  });
});

test("standard output has nothing but the document, as the help says", () => {
  withFolder((folder) => {
    const image = join(folder, "disk.img");
    writeFileSync(image, Buffer.alloc(8192, 3));
    const { stdout, status } = run("npm", ["--silent", "start", "--", "--json", "-", "--disk", image]);
    assert.equal(status, 0);
    const result = JSON.parse(stdout) as RunResult;
    assert.equal(result.disks[0]?.sha256.asFound, sha256(image));
  });
});
