/** Random hostility, the same in every run: `npm run fuzz` goes on where this ends. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newTotals, runSeed } from "./campaign.js";
import { builds, moduleOf } from "./modules.js";
import { describeFinding } from "./report.js";
import { runScenario } from "./scenario.js";
import { shrink } from "./shrink.js";

/** Seeds of each part; there is a test for each part, so that a report says how far it came. */
const PART = 100;
const PARTS = 5;

describe("hostile devices, at random", () => {
  for (const build of builds) {
    for (let part = 0; part < PARTS; part++) {
      const first = 1 + part * PART;
      it(`break nothing with seeds ${first} to ${first + PART - 1}: ${build}`, () => {
        const totals = newTotals();
        for (let seed = first; seed < first + PART; seed++) {
          runSeed(seed, build, totals, (options, outcome) => {
            assert.fail(describeFinding(options, shrink(options, outcome)));
          });
        }
        assert.equal(totals.inputs, PART);
        assert.ok(totals.mutations > 20 * PART, `only ${totals.mutations} mutations`);
      });
    }

    it(`are met by every export: ${build}`, () => {
      // Called before every run.
      const called = new Set(["abi_version", "heap_base"]);
      const exported = WebAssembly.Module.exports(moduleOf(build)).map(({ name }) => name);
      const missing = (): string[] => exported.filter((name) => !called.has(name));
      for (let seed = 1; seed <= PART * PARTS && missing().length > 0; seed++) {
        for (const name of runScenario({ build, seed }).called) called.add(name);
      }
      assert.deepEqual(missing(), []);
    });

    it(`do the same with the same seed: ${build}`, () => {
      const first = runScenario({ build, seed: 7 });
      const second = runScenario({ build, seed: 7 });
      assert.ok(first.mutations.length > 0);
      assert.deepEqual(second, first);
    });

    it(`do the same with the mutations of a seed one by one: ${build}`, () => {
      const first = runScenario({ build, seed: 9 });
      const only = new Set(first.mutations.map(({ index }) => index));
      assert.ok(only.size > 0);
      assert.deepEqual(runScenario({ build, seed: 9, only }), first);
    });
  }
});
