/** How a driver and its device talk to each other, for the report. */

import { Transport, type Device } from "../../kernel-shim/javascript/index.js";
import type { ConnectionResult } from "./result.js";

type Way = Pick<ConnectionResult, "transport" | "registers">;

/** Of an open device, by `Transport`. */
const WAYS: ReadonlyMap<number, Way> = new Map([
  [Transport.LEGACY_PCI, { transport: "legacy PCI", registers: "ports" }],
  [Transport.MODERN_PCI_PORTS, { transport: "modern PCI", registers: "ports" }],
  [Transport.MODERN_PCI_MEMORY, { transport: "modern PCI", registers: "memory" }],
  [Transport.MODERN_PCI_WINDOW, { transport: "modern PCI", registers: "configuration space" }],
  [Transport.MMIO_1, { transport: "MMIO version 1", registers: "memory" }],
  [Transport.MMIO_2, { transport: "MMIO version 2", registers: "memory" }],
]);

export function describeConnection(device: Device): ConnectionResult | null {
  const { transport, vectors } = device.deviceInformation();
  const way = WAYS.get(transport);
  return way === undefined ? null : { ...way, line: vectors > 0 ? null : (device.interruptLine ?? null), vectors };
}
