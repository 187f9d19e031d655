/**
 * The names of tests, without running them: their files are imported in a process of their own, in which `node:test`
 * does nothing but listen. So names may be made up in any way, and QEMU is not needed.
 */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { projectFolder } from "../build/project.js";

export interface TestName {
  /** The suites that the test is in, the outermost first. */
  readonly path: readonly string[];
  readonly name: string;
}

/** The files cannot be imported; the message is Node's. */
export class TestNamesError extends Error {}

/** The test files in these folders, relative to the project's, and in folders in them. */
export function testFilesIn(folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(projectFolder, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => join(projectFolder, folder, name))
      .sort(),
  );
}

/** The names of all tests in these files, in order. */
export function testNames(files: readonly string[]): TestName[] {
  const script = fileURLToPath(new URL("list-tests.mjs", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", script, ...files], {
    cwd: projectFolder,
    encoding: "utf8",
  });
  if (status !== 0) throw new TestNamesError(stderr);
  return JSON.parse(stdout) as TestName[];
}
