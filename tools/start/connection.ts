/** How a driver and its device talk to each other, for the report. */

import type { Device } from "../../kernel-shim/javascript/index.js";
import type { FoundDevice } from "./find-devices.js";
import type { ConnectionResult } from "./result.js";

/** A device without it is a legacy one. [virtio-1.2 §6] */
const VIRTIO_F_VERSION_1 = 1n << 32n;

/** @param accepted the features of the open device */
export function describeConnection(found: FoundDevice, device: Device, accepted: bigint): ConnectionResult {
  const { mmioVersion } = found;
  const isModern = (accepted & VIRTIO_F_VERSION_1) !== 0n;
  const pci = isModern ? "modern PCI" : "legacy PCI";
  const mmio = mmioVersion === 1 ? "MMIO version 1" : "MMIO version 2";
  return {
    transport: mmioVersion === undefined ? pci : mmio,
    line: device.messages.length > 0 ? null : (device.interruptLine ?? null),
    messages: device.messages.length,
  };
}
