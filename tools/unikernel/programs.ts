/** Runs the programs that the image is made with. */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { projectFolder } from "../build/project.js";

/** A program said no; the message is the command and what it printed. */
export class ProgramError extends Error {}

/** Runs a program in the project's folder, and returns what it printed. Throws `ProgramError` when it fails. */
export async function runProgram(program: string, parameters: readonly string[]): Promise<string> {
  const child = spawn(program, parameters, { cwd: projectFolder, stdio: ["ignore", "pipe", "pipe"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const output = Buffer.concat(chunks).toString("utf8");
  if (status !== 0) throw new ProgramError(`${program} ${parameters.join(" ")}\n${output}`);
  return output;
}

/** Runs a script of an npm package with Node. */
export function runScript(script: string, parameters: readonly string[]): Promise<string> {
  return runProgram(process.execPath, [join(projectFolder, "node_modules", script), ...parameters]);
}
