/** The hosts that the emulated PC can be: how their legacy devices differ in what they offer and what they tolerate. */
import {
  UNUSED_BIT_30,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_NOTIFY_ON_EMPTY,
} from "./virtio/constants.js";

/** How a host's block device differs. */
export interface BlockProfile {
  queueSize: number;
  /** Device feature bits offered, 0 to 23; the ring features are in `ringFeatures`. */
  features: number;
  /** Offered only with SIZE_MAX, bytes. */
  sizeMax: number;
  /** Offered only with SEG_MAX. */
  segMax: number;
  /** `written`: the bytes written to memory, status included. `one`: always 1. `zero`: always 0. */
  usedLength: "written" | "one" | "zero";
}

/** How a host's network card differs. */
export interface NetProfile {
  receiveQueueSize: number;
  transmitQueueSize: number;
  /** 0: there is no control queue. */
  controlQueueSize: number;
  /** Device feature bits offered, 0 to 23; the ring features are in `ringFeatures`. */
  features: number;
  /** What a transmitted frame's used element reports: nothing written, or the bytes sent. */
  transmitUsedLength: "zero" | "sent";
  /** Offered only with MTU, bytes. */
  mtu: number;
}

export interface Profile {
  readonly name: string;
  /** Feature bits 24 to 31 that every device offers. */
  readonly ringFeatures: number;
  /** Whether FEATURES_OK stays set, which no legacy device has to know. [virtio-1.2 §3.1.2] */
  readonly latchesFeaturesOk: boolean;
  /** Whether a register access of another width reads all ones and writes nothing, instead of being pieced together. */
  readonly strictWidths: boolean;
  /** Whether requests that are not framed as the specification says without ANY_LAYOUT stop the queue. */
  readonly hasStrictFraming: boolean;
  /** Selections of this queue number or a higher one are ignored. */
  readonly queueSelectLimit: number;
  /** Whether address 0 for a live queue resets the whole device. */
  readonly zeroAddressResets: boolean;
  /** Entries of the MSI-X table; 0: the devices have no MSI-X capability. */
  readonly messageVectors: number;
  readonly block: BlockProfile;
  readonly net: NetProfile;
}

// Device features by bit number. [virtio-1.2 §5.1.3, §5.2.3]
const BLOCK_SIZE_MAX = 2 ** 1;
const BLOCK_SEG_MAX = 2 ** 2;
const BLOCK_GEOMETRY = 2 ** 4;
const BLOCK_BLK_SIZE = 2 ** 6;
const BLOCK_FLUSH = 2 ** 9;
const BLOCK_TOPOLOGY = 2 ** 10;
const BLOCK_CONFIG_WCE = 2 ** 11;
const NET_MAC = 2 ** 5;
const NET_MRG_RXBUF = 2 ** 15;
const NET_STATUS = 2 ** 16;
const NET_CTRL_VQ = 2 ** 17;
const NET_CTRL_RX = 2 ** 18;
const NET_CTRL_VLAN = 2 ** 19;
const NET_CTRL_RX_EXTRA = 2 ** 20;
const NET_GUEST_ANNOUNCE = 2 ** 21;
const NET_CTRL_MAC_ADDR = 2 ** 23;

const NO_LIMIT = 0xffff_ffff;

/** QEMU 7.2: everything that the ring can do, tolerant of widths, bit 30 as a trap. */
const qemu: Profile = {
  name: "qemu",
  ringFeatures:
    VIRTIO_F_NOTIFY_ON_EMPTY + VIRTIO_F_ANY_LAYOUT + VIRTIO_F_INDIRECT_DESC + VIRTIO_F_EVENT_IDX + UNUSED_BIT_30,
  latchesFeaturesOk: true,
  strictWidths: false,
  hasStrictFraming: false,
  queueSelectLimit: 1024,
  zeroAddressResets: true,
  messageVectors: 4,
  block: {
    queueSize: 256,
    features: BLOCK_SEG_MAX + BLOCK_GEOMETRY + BLOCK_BLK_SIZE + BLOCK_FLUSH + BLOCK_TOPOLOGY + BLOCK_CONFIG_WCE,
    sizeMax: NO_LIMIT,
    segMax: 254,
    usedLength: "written",
  },
  net: {
    receiveQueueSize: 256,
    transmitQueueSize: 256,
    controlQueueSize: 64,
    features:
      NET_MAC +
      NET_MRG_RXBUF +
      NET_STATUS +
      NET_CTRL_VQ +
      NET_CTRL_RX +
      NET_CTRL_VLAN +
      NET_CTRL_RX_EXTRA +
      NET_GUEST_ANNOUNCE +
      NET_CTRL_MAC_ADDR,
    transmitUsedLength: "zero",
    mtu: 1500,
  },
};

/** VirtualBox: long queues and none of the ring's features; header and data always apart. */
const virtualbox: Profile = {
  name: "virtualbox",
  ringFeatures: 0,
  latchesFeaturesOk: true,
  strictWidths: false,
  hasStrictFraming: false,
  queueSelectLimit: 24,
  zeroAddressResets: false,
  messageVectors: 0,
  block: {
    queueSize: 1024,
    features: BLOCK_SEG_MAX + BLOCK_BLK_SIZE + BLOCK_FLUSH + BLOCK_GEOMETRY,
    sizeMax: NO_LIMIT,
    segMax: 126,
    usedLength: "written",
  },
  net: {
    receiveQueueSize: 1024,
    transmitQueueSize: 1024,
    controlQueueSize: 1024,
    features: NET_MAC + NET_STATUS + NET_CTRL_VQ + NET_CTRL_RX + NET_CTRL_VLAN,
    transmitUsedLength: "zero",
    mtu: 1500,
  },
};

/** bhyve: exact framing and widths, used lengths that mean little. */
const bhyve: Profile = {
  name: "bhyve",
  ringFeatures: VIRTIO_F_NOTIFY_ON_EMPTY + VIRTIO_F_INDIRECT_DESC,
  latchesFeaturesOk: true,
  strictWidths: true,
  hasStrictFraming: true,
  queueSelectLimit: 0x1_0000,
  zeroAddressResets: false,
  messageVectors: 2,
  block: {
    queueSize: 64,
    features: BLOCK_SEG_MAX + BLOCK_BLK_SIZE + BLOCK_FLUSH + BLOCK_TOPOLOGY,
    sizeMax: NO_LIMIT,
    segMax: 62,
    usedLength: "one",
  },
  net: {
    receiveQueueSize: 1024,
    transmitQueueSize: 1024,
    controlQueueSize: 0,
    features: NET_MAC + NET_MRG_RXBUF + NET_STATUS,
    transmitUsedLength: "sent",
    mtu: 1500,
  },
};

/** Cloud hosts: queues of thousands, frames over several receive buffers, segments of a limited size. */
const large: Profile = {
  name: "large",
  ringFeatures: VIRTIO_F_ANY_LAYOUT + VIRTIO_F_INDIRECT_DESC + VIRTIO_F_EVENT_IDX,
  latchesFeaturesOk: true,
  strictWidths: false,
  hasStrictFraming: false,
  queueSelectLimit: 0x1_0000,
  zeroAddressResets: false,
  messageVectors: 4,
  block: {
    queueSize: 4096,
    features: BLOCK_SIZE_MAX + BLOCK_SEG_MAX + BLOCK_BLK_SIZE + BLOCK_FLUSH,
    sizeMax: 65536,
    segMax: 64,
    usedLength: "written",
  },
  net: {
    receiveQueueSize: 4096,
    transmitQueueSize: 4096,
    controlQueueSize: 0,
    features: NET_MAC + NET_MRG_RXBUF + NET_STATUS,
    transmitUsedLength: "zero",
    mtu: 1500,
  },
};

/** The least that is still a virtio device: tiny queues, not one optional feature. */
const minimal: Profile = {
  name: "minimal",
  ringFeatures: 0,
  latchesFeaturesOk: false,
  strictWidths: true,
  hasStrictFraming: true,
  queueSelectLimit: 0x1_0000,
  zeroAddressResets: false,
  messageVectors: 0,
  block: { queueSize: 8, features: 0, sizeMax: NO_LIMIT, segMax: 1, usedLength: "zero" },
  net: {
    receiveQueueSize: 8,
    transmitQueueSize: 8,
    controlQueueSize: 0,
    features: 0,
    transmitUsedLength: "zero",
    mtu: 1500,
  },
};

export const profiles = { qemu, virtualbox, bhyve, large, minimal } as const;

export type ProfileName = keyof typeof profiles;

export const profileNames = Object.keys(profiles) as readonly ProfileName[];
