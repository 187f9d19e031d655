/**
 * Hosts with modern or memory-mapped devices, or with messages only: what a driver meets in the field beside legacy PCI.
 */
import { VIRTIO_F_EVENT_IDX } from "../virtio/constants.js";
import * as layouts from "../virtio/modern-layout.js";
import * as bits from "./feature-bits.js";
import { large, qemu, virtualbox } from "./legacy.js";
import type { Profile } from "./profile.js";

/** QEMU, root bus: legacy and modern registers of the same devices. */
export const qemuTransitional: Profile = { ...qemu, name: "qemu-transitional", transport: "transitional" };

/** QEMU, q35 behind root ports: no legacy registers. */
export const qemuModern: Profile = {
  ...qemu,
  name: "qemu-modern",
  transport: "modern-memory",
  hasRootPorts: true,
};

/** QEMU with `modern-pio-notify=on`. */
export const qemuPortNotify: Profile = {
  ...qemu,
  name: "qemu-port-notify",
  transport: "modern-memory",
  modernLayout: layouts.qemuPortNotifyLayout,
};

/** VirtualBox 7: its network card is transitional. Interrupt lines only. */
export const virtualbox7: Profile = {
  ...virtualbox,
  name: "virtualbox-7",
  transport: "transitional",
  modernLayout: layouts.virtualboxLayout,
};

/** crosvm: a short common structure, and a configuration window that leads nowhere. */
export const crosvm: Profile = {
  name: "crosvm",
  transport: "modern-memory",
  ringFeatures: VIRTIO_F_EVENT_IDX,
  modernFeatures: 0,
  latchesFeaturesOk: true,
  strictWidths: true,
  hasStrictFraming: false,
  queueSelectLimit: 0x1_0000,
  zeroAddressResets: false,
  messageVectors: 4,
  hasInterruptPin: true,
  modernLayout: layouts.crosvmLayout,
  block: {
    queueSize: 256,
    features: bits.BLOCK_SEG_MAX + bits.BLOCK_BLK_SIZE + bits.BLOCK_FLUSH,
    sizeMax: bits.NO_LIMIT,
    segMax: 254,
    usedLength: "written",
  },
  net: {
    receiveQueueSize: 256,
    transmitQueueSize: 256,
    controlQueueSize: 256,
    features: bits.NET_MAC + bits.NET_CTRL_VQ,
    transmitUsedLength: "zero",
    mtu: 1500,
  },
};

/** Cloud Hypervisor: messages only. */
export const cloudHypervisor: Profile = {
  ...crosvm,
  name: "cloud-hypervisor",
  hasInterruptPin: false,
  layout: "bare",
  modernLayout: layouts.cloudHypervisorLayout,
  block: {
    queueSize: 128,
    features: bits.BLOCK_SEG_MAX + bits.BLOCK_BLK_SIZE + bits.BLOCK_FLUSH + bits.BLOCK_TOPOLOGY + bits.BLOCK_CONFIG_WCE,
    sizeMax: bits.NO_LIMIT,
    segMax: 126,
    usedLength: "written",
  },
  net: {
    ...crosvm.net,
    controlQueueSize: 64,
    features: bits.NET_MAC + bits.NET_STATUS + bits.NET_CTRL_VQ,
  },
};

/** Firecracker since 1.13 with `--enable-pci`: messages only, addresses far above 4 GiB, neither STATUS nor CTRL_VQ. */
export const firecracker: Profile = {
  ...cloudHypervisor,
  name: "firecracker",
  messageVectors: 3,
  modernLayout: layouts.firecrackerLayout,
  usesHighMemory: true,
  block: {
    queueSize: 256,
    features: bits.BLOCK_SEG_MAX + bits.BLOCK_BLK_SIZE + bits.BLOCK_FLUSH + bits.BLOCK_TOPOLOGY,
    sizeMax: bits.NO_LIMIT,
    segMax: 254,
    usedLength: "written",
  },
  net: {
    ...crosvm.net,
    controlQueueSize: 0,
    features: bits.NET_OFFLOADS + bits.NET_MAC + bits.NET_MRG_RXBUF,
  },
};

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

/** Google's first two generations: legacy registers, with messages. */
export const gcp: Profile = { ...large, name: "gcp", messageVectors: 3 };

/** v86: ports for everything, none of the ring's features, no messages, and no disk of its own. */
export const v86: Profile = {
  ...virtualbox,
  name: "v86",
  transport: "modern-io",
  strictWidths: true,
  queueSelectLimit: 0x1_0000,
  modernLayout: layouts.v86Layout,
  net: {
    receiveQueueSize: 1024,
    transmitQueueSize: 1024,
    controlQueueSize: 16,
    features: bits.NET_MTU + bits.NET_MAC + bits.NET_STATUS + bits.NET_CTRL_VQ + bits.NET_MQ + bits.NET_CTRL_MAC_ADDR,
    transmitUsedLength: "zero",
    // A big-endian 1.
    numBuffersUnmerged: 256,
    mtu: 1500,
  },
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
