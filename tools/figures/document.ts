/**
 * Figures in documents that a command can find out. `npm run format` writes those that are known at once;
 * `npm run fuzz -- --readme` writes the result of a campaign. A test compares.
 */

import { statSync } from "node:fs";
import { join } from "node:path";
import { MarkerError, withSection } from "../build/marked-section.js";
import { sizeLimit } from "../build/size.js";
import { moduleTargets, outputFolder, type Build } from "../build/project.js";
import type { FuzzResult } from "../fuzz/result.js";
import { acceptanceOf } from "../mutants/accepted.js";
import { findMutants } from "../mutants/mutants.js";

/** The document with the sizes of the modules. */
export const sizesFile = "README.md";
/** What the markers of the sizes begin with. */
export const sizesSection = "sizes";
/** The document with the result of a campaign and the number of mutants. */
export const reliabilityFile = "tests/hostile/README.md";
/** What the markers of the campaign begin with. */
export const campaignSection = "campaign";

const number = (value: number): string => value.toLocaleString("en");

/** Where the memory is that devices reach. */
const memories: Readonly<Record<Build, string>> = {
  mapped: "inside linear memory",
  ported: "outside, reached through `phys_*` imports",
};

function sizes(): string {
  const rows = moduleTargets
    .filter(({ isRelease }) => isRelease)
    .map(({ output, build }) => {
      const { size } = statSync(join(outputFolder, `${output}.wasm`));
      return `| \`build/${output}.wasm\` | ${number(size)} | ${memories[build]} |`;
    });
  return [
    `| Build | Bytes of wasm, limit of the small ones ${number(sizeLimit)} | Device-shared memory |`,
    "| --- | ---: | --- |",
    ...rows,
  ].join("\n");
}

/** How many mutants `npm run mutants` knows, and how many it does not try; the sentence says so once. */
const mutants = /knows\s[\d,]+\ssuch\smutants,\sand\saccepts\s[\d,]+/;

/**
 * `README.md` with the sizes of the modules in `build/`, not yet in the project's layout. Throws `MarkerError` when it does
 * not have the place.
 */
export function documentSizes(document: string): string {
  return withSection(document, sizesFile, sizesSection, sizes());
}

/** The document on reliability with the number of mutants. Throws `MarkerError` when it does not have the place. */
export function documentMutants(document: string): string {
  if (!mutants.test(document)) throw new MarkerError(`${reliabilityFile} does not say how many mutants there are`);
  const { list } = findMutants();
  const accepted = list.filter((mutant) => acceptanceOf(mutant) !== undefined);
  const text = `knows ${number(list.length)} such mutants, and accepts ${number(accepted.length)}`;
  return document.replace(mutants, text);
}

/** The document on reliability with the result of a campaign. Throws `MarkerError` when it does not have the place. */
export function documentCampaign(document: string, result: FuzzResult): string {
  const { inputs, seeds, mutatedInteractions, findings, seconds, coverage } = result;
  const found = findings.length === 0 ? "without a finding" : `and led to ${number(findings.length)} findings`;
  const share = coverage === null ? 0 : (100 * coverage.reached) / coverage.branches;
  const text =
    `${number(inputs)} inputs (${number(seeds)} seeds on both builds) with ${number(mutatedInteractions)} mutated ` +
    `interactions ran ${found}, in ${number(Math.round(seconds))} seconds. ` +
    `They reached ${number(coverage?.reached ?? 0)} of the ${number(coverage?.branches ?? 0)} branches ` +
    `of \`assembly/\`, ${share.toFixed(1)} %.`;
  return withSection(document, reliabilityFile, campaignSection, text);
}
