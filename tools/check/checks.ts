/** The checks of the source text: how it looks, what linters find, whether types fit. */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { projectFolder } from "../build/project.js";
import { onSignal } from "../command/cleanup.js";

export interface Check {
  readonly name: string;
  /** The script to run with Node, below `node_modules`, and its arguments. */
  readonly script: string;
  readonly parameters: readonly string[];
}

export const checks: readonly Check[] = [
  {
    name: "formatting (Prettier)",
    script: "prettier/bin/prettier.cjs",
    parameters: ["--check", "--log-level=warn", "--cache", "--cache-location=build/.prettier-cache", "."],
  },
  {
    name: "lint (ESLint)",
    script: "eslint/bin/eslint.js",
    parameters: ["--max-warnings=0", "."],
  },
  {
    name: "types (TypeScript)",
    script: "typescript/bin/tsc",
    parameters: ["--project", "tsconfig.json"],
  },
];

export interface CheckResult {
  readonly passed: boolean;
  /** What the program printed. */
  readonly output: string;
  readonly seconds: number;
}

export async function runCheck({ script, parameters }: Check): Promise<CheckResult> {
  const started = performance.now();
  const child = spawn(process.execPath, [join("node_modules", script), ...parameters], {
    cwd: projectFolder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const forget = onSignal(() => child.kill());
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  }).finally(forget);
  return {
    passed: status === 0,
    output: Buffer.concat(chunks).toString("utf8").trim(),
    seconds: (performance.now() - started) / 1000,
  };
}
