/** The behaviour cases on the emulated PC: one build, every profile, every way of completing requests. */

import type { Completion } from "../../kernel-shim/emulated-pc/completion.js";
import { profileNames } from "../../kernel-shim/emulated-pc/profiles.js";
import type { Build } from "../../kernel-shim/machine.js";
import { blockCases, longBlockCases } from "../cases/block/index.js";
import { longNetCases, netCases } from "../cases/net/index.js";
import { pciCases } from "../cases/pci/index.js";
import { runCases } from "../cases/run.js";
import { EmulatedGround } from "./ground.js";

/** Shares of the random cases' repetitions: all of them where requests complete in any order. */
const EFFORTS: Readonly<Record<Completion, number>> = { immediate: 0.05, deferred: 0.05, shuffled: 1 };

/** Registers all of it as tests. */
export function testBehaviour(build: Build): void {
  for (const profile of profileNames) {
    for (const completion of ["immediate", "deferred", "shuffled"] as const) {
      runCases(new EmulatedGround(build, profile, completion, EFFORTS[completion]), {
        ...blockCases,
        ...netCases,
        // When requests complete is all the same to these.
        ...(completion === "immediate" ? pciCases : {}),
        // The random cases are long enough to go around the rings where they run in full.
        ...(completion === "deferred" ? { ...longBlockCases, ...longNetCases } : {}),
      });
    }
  }
}
