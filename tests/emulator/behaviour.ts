/** The behaviour cases on the emulated PC: one build, legacy hosts, every way of completing requests. */

import type { Completion } from "../../kernel-shim/emulated-pc/completion.js";
import { legacyProfileNames, type ProfileName } from "../../kernel-shim/emulated-pc/profiles.js";
import type { Build } from "../../kernel-shim/machine.js";
import { blockCases, longBlockCases } from "../cases/block/index.js";
import { entropyCases } from "../cases/entropy/index.js";
import { longNetCases, netCases } from "../cases/net/index.js";
import { pciCases } from "../cases/pci/index.js";
import { runCases } from "../cases/run.js";
import { EmulatedGround } from "./ground.js";

/** As the host "large" except for its messages, with which `transports.ts` has it. */
const ELSEWHERE: ProfileName = "gcp";
/** The hosts on which the long cases run in full: one with all ring features, and one with none. */
const THOROUGH: readonly ProfileName[] = ["qemu", "minimal"];

/** On the others, requests complete in any order only: in what order they do has nothing to do with the host. */
function completionsOn(profile: ProfileName): readonly Completion[] {
  return THOROUGH.includes(profile) ? ["immediate", "deferred", "shuffled"] : ["shuffled"];
}

/** Share of the random cases' repetitions: most of them where requests complete in any order. */
function effortOf(profile: ProfileName, completion: Completion): number {
  if (completion !== "shuffled") return 0.05;
  return THOROUGH.includes(profile) ? 1 : 0.2;
}

/** Registers all of it as tests. */
export function testBehaviour(build: Build): void {
  for (const profile of legacyProfileNames.filter((name) => name !== ELSEWHERE)) {
    for (const completion of completionsOn(profile)) {
      runCases(new EmulatedGround({ build, profile }, completion, effortOf(profile, completion)), {
        ...blockCases,
        ...netCases,
        ...entropyCases,
        // When requests complete is all the same to these.
        ...(completion === completionsOn(profile)[0] ? pciCases : {}),
        // The random cases are long enough to go around the rings where they run in full.
        ...(completion === "deferred" && THOROUGH.includes(profile) ? { ...longBlockCases, ...longNetCases } : {}),
      });
    }
  }
}
