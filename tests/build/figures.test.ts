/** Figures in documents, and schemas of JSON documents: they are what the commands find out. */

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { format, resolveConfig } from "prettier";
import { sizeLimit } from "../../tools/build/size.js";
import { MarkerError, sectionOf } from "../../tools/build/marked-section.js";
import { outputFolder, projectFolder } from "../../tools/build/project.js";
import {
  campaignSection,
  documentCampaign,
  documentMutants,
  documentSizes,
  reliabilityFile,
  sizesFile,
} from "../../tools/figures/document.js";
import { countBranches } from "../../tools/fuzz/coverage/coverage.js";
import type { FuzzResult } from "../../tools/fuzz/result.js";
import { makeSchema, schemas } from "../../tools/schema/make.js";

const read = (name: string): string => readFileSync(join(projectFolder, name), "utf8");
const page = read(sizesFile);
const reliabilityPage = read(reliabilityFile);

async function laidOut(text: string, file: string, parser: string): Promise<string> {
  return format(text, { ...(await resolveConfig(join(projectFolder, file), { editorconfig: true })), parser });
}

suite("the figures in documents", () => {
  test("the sizes of the modules are those of the build; `npm run format` brings them up to date", async () => {
    assert.equal(page, await laidOut(documentSizes(page), sizesFile, "markdown"));
  });

  test("the numbers of mutants are those of the stack; `npm run format` brings them up to date", async () => {
    assert.equal(reliabilityPage, await laidOut(documentMutants(reliabilityPage), reliabilityFile, "markdown"));
  });

  test("the small modules are as small as the first lines say", () => {
    const [, kibibytes = ""] = /in one module of under (\d+) KiB/.exec(page.replaceAll("\n", " ")) ?? [];
    for (const file of ["virtio-small.wasm", "virtio-small-ported.wasm"]) {
      assert.ok(statSync(join(outputFolder, file)).size < 1024 * Number(kibibytes), file);
    }
    assert.ok(1024 * Number(kibibytes) <= sizeLimit);
  });

  test(
    "the campaign was over all branches that there are; it comes up to date with " +
      "`npm run fuzz -- --seeds 10000 --seed 1 --readme`",
    () => {
      const section = sectionOf(reliabilityPage, reliabilityFile, campaignSection).replaceAll("\n", " ");
      const [, reached = "", branches = "", share] =
        /reached ([\d,]+) of the ([\d,]+) branches of `assembly\/`, ([\d.]+) %/.exec(section) ?? [];
      const number = (text: string): number => Number(text.replaceAll(",", ""));
      assert.equal(number(branches), countBranches());
      assert.equal(share, ((100 * number(reached)) / number(branches)).toFixed(1));
    },
  );

  test("a campaign writes what it came to, and nothing else", () => {
    const document = "before\n<!-- campaign:begin -->old<!-- campaign:end -->\nbehind\n";
    const result: FuzzResult = {
      ...{ version: 1, firstSeed: 1, seeds: 10_000, seconds: 241.7, inputs: 20_000, inputsPerSecond: 83 },
      ...{ mutatedInteractions: 3_840_000, imports: 1, findings: [] },
      coverage: { inputs: 2500, branches: 1035, reached: 997, files: [] },
    };
    assert.equal(
      documentCampaign(document, result),
      "before\n<!-- campaign:begin -->\n\n20,000 inputs (10,000 seeds on both builds) with 3,840,000 mutated " +
        "interactions ran without a finding, in 242 seconds. They reached 997 of the 1,035 branches of `assembly/`, " +
        "96.3 %.\n\n<!-- campaign:end -->\nbehind\n",
    );
  });

  test("are refused without their places", () => {
    assert.throws(() => documentSizes("no places"), MarkerError);
    assert.throws(() => documentMutants("no places"), MarkerError);
  });
});

suite("the schemas of JSON documents", () => {
  for (const schema of schemas) {
    test(`${schema.file} is made of its type; \`npm run format\` brings it up to date`, async () => {
      assert.equal(read(schema.file), await laidOut(makeSchema(schema), schema.file, "json"));
    });
  }
});
