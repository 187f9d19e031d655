/** The behaviour cases on QEMU's device models, with the ported build. */

import { blockCases, longBlockCases } from "../cases/block/index.js";
import { longNetCases, netCases } from "../cases/net/index.js";
import { pciCases } from "../cases/pci/index.js";
import { runCases } from "../cases/run.js";
import { QemuGround } from "./ground.js";

/** Long cases run this share of their repetitions: requests take real time here. */
const EFFORT = 0.02;

let isFirst = true;
for (const machine of ["pc", "q35"] as const) {
  for (const legacyOnly of [false, true]) {
    const name = `QEMU ${machine}, ${legacyOnly ? "legacy" : "transitional"} devices`;
    runCases(new QemuGround(name, { machine, legacyOnly }, EFFORT), {
      ...blockCases,
      ...netCases,
      ...pciCases,
      ...(isFirst ? { ...longBlockCases, ...longNetCases } : {}),
    });
    isFirst = false;
  }
}
