/** Where `--json FILE` puts its document. */

import { writeFileSync } from "node:fs";

/** In the place of a file's name. */
export const STANDARD_OUTPUT = "-";

/** Writes a document to a file of this absolute name, or to `STANDARD_OUTPUT`. Throws what writing throws. */
export function writeJson(file: string, document: unknown): void {
  const text = `${JSON.stringify(document, null, 2)}\n`;
  if (file === STANDARD_OUTPUT) process.stdout.write(text);
  else writeFileSync(file, text);
}
