/** A FIFO that another program reads while it is written: Wireshark, with `wireshark -k -i FIFO`. */

import { constants, openSync } from "node:fs";
import { sleep } from "../../kernel-shim/qemu/sleep.js";
import { CommandError } from "../command/command-error.js";

const PATIENCE_MILLISECONDS = 60_000;
const INTERVAL_MILLISECONDS = 50;

/** A descriptor for writing, or null while nobody has opened the FIFO for reading. */
function tryToOpen(file: string): number | null {
  try {
    return openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENXIO") return null;
    throw error;
  }
}

/**
 * Waits until somebody reads from the FIFO `file`. Opening it for writing does not block any more as long as the
 * returned descriptor, the caller's to close, is open. Throws `CommandError` when nobody comes.
 *
 * @param tell is given a line to say if it has to wait
 */
export function openFifo(file: string, tell: (line: string) => void, patience = PATIENCE_MILLISECONDS): number {
  let descriptor = tryToOpen(file);
  if (descriptor !== null) return descriptor;
  tell(`Waiting for a reader of ${file}; for one: wireshark -k -i ${file}`);
  for (const end = performance.now() + patience; descriptor === null; descriptor = tryToOpen(file)) {
    if (performance.now() > end) {
      throw new CommandError(`nobody read from ${file} within ${patience / 1000} s; start the reader, then this again`);
    }
    sleep(INTERVAL_MILLISECONDS);
  }
  return descriptor;
}
