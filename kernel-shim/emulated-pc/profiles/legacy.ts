/** Hosts whose devices a driver reaches through the legacy interface. */
import {
  UNUSED_BIT_30,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_NOTIFY_ON_EMPTY,
  VIRTIO_F_RING_RESET,
} from "../virtio/constants.js";
import * as bits from "./feature-bits.js";
import type { Profile } from "./profile.js";

/** QEMU 7.2: everything that the ring can do, tolerant of widths, bit 30 as a trap. */
export const qemu: Profile = {
  name: "qemu",
  transport: "legacy",
  ringFeatures:
    VIRTIO_F_NOTIFY_ON_EMPTY + VIRTIO_F_ANY_LAYOUT + VIRTIO_F_INDIRECT_DESC + VIRTIO_F_EVENT_IDX + UNUSED_BIT_30,
  modernFeatures: VIRTIO_F_RING_RESET,
  latchesFeaturesOk: true,
  strictWidths: false,
  hasStrictFraming: false,
  queueSelectLimit: 1024,
  zeroAddressResets: true,
  messageVectors: 4,
  hasInterruptPin: true,
  block: {
    queueSize: 256,
    features:
      bits.BLOCK_SEG_MAX +
      bits.BLOCK_GEOMETRY +
      bits.BLOCK_BLK_SIZE +
      bits.BLOCK_FLUSH +
      bits.BLOCK_TOPOLOGY +
      bits.BLOCK_CONFIG_WCE +
      bits.BLOCK_DISCARD +
      bits.BLOCK_WRITE_ZEROES,
    sizeMax: bits.NO_LIMIT,
    segMax: 254,
    usedLength: "written",
  },
  net: {
    receiveQueueSize: 256,
    transmitQueueSize: 256,
    controlQueueSize: 64,
    features:
      bits.NET_MAC +
      bits.NET_MRG_RXBUF +
      bits.NET_STATUS +
      bits.NET_CTRL_VQ +
      bits.NET_CTRL_RX +
      bits.NET_CTRL_VLAN +
      bits.NET_CTRL_RX_EXTRA +
      bits.NET_GUEST_ANNOUNCE +
      bits.NET_CTRL_MAC_ADDR,
    transmitUsedLength: "zero",
    numBuffersUnmerged: 0,
    mtu: 1500,
  },
};

/** VirtualBox: long queues and none of the ring's features; header and data always apart. */
export const virtualbox: Profile = {
  name: "virtualbox",
  transport: "legacy",
  ringFeatures: 0,
  modernFeatures: 0,
  latchesFeaturesOk: true,
  strictWidths: false,
  hasStrictFraming: false,
  queueSelectLimit: 24,
  zeroAddressResets: false,
  messageVectors: 0,
  hasInterruptPin: true,
  block: {
    queueSize: 1024,
    features: bits.BLOCK_SEG_MAX + bits.BLOCK_BLK_SIZE + bits.BLOCK_FLUSH + bits.BLOCK_GEOMETRY,
    sizeMax: bits.NO_LIMIT,
    segMax: 126,
    usedLength: "written",
  },
  net: {
    receiveQueueSize: 1024,
    transmitQueueSize: 1024,
    controlQueueSize: 1024,
    features: bits.NET_MAC + bits.NET_STATUS + bits.NET_CTRL_VQ + bits.NET_CTRL_RX + bits.NET_CTRL_VLAN,
    transmitUsedLength: "zero",
    mtu: 1500,
  },
};

/** bhyve: exact framing and widths, used lengths that mean little. */
export const bhyve: Profile = {
  name: "bhyve",
  transport: "legacy",
  ringFeatures: VIRTIO_F_NOTIFY_ON_EMPTY + VIRTIO_F_INDIRECT_DESC,
  modernFeatures: 0,
  latchesFeaturesOk: true,
  strictWidths: true,
  hasStrictFraming: true,
  queueSelectLimit: 0x1_0000,
  zeroAddressResets: false,
  messageVectors: 2,
  hasInterruptPin: true,
  block: {
    queueSize: 64,
    features: bits.BLOCK_SEG_MAX + bits.BLOCK_BLK_SIZE + bits.BLOCK_FLUSH + bits.BLOCK_TOPOLOGY,
    sizeMax: bits.NO_LIMIT,
    segMax: 62,
    usedLength: "one",
  },
  net: {
    receiveQueueSize: 1024,
    transmitQueueSize: 1024,
    controlQueueSize: 0,
    features: bits.NET_MAC + bits.NET_MRG_RXBUF + bits.NET_STATUS,
    transmitUsedLength: "sent",
    mtu: 1500,
  },
};

/** Cloud hosts: queues of thousands, frames over several receive buffers, segments of a limited size. */
export const large: Profile = {
  name: "large",
  transport: "legacy",
  ringFeatures: VIRTIO_F_ANY_LAYOUT + VIRTIO_F_INDIRECT_DESC + VIRTIO_F_EVENT_IDX,
  modernFeatures: 0,
  latchesFeaturesOk: true,
  strictWidths: false,
  hasStrictFraming: false,
  queueSelectLimit: 0x1_0000,
  zeroAddressResets: false,
  messageVectors: 4,
  hasInterruptPin: true,
  block: {
    queueSize: 4096,
    features: bits.BLOCK_SIZE_MAX + bits.BLOCK_SEG_MAX + bits.BLOCK_BLK_SIZE + bits.BLOCK_FLUSH,
    sizeMax: 65536,
    segMax: 64,
    usedLength: "written",
  },
  net: {
    receiveQueueSize: 4096,
    transmitQueueSize: 4096,
    controlQueueSize: 0,
    features: bits.NET_MAC + bits.NET_MRG_RXBUF + bits.NET_STATUS,
    transmitUsedLength: "zero",
    mtu: 1500,
  },
};

/** Google's first two generations: legacy registers, with messages. */
export const gcp: Profile = { ...large, name: "gcp", messageVectors: 3 };

/** The least that is still a virtio device: tiny queues, not one optional feature. */
export const minimal: Profile = {
  name: "minimal",
  transport: "legacy",
  ringFeatures: 0,
  modernFeatures: 0,
  latchesFeaturesOk: false,
  strictWidths: true,
  hasStrictFraming: true,
  queueSelectLimit: 0x1_0000,
  zeroAddressResets: false,
  messageVectors: 0,
  hasInterruptPin: true,
  block: { queueSize: 8, features: 0, sizeMax: bits.NO_LIMIT, segMax: 1, usedLength: "zero" },
  net: {
    receiveQueueSize: 8,
    transmitQueueSize: 8,
    controlQueueSize: 0,
    features: 0,
    transmitUsedLength: "zero",
    mtu: 1500,
  },
};
