/** The reference for authors of kernels: it is the current interface. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { format, resolveConfig } from "prettier";
import { MarkerError } from "../../tools/build/marked-section.js";
import { documentAbi, documentFile } from "../../tools/build/abi-document.js";
import { readAbi } from "../../tools/build/abi-model.js";
import { projectFolder } from "../../tools/build/project.js";

const readSource = (name: string): string => readFileSync(join(projectFolder, name), "utf8");
const page = readSource(documentFile);

suite("the reference for authors of kernels", () => {
  test("states the interface as the sources have it; `npm run format` brings it up to date", async () => {
    const style = await resolveConfig(join(projectFolder, documentFile), { editorconfig: true });
    const current = await format(documentAbi(page, readAbi(readSource)), { ...style, parser: "markdown" });
    assert.equal(page, current);
  });

  test("is refused without the markers that the interface stands between", () => {
    assert.throws(() => documentAbi("no markers", readAbi(readSource)), MarkerError);
  });
});
