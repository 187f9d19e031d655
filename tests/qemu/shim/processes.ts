/** Finds the processes of one machine, which a test marks with a name of its own on QEMU's command line. */

import { readdirSync, readFileSync } from "node:fs";

export interface FoundProcess {
  pid: number;
  /** Program and arguments. */
  command: string[];
}

let marks = 0;

/** A word that no other process has on its command line. */
export function newMark(): string {
  return `shim-test-${process.pid}-${++marks}`;
}

/** QEMU's arguments that carry the mark. */
export function marked(mark: string): string[] {
  return ["-name", mark];
}

/** Every process whose command line has the mark as an argument: the supervising shell and QEMU. */
export function processesMarked(mark: string): FoundProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name): FoundProcess => {
      try {
        return { pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0") };
      } catch {
        // It ended in the meantime.
        return { pid: Number(name), command: [] };
      }
    })
    .filter(({ command }) => command.includes("-name") && command.includes(mark));
}

/** The process id of the machine's QEMU. */
export function qemuPid(mark: string): number {
  const found = processesMarked(mark).find(({ command }) => command[0]?.includes("qemu-system"));
  if (found === undefined) {
    throw new Error(`No QEMU runs with the mark ${mark}`);
  }
  return found.pid;
}

/** The temporary folder that the machine was started with, from the command line of its shell. */
export function folderOf(mark: string): string {
  const folder = processesMarked(mark)
    .flatMap(({ command }) => command)
    .find((argument) => argument.includes("virtio-qemu-") && !argument.includes("="));
  if (folder === undefined) {
    throw new Error(`No shell runs with the mark ${mark}`);
  }
  return folder;
}

/** Waits until `condition` holds; false when it does not within `timeout` milliseconds. */
export async function eventually(condition: () => boolean, timeout = 10_000): Promise<boolean> {
  const end = performance.now() + timeout;
  while (!condition()) {
    if (performance.now() >= end) {
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}
