/** The behaviour cases on the emulated PC with devices behind every transport. */

import type { Completion } from "../../kernel-shim/emulated-pc/completion.js";
import type { Build } from "../../kernel-shim/machine.js";
import { blockCases } from "../cases/block/index.js";
import { entropyCases } from "../cases/entropy/index.js";
import { netCases } from "../cases/net/index.js";
import { runCases } from "../cases/run.js";
import { EmulatedGround, type Host } from "./ground.js";

/** Share of the random cases' repetitions. */
const EFFORT = 0.05;

type Shown = Omit<Host, "build">;

/** Each way to a device's registers once, each on a host that differs from the others in more than that. */
const grounds: readonly (readonly [Shown, Completion])[] = [
  [{ profile: "qemu-transitional" }, "deferred"],
  [{ profile: "qemu-modern" }, "shuffled"],
  [{ profile: "qemu-port-notify" }, "immediate"],
  [{ profile: "qemu-modern", transport: "modern-window" }, "immediate"],
  [{ profile: "virtualbox-7" }, "immediate"],
  [{ profile: "crosvm" }, "deferred"],
  [{ profile: "firecracker-mmio" }, "shuffled"],
  [{ profile: "cloud-hypervisor", vectors: 4 }, "deferred"],
  [{ profile: "firecracker", vectors: 2 }, "immediate"],
  [{ profile: "qemu-modern", vectors: 1 }, "shuffled"],
  [{ profile: "gcp", vectors: 3 }, "immediate"],
  [{ profile: "v86" }, "shuffled"],
  [{ profile: "microvm-1" }, "immediate"],
  [{ profile: "microvm-2" }, "deferred"],
];

/** Registers all of it as tests. */
export function testTransports(build: Build): void {
  for (const [shown, completion] of grounds) {
    runCases(new EmulatedGround({ ...shown, build }, completion, EFFORT), {
      ...blockCases,
      ...netCases,
      ...entropyCases,
    });
  }
}
