/**
 * `npm run mutants`: takes away what the stack makes of a device's word, one way of one condition at a time, and sees
 * whether a test misses it.
 *
 * Exit status 0 when all of them are missed or accepted, 1 when one is not, 2 when nothing can be told.
 */

import { join } from "node:path";
import { findSpecs } from "../../tests/unit/specs.js";
import { projectFolder } from "../build/project.js";
import { TemporaryFolder } from "../command/cleanup.js";
import { CommandError } from "../command/command-error.js";
import { count } from "../command/count.js";
import { STANDARD_OUTPUT, writeJson } from "../command/json-file.js";
import { fold } from "../command/layout.js";
import { EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { testFilesIn } from "../reliability/test-names.js";
import { acceptanceOf, outdatedAcceptances } from "./accepted.js";
import { type Group, Hunt, type Verdict } from "./hunt.js";
import { describeMutant, findMutants, type Mutant, type Mutants } from "./mutants.js";
import { compileModules, isSpec } from "./modules.js";
import { type Options, parseOptions } from "./options.js";
import type { MutantsResult } from "./result.js";

const inProject = (...names: string[]): string[] => names.map((name) => join(projectFolder, name));

/** Who is asked. */
const groups: readonly Group[] = [
  { name: "specs", files: findSpecs() },
  { name: "fixed cases", files: testFilesIn(["tests/hostile/fixed"]) },
  { name: "cases of the module", files: testFilesIn(["tests/emulator/module"]) },
  {
    name: "hostile kernels and callers",
    files: testFilesIn(["tests/hostile/kernels", "tests/hostile/records", "tests/hostile/ownership"]),
  },
  {
    name: "behaviours",
    files: inProject("tests/emulator/mapped.test.ts", "tests/emulator/ported.test.ts"),
    // A host with all ring features, and one with none.
    only: /profile (qemu|minimal), immediate/,
  },
  {
    name: "behaviours behind other transports",
    files: inProject("tests/emulator/transports-mapped.test.ts"),
    // Each way to modern registers, with interrupts of each kind.
    only: /profile (qemu-modern as modern-window|crosvm|firecracker with 2 message vectors|microvm-2),/,
  },
  { name: "limits", files: testFilesIn(["tests/emulator/limits", "tests/emulator/geometry"]) },
  { name: "bindings", files: testFilesIn(["tests/emulator/binding", "tests/emulator/generic"]) },
  { name: "the campaign", files: inProject("tests/hostile/campaign.test.ts"), only: /seeds \d/ },
];

/** The groups with these names, all of them where there is none. Throws `CommandError` for a name that there is not. */
function groupsNamed(names: readonly string[]): readonly Group[] {
  const unknown = names.find((name) => groups.every((group) => group.name !== name));
  if (unknown !== undefined) {
    throw new CommandError(`there is no group "${unknown}"; there are ${groups.map(({ name }) => name).join(", ")}`);
  }
  return groups.filter(({ name }) => names.length === 0 || names.includes(name));
}

/** Tries mutants; `found` is called with each verdict. */
async function tryOut(
  mutants: Mutants,
  chosen: readonly Mutant[],
  asked: readonly Group[],
  found: (verdict: Verdict) => void,
): Promise<Verdict[]> {
  const folder = new TemporaryFolder("virtio-mutants-");
  const verdicts: Verdict[] = [];
  let hunt: Hunt | undefined;
  try {
    const specs = asked.flatMap(({ files }) => files.filter(isSpec));
    await compileModules(folder.path, mutants.sources, specs);
    hunt = new Hunt(mutants, asked, folder.path);
    await hunt.judge(chosen, (verdict) => {
      verdicts.push(verdict);
      found(verdict);
    });
  } finally {
    hunt?.end();
    folder.remove();
  }
  return verdicts.sort((first, second) => first.mutant.branch - second.mutant.branch);
}

function toDocument(verdicts: readonly Verdict[], accepted: readonly Mutant[], seconds: number): MutantsResult {
  return {
    version: 1,
    seconds,
    missed: verdicts.flatMap(({ mutant, by, test }) => (test === null ? [] : [{ ...mutant, by, test }])),
    accepted: accepted.map((mutant) => ({ ...mutant, why: acceptanceOf(mutant)?.why ?? "" })),
    notMissed: verdicts.flatMap(({ mutant, test, tests }) => (test === null ? [{ ...mutant, tests }] : [])),
  };
}

/** Prints a verdict that nobody wants. */
function complain({ mutant, test, tests }: Verdict): void {
  if (test !== null) return;
  const where = tests === 0 ? "no test gets there" : `${count(tests, "test goes", "tests go")} there`;
  console.log(fold(`NOT MISSED: ${describeMutant(mutant)} (${where})`));
}

/** Returns whether all was well. */
async function examine(mutants: Mutants, chosen: readonly Mutant[], { ask, json }: Options): Promise<boolean> {
  const accepted = chosen.filter((mutant) => acceptanceOf(mutant) !== undefined);
  const others = chosen.filter((mutant) => acceptanceOf(mutant) === undefined);
  const outdated = outdatedAcceptances(mutants.list);
  const started = performance.now();
  const isQuiet = json === STANDARD_OUTPUT;
  const verdicts = await tryOut(mutants, others, groupsNamed(ask), isQuiet ? () => undefined : complain);
  const document = toDocument(verdicts, accepted, (performance.now() - started) / 1000);
  if (json !== undefined) writeJson(json, document);
  if (!isQuiet) {
    for (const { function: name, condition } of outdated) {
      console.log(fold(`ACCEPTED, BUT NOT THERE: ${name}: ${condition}; see tools/mutants/accepted.ts`));
    }
    const { missed, notMissed } = document;
    console.log(
      fold(
        `${count(missed.length, "mutant is", "mutants are")} missed, ${accepted.length} accepted without a try, ` +
          `${notMissed.length} not missed.`,
      ),
    );
  }
  return document.notMissed.length === 0 && outdated.length === 0;
}

await runCommand("npm run mutants", async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options === null) return 0;
  const mutants = findMutants();
  const chosen = mutants.list.filter((mutant) => describeMutant(mutant).includes(options.only));
  if (chosen.length === 0) throw new CommandError(`no mutant has "${options.only}" in its line; see --list`);
  if (options.list) {
    for (const mutant of chosen) console.log(describeMutant(mutant));
    return 0;
  }
  return (await examine(mutants, chosen, options)) ? 0 : EXIT_PROBLEM;
});
