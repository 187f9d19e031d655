/** What commands leave behind when a signal ends them: nothing, and the status says that it was a signal. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { projectFolder } from "../../tools/build/project.js";

/** A temporary folder of its own for a command. */
function makeFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "virtio-cleanup-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What is in it, but for the cache of the loader. */
function leftIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => !name.startsWith("tsx-"));
}

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** All that it printed. */
  text: string;
}

/** Starts a script with Node, waits until it prints `word`, sends it a signal, and waits for its end. */
async function interrupt(
  parameters: readonly string[],
  temporary: string,
  word: string,
  signal: NodeJS.Signals,
  check: () => void = () => undefined,
): Promise<Ended> {
  const env: NodeJS.ProcessEnv = { ...process.env, TMPDIR: temporary };
  // Node's runner does not run inside itself, and tells by this.
  delete env["NODE_TEST_CONTEXT"];
  const child = spawn(process.execPath, parameters, {
    cwd: projectFolder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const ended = once(child, "close");
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (text.includes(word)) resolve();
      });
    }
    child.on("close", () => reject(new Error(`it ended without "${word}":\n${text}`)));
  });
  check();
  child.kill(signal);
  await ended;
  return { code: child.exitCode, signal: child.signalCode, text };
}

const cleanupModule = pathToFileURL(join(projectFolder, "tools/command/cleanup.ts")).href;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`${signal} removes a command's temporary folders, and is what ended it`, async (context) => {
    const folder = makeFolder(context);
    const script = join(folder, "script.mjs");
    writeFileSync(
      script,
      `import { writeFileSync } from "node:fs";
       import { TemporaryFolder } from ${JSON.stringify(cleanupModule)};
       for (const name of ["first-", "second-"]) writeFileSync(new TemporaryFolder(name).path + "/file", "contents");
       setInterval(() => {}, 1000);
       console.log("ready");`,
    );
    const temporary = join(folder, "temporary");
    mkdirSync(temporary);
    const ended = await interrupt(["--import", "tsx", script], temporary, "ready", signal, () => {
      assert.equal(leftIn(temporary).length, 2);
    });
    assert.equal(ended.signal, signal, ended.text);
    assert.deepEqual(leftIn(temporary), []);
  });
}

for (const { name, parameters, word } of [
  { name: "npm test", parameters: ["test", "--only", "tools", "test-runner"], word: "Running 1 file" },
  { name: "npm run mutants", parameters: ["mutants", "--only", "vendor != 0"], word: "Compiling" },
]) {
  test(`${name} leaves nothing in the temporary folder when it is ended`, async (context) => {
    const temporary = makeFolder(context);
    const [command = "", ...rest] = parameters;
    const main = join(projectFolder, "tools", command, "main.ts");
    const ended = await interrupt(["--import", "tsx", main, ...rest], temporary, word, "SIGTERM", () => {
      assert.notDeepEqual(leftIn(temporary), [], "there is something to be removed");
    });
    assert.equal(ended.signal, "SIGTERM", ended.text);
    assert.deepEqual(leftIn(temporary), []);
  });
}
