/**
 * JSON schemas of the documents that `--json` writes, made of their TypeScript types. `npm run format` brings them up to
 * date, and a test compares.
 */

import { join } from "node:path";
import { createGenerator } from "ts-json-schema-generator";
import { projectFolder } from "../build/project.js";

/** One document. Files are relative to the project's folder. */
export interface DocumentType {
  /** What writes it. */
  readonly command: string;
  readonly source: string;
  readonly type: string;
  /** Where its schema is. */
  readonly file: string;
}

export const schemas: readonly DocumentType[] = [
  {
    command: "npm start",
    source: "tools/start/result.ts",
    type: "RunResult",
    file: "tools/start/result.schema.json",
  },
  {
    command: "npm run bench",
    source: "tools/bench/result.ts",
    type: "BenchResult",
    file: "tools/bench/result.schema.json",
  },
  {
    command: "npm run fuzz",
    source: "tools/fuzz/result.ts",
    type: "FuzzResult",
    file: "tools/fuzz/result.schema.json",
  },
  {
    command: "npm run mutants",
    source: "tools/mutants/result.ts",
    type: "MutantsResult",
    file: "tools/mutants/result.schema.json",
  },
];

/** The schema, in JSON that is not yet in the project's layout. Throws when the type is not there. */
export function makeSchema({ source, type }: DocumentType): string {
  const generator = createGenerator({
    path: join(projectFolder, source),
    tsconfig: join(projectFolder, "tsconfig.json"),
    type,
    // The types are checked by `npm run check`.
    skipTypeCheck: true,
    topRef: false,
    // Some types of different files have the same name.
    expose: "none",
  });
  return JSON.stringify(generator.createSchema(type), null, 2);
}
