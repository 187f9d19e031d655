/** One number for everything that the build reads, and one for each file that it writes. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** What the build reads: files, and folders with all that is in them. */
const inputs = ["assembly", "tools/build", "asconfig.json", "package-lock.json"];

/** Paths of an input's files, relative to the project's folder, with slashes on every system. */
function filesOf(folder: string, input: string): string[] {
  if (!existsSync(join(folder, input))) return [];
  if (input.includes(".")) return [input];
  return readdirSync(join(folder, input), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, "/"))
    .sort();
}

/**
 * A number for the names and contents of all inputs, and for nothing else: wherever the project lies, it is the same.
 *
 * @param folder the project's
 */
export function fingerprint(folder: string): string {
  const hash = createHash("sha256");
  for (const file of inputs.flatMap((input) => filesOf(folder, input))) {
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(folder, file)))
      .update("\0");
  }
  return hash.digest("hex");
}

/** A number for the contents of one file. */
export function hashOf(contents: string | Uint8Array): string {
  return createHash("sha256").update(contents).digest("hex");
}
