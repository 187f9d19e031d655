/** Hands cases to Node's test runner, for one ground. */

import { after, describe, test } from "node:test";
import { CaseContext, type Capability, type Case, type Ground } from "./context.js";
import { noteGround, type Tally } from "./tally.js";

/** Groups of cases by the name of what they are about. */
export type CaseGroups = Readonly<Record<string, readonly Case[]>>;

/** Registers every case as a test; what the ground cannot do is reported as skipped, with the reason. */
export function runCases(ground: Ground, groups: CaseGroups): void {
  describe(ground.name, () => {
    const tallies: Record<string, Tally> = {};
    after(() => {
      ground.close();
      noteGround({ ground: ground.name, groups: tallies });
    });
    for (const [group, cases] of Object.entries(groups)) {
      const tally = (tallies[group] = { passed: 0, skipped: 0 });
      describe(group, () => {
        for (const each of cases) {
          const missing = missingCapability(ground, each) ?? ground.lacks?.(each);
          if (missing !== undefined) tally.skipped++;
          test(each.name, { skip: missing ?? false }, () => {
            runCase(ground, each);
            tally.passed++;
          });
        }
      });
    }
  });
}

function missingCapability(ground: Ground, wanted: Case): string | undefined {
  const missing = wanted.needs?.find((capability: Capability) => ground.cannot.has(capability));
  return missing && `needs ${missing}: ${ground.cannot.get(missing) ?? ""}`;
}

function runCase(ground: Ground, each: Case): void {
  const setting = ground.prepare(each);
  let isClean = false;
  try {
    const context = new CaseContext(setting, ground);
    each.run(context);
    context.finish();
    isClean = true;
  } catch (error) {
    // Whatever failed, what the machine holds against the stack is the first thing to look at.
    const complaints = setting.takeComplaints();
    throw complaints.length === 0
      ? error
      : new AggregateError([error, ...complaints], "with complaints of the machine");
  } finally {
    ground.release(setting, isClean);
  }
}
