/** The virtio devices of a machine that the run puts to use, wherever they are: PCI functions, and slots in memory. */

import {
  formatPciAddress,
  TransportWanted,
  type DeviceOptions,
  type PciFunction,
  type VirtioStack,
} from "../../kernel-shim/javascript/index.js";
import type { SlotResult } from "./result.js";

/** Where a device is, and how it is opened. */
export interface DevicePlace {
  /** For people: a PCI address, or the address of registers. */
  readonly name: string;
  /** As the binding's calls take it. */
  readonly address: number;
  /** What they are told beside it. */
  readonly options: Partial<DeviceOptions>;
}

export interface FoundDevice extends DevicePlace {
  /** As the specification numbers the kinds of devices. [virtio-1.2 §5] */
  readonly type: number;
}

/** @param vectors how many message vectors it is to have, if it can; 0: none */
export function functionAt(address: number, vectors = 0): DevicePlace {
  return { name: formatPciAddress(address), address, options: vectors === 0 ? {} : { vectors } };
}

/** @param vectors as for `functionAt` */
export function devicesAmong(functions: readonly PciFunction[], vectors: number): FoundDevice[] {
  return functions
    .filter(({ virtio_type }) => virtio_type !== 0)
    .map(({ address, virtio_type: type }) => ({ ...functionAt(address, vectors), type }));
}

/** Looks into every slot for memory-mapped devices that the machine has. */
export function devicesInSlots(stack: VirtioStack): { devices: FoundDevice[]; slots: SlotResult[] } {
  const devices: FoundDevice[] = [];
  const slots: SlotResult[] = [];
  for (const slot of stack.machine.mmioSlots ?? []) {
    const identity = stack.identify(slot);
    if (identity === undefined) continue;
    const { type, version } = identity;
    const { base: mmio_base, bytes: mmio_bytes } = slot;
    const name = mmio_base.toString(16);
    const options = { transport: TransportWanted.MMIO, mmio_base, mmio_bytes };
    // Opening needs no PCI address; the binding still tells devices apart by it.
    devices.push({ name, type, address: Number(BigInt.asUintN(32, mmio_base)), options });
    slots.push({ base: `0x${name}`, bytes: mmio_bytes, type, version, line: slot.interrupt });
  }
  return { devices, slots };
}
