/** A finding in words: the rule, the mutations that matter, and the command that repeats it. */
import type { Mutation } from "../../kernel-shim/emulated-pc/hostile/mutations.js";
import type { Outcome, ScenarioOptions } from "./scenario.js";

/** Repeats a seed with these mutations alone. An empty list is one, too: what breaks without any mutation. */
export function repeatCommand({ build, seed }: ScenarioOptions, mutations: readonly Mutation[]): string {
  const indices = mutations.map(({ index }) => index).join(",");
  return `npm run fuzz -- --build ${build} --replay ${seed} --mutations "${indices}"`;
}

export function describeFinding(options: ScenarioOptions, { finding, mutations }: Outcome): string {
  return [
    `${options.build} build, seed ${options.seed}: ${finding?.message ?? "no finding"}`,
    ...mutations.map(({ index, site, detail }) => `  ${index}  ${site}: ${detail}`),
    `  repeat with: ${repeatCommand(options, mutations)}`,
  ].join("\n");
}
