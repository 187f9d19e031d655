/** Holds what `--json` wrote against the schema that is made of its type. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { projectFolder } from "../../tools/build/project.js";
import { schemas } from "../../tools/schema/make.js";

/** @param command what wrote the document */
export function assertDocument(command: string, text: string): void {
  const file = schemas.find((schema) => schema.command === command)?.file ?? "";
  const schema = JSON.parse(readFileSync(join(projectFolder, file), "utf8")) as object;
  const ajv = new Ajv({ allErrors: true });
  assert.ok(ajv.validate(schema, JSON.parse(text)), ajv.errorsText());
}
