/** The behaviour cases on QEMU's device models, each kind of machine and transport with the ported build. */

import { blockCases } from "../cases/block/index.js";
import { entropyCases } from "../cases/entropy/index.js";
import { netCases } from "../cases/net/index.js";
import { runCases, type CaseGroups } from "../cases/run.js";
import { QemuGround, type QemuHost } from "./ground.js";

/** Long cases run this share of their repetitions: requests take real time here. */
const EFFORT = 0.02;

/** What every kind of device does. */
export const deviceCases: CaseGroups = { ...blockCases, ...netCases, ...entropyCases };

/**
 * Of these, what depends on the transport: registers, notifications, interrupts, changes of the configuration, reset. For
 * kinds of machines that differ from others in the transport alone.
 */
export const transportCases: CaseGroups = {
  ...entropyCases,
  ...chosen(blockCases, [
    "block: information",
    "block: notifications and interrupts",
    "block: capacity",
    "block: several disks",
    "block: lifetime",
  ]),
  ...chosen(netCases, ["net: information", "net: link", "net: traffic"]),
};

function chosen(groups: CaseGroups, names: readonly string[]): CaseGroups {
  return Object.fromEntries(
    names.map((name) => {
      const cases = groups[name];
      if (cases === undefined) throw new Error(`there are no cases about ${name}`);
      return [name, cases];
    }),
  );
}

/**
 * Registers cases as tests.
 *
 * @param name says what is special about the host: "QEMU q35, modern devices"
 */
export function testBehaviour(name: string, host: QemuHost, cases: CaseGroups): void {
  runCases(new QemuGround(name, host, EFFORT), cases);
}
