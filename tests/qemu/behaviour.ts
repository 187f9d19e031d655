/** The behaviour cases on QEMU's device models: one machine, each kind of device, the ported build. */

import type { QemuOptions } from "../../kernel-shim/qemu/options.js";
import { blockCases, longBlockCases } from "../cases/block/index.js";
import { longNetCases, netCases } from "../cases/net/index.js";
import { pciCases } from "../cases/pci/index.js";
import { runCases } from "../cases/run.js";
import { QemuGround } from "./ground.js";

/** Long cases run this share of their repetitions: requests take real time here. */
const EFFORT = 0.02;

/**
 * Registers all of it as tests.
 *
 * @param isThorough the long cases run, too, on one kind of device
 */
export function testBehaviour(machine: NonNullable<QemuOptions["machine"]>, isThorough: boolean): void {
  for (const legacyOnly of [false, true]) {
    const name = `QEMU ${machine}, ${legacyOnly ? "legacy" : "transitional"} devices`;
    runCases(new QemuGround(name, { machine, legacyOnly }, EFFORT), {
      ...blockCases,
      ...netCases,
      ...pciCases,
      ...(isThorough && !legacyOnly ? { ...longBlockCases, ...longNetCases } : {}),
    });
  }
}
