/** The campaign notices what it is for: each stack with a defect is found out, by the rule that it breaks. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileDefective, defects } from "./defects.js";
import { builds } from "./modules.js";
import { runScenario } from "./scenario.js";

/** Seeds until which each defect is found. */
const SEEDS = 150;
const SEEDS_WITHOUT = 30;

for (const build of builds) {
  const { module, choose } = await compileDefective(build);
  describe(`a stack with a defect, ${build}`, () => {
    defects.forEach(({ name, rules }, number) => {
      it(`${name}: found out`, () => {
        choose(number);
        for (let seed = 1; seed <= SEEDS; seed++) {
          const { finding } = runScenario({ build, seed, instrumented: module, isThorough: true });
          if (finding === undefined) continue;
          assert.ok(rules.includes(finding.oracle), finding.message);
          return;
        }
        assert.fail(`${SEEDS} seeds did not find it`);
      });
    });

    it("and the same stack without one: nothing is found", () => {
      choose(-1);
      for (let seed = 1; seed <= SEEDS_WITHOUT; seed++) {
        assert.equal(runScenario({ build, seed, instrumented: module }).finding, undefined);
      }
    });
  });
}
