/**
 * What a command leaves behind when a signal ends it: nothing. Whatever has to be put away is said here, and taken back
 * when it has been put away in the ordinary course of things.
 *
 * Signals keep their usual effect as long as there is nothing to put away: a command that does all its work in one
 * stretch would otherwise not be ended by them.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const pending = new Set<() => void>();

function endBy(signal: NodeJS.Signals): void {
  // What was there last may need what was there first.
  for (const cleanup of [...pending].reverse()) {
    try {
      cleanup();
    } catch {
      // The others still have their turn.
    }
  }
  for (const each of SIGNALS) process.off(each, endBy);
  // Whoever waits for this process sees what ended it.
  process.kill(process.pid, signal);
}

/** Has `cleanup` called if a signal ends the process. Returns a function that takes that back. */
export function onSignal(cleanup: () => void): () => void {
  if (pending.size === 0) for (const signal of SIGNALS) process.on(signal, endBy);
  // A function may be given twice.
  const entry = (): void => cleanup();
  pending.add(entry);
  return () => {
    pending.delete(entry);
    if (pending.size === 0) for (const signal of SIGNALS) process.off(signal, endBy);
  };
}

/** A folder for the time of a command, which a signal does not leave behind either. */
export class TemporaryFolder {
  readonly path: string;
  private readonly forget: () => void;

  /**
   * @param prefix what its name begins with
   * @param parent where it is; the system's temporary folder when left out
   */
  constructor(prefix: string, parent = tmpdir()) {
    this.path = mkdtempSync(join(parent, prefix));
    this.forget = onSignal(() => this.delete());
  }

  /** Removes it with all that is in it. */
  remove(): void {
    this.forget();
    this.delete();
  }

  private delete(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
