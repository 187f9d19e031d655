/** Feature bits of network devices, as masks, and which of them need which others. [virtio-1.2 §5.1.3] */
import type { FeatureDependency } from "../virtio/device.js";

export const VIRTIO_NET_F_CSUM = 2 ** 0;
export const VIRTIO_NET_F_GUEST_CSUM = 2 ** 1;
export const VIRTIO_NET_F_MTU = 2 ** 3;
export const VIRTIO_NET_F_MAC = 2 ** 5;
export const VIRTIO_NET_F_GUEST_TSO4 = 2 ** 7;
export const VIRTIO_NET_F_GUEST_TSO6 = 2 ** 8;
export const VIRTIO_NET_F_GUEST_ECN = 2 ** 9;
export const VIRTIO_NET_F_GUEST_UFO = 2 ** 10;
export const VIRTIO_NET_F_HOST_TSO4 = 2 ** 11;
export const VIRTIO_NET_F_HOST_TSO6 = 2 ** 12;
export const VIRTIO_NET_F_HOST_ECN = 2 ** 13;
export const VIRTIO_NET_F_HOST_UFO = 2 ** 14;
export const VIRTIO_NET_F_MRG_RXBUF = 2 ** 15;
export const VIRTIO_NET_F_STATUS = 2 ** 16;
export const VIRTIO_NET_F_CTRL_VQ = 2 ** 17;
export const VIRTIO_NET_F_CTRL_RX = 2 ** 18;
export const VIRTIO_NET_F_CTRL_VLAN = 2 ** 19;
export const VIRTIO_NET_F_CTRL_RX_EXTRA = 2 ** 20;
export const VIRTIO_NET_F_GUEST_ANNOUNCE = 2 ** 21;
export const VIRTIO_NET_F_MQ = 2 ** 22;
export const VIRTIO_NET_F_CTRL_MAC_ADDR = 2 ** 23;

/** [virtio-1.3 §5.1.3] */
export const VIRTIO_NET_F_VQ_NOTF_COAL = 2 ** 52;
export const VIRTIO_NET_F_NOTF_COAL = 2 ** 53;
export const VIRTIO_NET_F_SPEED_DUPLEX = 2 ** 63;
/** The modern interface alone shows it. */
export const VIRTIO_NET_F_HOST_USO = 2 ** 56;

/** Any of these lets frames of up to 64 KiB come in. */
export const LARGE_RECEIVE_FEATURES = VIRTIO_NET_F_GUEST_TSO4 + VIRTIO_NET_F_GUEST_TSO6 + VIRTIO_NET_F_GUEST_UFO;

/** [virtio-1.2 §5.1.3.1] and, for CTRL_RX_EXTRA, [§5.1.6.5.1]. Those that need one of several are `alternatives`. */
export const featureDependencies: readonly FeatureDependency[] = [
  { name: "GUEST_TSO4", feature: VIRTIO_NET_F_GUEST_TSO4, requires: VIRTIO_NET_F_GUEST_CSUM },
  { name: "GUEST_TSO6", feature: VIRTIO_NET_F_GUEST_TSO6, requires: VIRTIO_NET_F_GUEST_CSUM },
  { name: "GUEST_UFO", feature: VIRTIO_NET_F_GUEST_UFO, requires: VIRTIO_NET_F_GUEST_CSUM },
  { name: "HOST_TSO4", feature: VIRTIO_NET_F_HOST_TSO4, requires: VIRTIO_NET_F_CSUM },
  { name: "HOST_TSO6", feature: VIRTIO_NET_F_HOST_TSO6, requires: VIRTIO_NET_F_CSUM },
  { name: "HOST_UFO", feature: VIRTIO_NET_F_HOST_UFO, requires: VIRTIO_NET_F_CSUM },
  { name: "HOST_USO", feature: VIRTIO_NET_F_HOST_USO, requires: VIRTIO_NET_F_CSUM },
  { name: "CTRL_RX", feature: VIRTIO_NET_F_CTRL_RX, requires: VIRTIO_NET_F_CTRL_VQ },
  { name: "CTRL_VLAN", feature: VIRTIO_NET_F_CTRL_VLAN, requires: VIRTIO_NET_F_CTRL_VQ },
  { name: "CTRL_RX_EXTRA", feature: VIRTIO_NET_F_CTRL_RX_EXTRA, requires: VIRTIO_NET_F_CTRL_VQ },
  { name: "GUEST_ANNOUNCE", feature: VIRTIO_NET_F_GUEST_ANNOUNCE, requires: VIRTIO_NET_F_CTRL_VQ },
  { name: "MQ", feature: VIRTIO_NET_F_MQ, requires: VIRTIO_NET_F_CTRL_VQ },
  { name: "CTRL_MAC_ADDR", feature: VIRTIO_NET_F_CTRL_MAC_ADDR, requires: VIRTIO_NET_F_CTRL_VQ },
  { name: "VQ_NOTF_COAL", feature: VIRTIO_NET_F_VQ_NOTF_COAL, requires: VIRTIO_NET_F_CTRL_VQ },
  { name: "NOTF_COAL", feature: VIRTIO_NET_F_NOTF_COAL, requires: VIRTIO_NET_F_CTRL_VQ },
];

/** Features that need at least one of others. */
export const alternatives: readonly { name: string; feature: number; requiresOneOf: number }[] = [
  {
    name: "GUEST_ECN",
    feature: VIRTIO_NET_F_GUEST_ECN,
    requiresOneOf: VIRTIO_NET_F_GUEST_TSO4 + VIRTIO_NET_F_GUEST_TSO6,
  },
  {
    name: "HOST_ECN",
    feature: VIRTIO_NET_F_HOST_ECN,
    requiresOneOf: VIRTIO_NET_F_HOST_TSO4 + VIRTIO_NET_F_HOST_TSO6,
  },
];
