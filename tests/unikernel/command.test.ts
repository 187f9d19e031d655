/** `npm run unikernel` as a person uses it: files where they stand, mistakes in one line, and Ctrl-C. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { projectFolder } from "../../tools/build/project.js";
import { mebibyte, netbootImage, temporaryFolder, timeoutMilliseconds, writeRandomFile } from "./bench.js";

/** So large that it is on its way for a while. */
const largeBytes = 48 * mebibyte;

describe("npm run unikernel", () => {
  const folder = temporaryFolder();

  /** What npm sets must not come from the npm that runs these tests. */
  function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
    const own = Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$|NODE_TEST_CONTEXT$)/.test(name));
    return { ...Object.fromEntries(own), ...more };
  }

  /** Runs it from the folder. */
  function run(...parameters: string[]): { status: number | null; stdout: string; stderr: string } {
    const command = [join(projectFolder, "tools/run.mjs"), "unikernel", ...parameters];
    return spawnSync(process.execPath, command, { cwd: folder, encoding: "utf8", env: environment() });
  }

  before(async () => {
    // Built once, so that the command has nothing to say about that.
    await netbootImage();
  });

  test("takes the file of that name from where the person stands, not from the project's folder", () => {
    // The project has a file of this name, too.
    const contents = writeRandomFile(join(folder, "package.json"), 20_000);
    const { status, stdout, stderr } = run("--file", "package.json");
    assert.equal(status, 0, stdout + stderr);
    const sha256 = createHash("sha256").update(contents).digest("hex");
    assert.ok(stdout.endsWith(`${sha256}  ${join(folder, "package.json")}\n`), stdout);
    for (const line of stdout.split("\n").slice(0, -2)) assert.ok(line.length <= 80, line);
  });

  for (const [name, words] of [
    ["nothing", "there is no file"],
    [".", "is no ordinary file"],
  ] as const) {
    test(`says in one line, with status 2, that the file "${name}" cannot be had`, () => {
      const { status, stdout, stderr } = run("--file", name);
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(stderr, new RegExp(`^[^\n]*${words}[^\n]*; give --file the name of one\n$`));
      assert.ok(stderr.includes(join(folder, name)), stderr);
    });
  }

  for (const [option, value] of [
    ["--machine", "isapc"],
    ["--interrupts", "smoke"],
  ] as const) {
    test(`says in one line, with status 2, that ${option} cannot be ${value}`, () => {
      const { status, stdout, stderr } = run(option, value);
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(stderr, new RegExp(`^[^\n]*${option}[^\n]*${value}[^\n]*lists the options\n$`));
    });
  }

  test("says how long the first packet takes", () => {
    const { status, stdout, stderr } = run("--machine", "microvm", "--first-packet");
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^First packet \d+ ms after QEMU's start \(\d+ to \d+ ms, \d+ boots\)\n$/m);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`leaves no file and no QEMU behind when ${signal} ends it`, async () => {
      const temporary = join(folder, signal);
      mkdirSync(temporary);
      const file = join(folder, "large");
      writeFileSync(file, "");
      truncateSync(file, largeBytes);
      const command = ["--import", "tsx", join(projectFolder, "tools/unikernel/main.ts"), "--file", file];
      const child = spawn(process.execPath, command, {
        cwd: projectFolder,
        env: environment({ TMPDIR: temporary }),
        stdio: ["ignore", "pipe", "pipe"],
      });
      let text = "";
      const ended = new Promise((resolve) => child.once("close", resolve));
      const isOnItsWay = new Promise<void>((resolve) => {
        for (const stream of [child.stdout, child.stderr]) {
          stream.on("data", (chunk: Buffer) => {
            text += chunk.toString();
            if (text.includes("netboot: lease of")) resolve();
          });
        }
      });
      await Promise.race([isOnItsWay, ended]);
      assert.equal(child.exitCode, null, text);
      assert.equal(left(temporary).length, 1, text);
      assert.equal(processesWith(temporary).length, 1, text);
      child.kill(signal);
      await ended;
      assert.equal(child.signalCode, signal, text);
      assert.deepEqual(left(temporary), []);
      const end = performance.now() + timeoutMilliseconds;
      while (processesWith(temporary).length > 0 && performance.now() < end) await pause(20);
      assert.deepEqual(processesWith(temporary), []);
    });
  }
});

/** What is in a folder, but for the cache of Node's loader. */
function left(folder: string): string[] {
  return readdirSync(folder).filter((name) => !name.startsWith("tsx-"));
}

/** The processes that have such a text on their command line. */
function processesWith(text: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, "utf8");
      } catch {
        // It ended in the meantime.
        return "";
      }
    })
    .filter((command) => command.includes(text));
}
