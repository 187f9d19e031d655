/** Hosts without PCI: their devices are memory-mapped, with an interrupt line each. */
import { qemu } from "./legacy.js";
import { firecracker } from "./modern.js";
import type { Profile } from "./profile.js";

/** Firecracker as it always was: memory-mapped devices with an interrupt line each. */
export const firecrackerMmio: Profile = {
  ...firecracker,
  name: "firecracker-mmio",
  transport: "mmio-2",
  messageVectors: 0,
  hasInterruptPin: true,
  layout: "none",
  mmio: { base: 0xc000_1000, stride: 0x1000, slots: 8, interrupt: 5, fill: "first", version: 2 },
};

const microvm: Omit<Profile, "name" | "transport" | "mmio"> = {
  ...qemu,
  messageVectors: 0,
  modernFeatures: 0,
  layout: "none",
  // Every queue is offered with 1024 entries, whatever the device's own size is.
  block: { ...qemu.block, queueSize: 1024 },
  net: { ...qemu.net, receiveQueueSize: 1024, transmitQueueSize: 1024, controlQueueSize: 1024 },
};

const microvmSlots = { base: 0xfeb0_0000, stride: 512, slots: 24, interrupt: 24, fill: "last" } as const;

/** QEMU's microvm: memory-mapped devices, filled in from the last slot down, legacy unless told otherwise. */
export const microvmLegacy: Profile = {
  ...microvm,
  name: "microvm-1",
  transport: "mmio-1",
  mmio: { ...microvmSlots, version: 1 },
};

/** QEMU's microvm with `virtio-mmio.force-legacy=false`. */
export const microvmModern: Profile = {
  ...microvm,
  name: "microvm-2",
  transport: "mmio-2",
  mmio: { ...microvmSlots, version: 2 },
};
