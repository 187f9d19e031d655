/** Measures what each driver and transport adds: how much smaller the full module is without it. */

import type { Addition } from "./report.js";
import { compileRelease } from "./optimize.js";
import { allBut, allParts, canLeaveOut, compileOptionsFor, namesOf } from "./parts.js";
import { entryFile } from "./project.js";

/** What can be left out of a build: of a single transport, that cannot be known. */
export function measurableParts(): string[] {
  const all = allParts();
  return namesOf({ ...all, transports: all.transports.length > 1 ? all.transports : [] }).filter(canLeaveOut);
}

/**
 * Compiles the module that shares memory with devices without each part in turn. Throws `CompileError`.
 *
 * @param bytes what it has with all of them
 * @param begin is told what is compiled next
 */
export async function measureAdditions(bytes: number, begin: (what: string) => void): Promise<Addition[]> {
  const additions: Addition[] = [];
  for (const part of measurableParts()) {
    begin(`without ${part}`);
    const options = compileOptionsFor(allBut(part));
    const { binary } = await compileRelease({ target: "release", entries: [entryFile], ...options });
    additions.push({ part, bytes: bytes - binary.length });
  }
  return additions;
}
