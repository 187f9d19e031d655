/** A finding in words: the rule, the mutations that matter, and the command that repeats it. */
import type { ScenarioOptions } from "./scenario.js";
import type { Shrunken } from "./shrink.js";

export function describeFinding({ build, seed }: ScenarioOptions, { outcome, mutations }: Shrunken): string {
  const indices = mutations.map(({ index }) => index).join(",");
  // An empty list is one, too: what breaks without any mutation.
  const repeat = `npm run fuzz -- --build ${build} --replay ${seed} --mutations "${indices}"`;
  return [
    `${build} build, seed ${seed}: ${outcome.finding?.message ?? "no finding"}`,
    ...mutations.map(({ index, site, detail }) => `  ${index}  ${site}: ${detail}`),
    `  repeat with: ${repeat}`,
  ].join("\n");
}
