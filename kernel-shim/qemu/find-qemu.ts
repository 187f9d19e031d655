/**
 * Looks for QEMU on this computer, so that commands and tests can say in one line what is missing.
 */

import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";

/** A QEMU that can be started. */
export interface FoundQemu {
  /** Absolute path of the program. */
  path: string;
  /** "7.2.22", as the program says itself. */
  version: string;
}

/** The programs that emulate a PC, the usual one first. */
const PROGRAMS = ["qemu-system-x86_64", "qemu-system-i386"];

/** What a person can do when `findQemu` answers null. */
export const HOW_TO_INSTALL_QEMU = "install it with: apt-get install qemu-system-x86";

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The version that the program at `file` reports, or null when it is no QEMU that runs. */
export function qemuVersion(file: string): string | null {
  const answer = spawnSync(file, ["--version"], { encoding: "utf8", timeout: 10_000 });
  if (answer.status !== 0) {
    return null;
  }
  return /QEMU emulator version (\d+(?:\.\d+)+)/.exec(answer.stdout)?.[1] ?? null;
}

/** The first QEMU for x86 on the search path (`PATH`), or null when there is none that runs. */
export function findQemu(): FoundQemu | null {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== "");
  for (const program of PROGRAMS) {
    for (const folder of folders) {
      const file = path.resolve(folder, program);
      const version = isProgram(file) ? qemuVersion(file) : null;
      if (version !== null) {
        return { path: file, version };
      }
    }
  }
  return null;
}
