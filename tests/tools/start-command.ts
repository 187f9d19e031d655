/** Runs `npm start`'s command as a person would: a process of its own, judged by its output and exit status. */

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { RunResult } from "../../tools/start/result.js";

const COMMAND = fileURLToPath(new URL("../../tools/start/main.ts", import.meta.url));
/** As a file, so that the command can be started from any folder. */
const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
/** What no run takes, even with other tests beside it. */
const TIMEOUT_MILLISECONDS = 120_000;

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface StartOptions {
  /** Working directory. */
  folder?: string;
  /** Added to, or in place of, the test's own. */
  environment?: Record<string, string>;
}

/** Runs the command to its end. */
export function start(parameters: readonly string[], options: StartOptions = {}): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", TSX, COMMAND, ...parameters], {
    encoding: "utf8",
    timeout: TIMEOUT_MILLISECONDS,
    cwd: options.folder,
    env: { ...process.env, ...options.environment },
  });
  return { status, stdout, stderr };
}

/**
 * Runs the command while this process goes on.
 *
 * @param heard is called with everything on stderr so far, whenever there is more
 */
export async function startAsync(parameters: readonly string[], heard?: (stderr: string) => void): Promise<Outcome> {
  const child = spawn(process.execPath, ["--import", TSX, COMMAND, ...parameters], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MILLISECONDS,
  });
  const outcome: Outcome = { status: null, stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (outcome.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    outcome.stderr += text;
    heard?.(outcome.stderr);
  });
  outcome.status = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  return outcome;
}

/** The command line for a shell. */
export function shellCommand(parameters: string): string {
  return `"${process.execPath}" --import "${TSX}" "${COMMAND}" ${parameters}`;
}

/** What `--json -` printed; throws when that is not exactly one document. */
export function parseResult(outcome: Outcome): RunResult {
  return JSON.parse(outcome.stdout) as RunResult;
}

export function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Calls `use` with an empty folder, and removes that with all that is in it. */
export function withFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(path.join(tmpdir(), "virtio-wasm-test-"));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
