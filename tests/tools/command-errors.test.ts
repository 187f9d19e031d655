/** How commands fail: in one line, with status 2, whatever it is that fails. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { projectFolder, recordFile, type BuildRecord } from "../../tools/build/project.js";
import { CommandError } from "../../tools/command/command-error.js";
import { describeError, describeFailure } from "../../tools/command/errors.js";
import { withFolder } from "./start-command.js";

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command that does nothing but this. */
function runCommandOf(body: string, environment: Record<string, string> = {}): Ended {
  const frame = pathToFileURL(join(projectFolder, "tools/command/run-command.ts")).href;
  const folder = mkdtempSync(join(tmpdir(), "virtio-command-"));
  try {
    const script = join(folder, "command.mjs");
    writeFileSync(script, `import { runCommand } from ${JSON.stringify(frame)};\n${body}`);
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", script], {
      cwd: projectFolder,
      encoding: "utf8",
      env: { ...process.env, ...environment },
    });
    return { status, stdout, stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const long = "x".repeat(1_000_000);
const bug = `const source = "${long}"; throw new Error("something broke");`;

for (const [name, body] of [
  ["in the command", `await runCommand("npm start", () => { ${bug} });`],
  ["in the command, later", `await runCommand("npm start", async () => { await 1; ${bug} });`],
  ["behind its back", `await runCommand("npm start", () => { setTimeout(() => { ${bug} }); return 0; });`],
  [
    "in a promise that nobody waits for",
    `await runCommand("npm start", () => { (async () => { ${bug} })(); return 0; });`,
  ],
  [
    "where a package throws what nobody caught once more",
    `process.on("uncaughtException", (error) => { throw error; });
     await runCommand("npm start", () => { setTimeout(() => { ${bug} }); return 0; });`,
  ],
] as const) {
  test(`a bug ${name} ends it with status 2 and one line that asks for a report`, () => {
    const { status, stdout, stderr } = runCommandOf(body);
    assert.equal(
      stderr,
      "npm start has a bug: something broke. Please report it with what VIRTIO_DEBUG=1 makes it print.\n",
    );
    assert.equal(stdout, "");
    assert.equal(status, 2);
  });
}

test("VIRTIO_DEBUG=1 shows where an error comes from", () => {
  const { status, stderr } = runCommandOf(
    `await runCommand("npm start", function guilty() { throw new Error("something broke"); });`,
    { VIRTIO_DEBUG: "1" },
  );
  assert.match(stderr, /^npm start has a bug: something broke\..*\n(.*\n)* +at .*guilty/);
  assert.equal(status, 2);
});

test("a command's status is what it returns, and what it printed arrives whole", () => {
  const { status, stdout } = runCommandOf(
    `await runCommand("npm start", () => { process.stdout.write("${"y".repeat(300_000)}"); return 1; });`,
  );
  assert.equal(status, 1);
  assert.equal(stdout.length, 300_000);
});

test("what the system refuses is said with what to do", () => {
  const error = (code: string, syscall: string, path?: string): Error =>
    Object.assign(new Error(`${code}: words, ${syscall}`), { code, syscall, ...(path === undefined ? {} : { path }) });
  for (const [given, said] of [
    [error("EACCES", "open", "/a"), /^cannot open \/a \(EACCES\): permission is denied; see .*ls -ld$/],
    [error("ENOSPC", "write"), /^cannot write \(ENOSPC\): no space is left there; make room$/],
    [error("EROFS", "mkdir", "/a"), /^cannot make \/a \(EROFS\): its file system is read-only; /],
    [error("ENOENT", "spawn qemu-img"), /^cannot start qemu-img \(ENOENT\): it does not exist; /],
    [error("EOTHER", "ioctl", "/a"), /^EOTHER: words, ioctl$/],
  ] as const) {
    assert.match(describeFailure("npm start", given), said);
  }
  assert.equal(describeFailure("npm start", new CommandError("do this")), "do this");
  assert.match(describeFailure("npm start", Object.assign(new Error("no"), { code: "ERR_X" })), /has a bug: no\./);
  assert.equal(describeError(new Error("two\n  lines")), "two lines");
});

/** A copy of what the build needs, with the packages of this one. */
function copyProject(folder: string): void {
  for (const name of ["assembly", "tools", "kernel-shim", "asconfig.json", "package.json", "package-lock.json"]) {
    cpSync(join(projectFolder, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(projectFolder, "node_modules"), join(folder, "node_modules"));
}

function build(folder: string, ...parameters: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", join(folder, "tools/build/main.ts"), ...parameters],
    { cwd: folder, encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

test("a build that cannot be written says so in one line, with status 2", () => {
  withFolder((folder) => {
    copyProject(folder);
    // Nobody can write there, not even root.
    symlinkSync("/proc/self", join(folder, "build"));
    const { status, stdout, stderr } = build(folder, "--quiet");
    const failure = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Building: "));
    assert.equal(failure.length, 1, stderr.slice(0, 2000));
    assert.match(failure[0] ?? "", /^cannot \w+ .*build.* \(E[A-Z]+\): /);
    assert.equal(stdout, "");
    assert.equal(status, 2);
  });
  withFolder((folder) => {
    copyProject(folder);
    writeFileSync(join(folder, "build"), "");
    const { status, stderr } = build(folder, "--quiet");
    assert.match(stderr, /^cannot make .*build \(EEXIST\): [^\n]*\n$/);
    assert.equal(status, 2);
  });
});

/** The same, with what was built there. */
function copyBuiltProject(folder: string): void {
  copyProject(folder);
  mkdirSync(join(folder, "build"));
  const { outputs } = JSON.parse(readFileSync(recordFile, "utf8")) as BuildRecord;
  for (const name of [...Object.keys(outputs), "build.json"]) {
    cpSync(join(projectFolder, "build", name), join(folder, "build", name));
  }
}

test("a copied checkout is as up to date as the one that it was copied from", () => {
  withFolder((folder) => {
    copyBuiltProject(folder);
    const { status, stdout, stderr } = build(folder);
    assert.equal(stderr, "");
    assert.match(stdout, /^Nothing changed since these were built\.$/m);
    assert.equal(status, 0);
  });
});

test("what was built and written over by something else is built again", () => {
  withFolder((folder) => {
    copyBuiltProject(folder);
    const header = join(folder, "build/virtio-abi.h");
    const contents = readFileSync(header, "utf8");
    writeFileSync(header, "/* Automatically generated by wasm2c */\n");
    const { status, stderr } = build(folder, "--quiet");
    assert.match(stderr, /^Built 4 modules and their bindings in /m);
    assert.equal(status, 0);
    assert.equal(readFileSync(header, "utf8"), contents);
  });
});
