/** PCI functions as QEMU itself sees them: QMP's `query-pci`. */

import { isObject, type Json, type JsonObject } from "./qmp.js";
import type { RegisterRange } from "./register-grants.js";

/** Red Hat's vendor id, and those of its device ids that are virtio's. [virtio-1.2 §4.1.2] */
const VIRTIO_VENDOR = 0x1af4;
const FIRST_VIRTIO_DEVICE = 0x1000;
const LAST_VIRTIO_DEVICE = 0x107f;

export interface QueriedFunction {
  /** The device's id on the command line; empty when it has none. */
  readonly id: string;
  /** bus × 256 + device × 8 + function */
  readonly address: number;
  readonly isVirtio: boolean;
  /** What it answers to in memory at the moment. */
  readonly registers: readonly RegisterRange[];
}

/** The functions in an answer to `query-pci`, those behind bridges included. */
export function queriedFunctions(answer: Json): QueriedFunction[] {
  return objects(answer).flatMap((bus) => functionsOf(bus));
}

function functionsOf(bus: JsonObject): QueriedFunction[] {
  return objects(bus["devices"]).flatMap((device) => {
    const found: QueriedFunction = {
      id: typeof device["qdev_id"] === "string" ? device["qdev_id"] : "",
      address: Number(device["bus"]) * 256 + Number(device["slot"]) * 8 + Number(device["function"]),
      isVirtio: isVirtio(device["id"]),
      registers: objects(device["regions"])
        // -1: not assigned, or the function does not decode it.
        .filter(({ type, address }) => type === "memory" && Number(address) > 0)
        .map(({ address, size }) => ({ base: Number(address), bytes: Number(size) })),
    };
    const bridge = device["pci_bridge"];
    return isObject(bridge) ? [found, ...functionsOf(bridge)] : [found];
  });
}

function isVirtio(identity: Json | undefined): boolean {
  if (!isObject(identity) || identity["vendor"] !== VIRTIO_VENDOR) {
    return false;
  }
  const device = Number(identity["device"]);
  return device >= FIRST_VIRTIO_DEVICE && device <= LAST_VIRTIO_DEVICE;
}

function objects(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter((each) => isObject(each)) : [];
}
