/** How port space is divided on QEMU's boards: what belongs to the board itself, and what is free for BARs. */

import { FIRST_DEVICE_PORT, type PortRange } from "../grants/port-grants.js";
import type { Board } from "./options.js";

interface BoardPorts {
  /** The board's own from `FIRST_DEVICE_PORT` on, where firmware has not moved anything. */
  readonly fixed: readonly PortRange[];
  /** The largest range that is free, for BARs and bridges. */
  readonly free: PortRange;
}

/** All without QEMU's `vmport`, which the command line leaves out. [QEMU `info mtree`] */
export const BOARD_PORTS: Readonly<Record<Board, BoardPorts>> = {
  pc: {
    fixed: [
      // ACPI: PCI hot plug, processor hot plug, general purpose events.
      { base: 0xae00, length: 0x18 },
      { base: 0xaf00, length: 0x20 },
      { base: 0xafe0, length: 4 },
      // The SMBus controller of the PIIX4.
      { base: 0xb100, length: 0x40 },
    ],
    free: { base: FIRST_DEVICE_PORT, length: 0x9e00 },
  },
  q35: {
    fixed: [],
    free: { base: FIRST_DEVICE_PORT, length: 0xf000 },
  },
  // Without PCI there is nobody to have ports.
  microvm: {
    fixed: [],
    free: { base: FIRST_DEVICE_PORT, length: 0 },
  },
};
