/**
 * The figures in `README.md` that a command can find out. `npm run format` writes those that are known at once; what a
 * campaign came to, `npm run fuzz -- --readme` writes. A test compares.
 */

import { statSync } from "node:fs";
import { join } from "node:path";
import { MarkerError, withSection } from "../build/marked-section.js";
import { sizeBudget } from "../build/check-module.js";
import { outputFolder } from "../build/project.js";
import type { FuzzResult } from "../fuzz/result.js";
import { deviceChecks } from "../mutants/device-checks.js";

export const documentFile = "README.md";
/** What the markers begin with that the sizes stand between. */
export const sizesSection = "sizes";
/** The same for the campaign. */
export const campaignSection = "campaign";

const number = (value: number): string => value.toLocaleString("en");

/** What the table says about a release module. */
const modules = [
  { file: "virtio.wasm", memory: "inside linear memory" },
  { file: "virtio-ported.wasm", memory: "outside, reached through `phys_*` imports" },
];

function sizes(): string {
  const rows = modules.map(({ file, memory }) => {
    const { size } = statSync(join(outputFolder, file));
    return `| \`build/${file}\` | ${number(size)} | ${memory} |`;
  });
  return [
    `| Build | Bytes of wasm, budget ${number(sizeBudget)} | Device-shared memory |`,
    "| --- | ---: | --- |",
    ...rows,
  ].join("\n");
}

/** How many checks `npm run mutants` takes out; the sentence says so once. */
const checks = /takes the [\d,]+ checks/;

/**
 * The document with the sizes of the modules in `build/` and the number of checks, not yet in the project's layout.
 * Throws `MarkerError` when it does not have their places.
 */
export function documentFigures(document: string): string {
  if (!checks.test(document)) throw new MarkerError(`${documentFile} does not say that mutants "takes the N checks"`);
  const counted = document.replace(checks, `takes the ${number(deviceChecks.length)} checks`);
  return withSection(counted, documentFile, sizesSection, sizes());
}

/** The document with what a campaign came to. Throws `MarkerError` when it does not have the place. */
export function documentCampaign(document: string, result: FuzzResult): string {
  const { inputs, seeds, mutatedInteractions, findings, seconds, coverage } = result;
  const found = findings.length === 0 ? "without a finding" : `with ${number(findings.length)} findings`;
  const share = coverage === null ? 0 : (100 * coverage.reached) / coverage.branches;
  const text =
    `ran ${number(inputs)} inputs, ${number(seeds)} seeds on both builds, ` +
    `with ${number(mutatedInteractions)} mutated interactions, ${found}, in ${number(Math.round(seconds))} seconds. ` +
    `They reached ${number(coverage?.reached ?? 0)} of the ${number(coverage?.branches ?? 0)} branches ` +
    `of \`assembly/\`, ${share.toFixed(1)} %.`;
  return withSection(document, documentFile, campaignSection, text);
}
