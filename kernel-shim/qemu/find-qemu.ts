/**
 * Looks for QEMU on this computer, so that commands and tests can say in one line what is missing.
 */

import { spawnSync } from "node:child_process";
import path from "node:path";
import which from "which";

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
  for (const program of PROGRAMS) {
    for (const found of which.sync(program, { all: true, nothrow: true }) ?? []) {
      const file = path.resolve(found);
      const version = qemuVersion(file);
      if (version !== null) {
        return { path: file, version };
      }
    }
  }
  return null;
}
