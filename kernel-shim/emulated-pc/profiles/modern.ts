/** Hosts whose devices are PCI functions with modern registers, beside legacy ones or alone. */
import { VIRTIO_F_EVENT_IDX } from "../virtio/constants.js";
import * as layouts from "../virtio/modern-layout.js";
import * as bits from "./feature-bits.js";
import { qemu, virtualbox } from "./legacy.js";
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
