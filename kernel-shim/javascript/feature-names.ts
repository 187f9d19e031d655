/** Names of feature bits as the specification writes them, for people to read. [virtio-1.2 §5.1.3, §5.2.3, §6] */

/** Bits of the rings and the transport, the same for every device. */
const COMMON: Readonly<Record<number, string>> = {
  24: "VIRTIO_F_NOTIFY_ON_EMPTY",
  27: "VIRTIO_F_ANY_LAYOUT",
  28: "VIRTIO_F_INDIRECT_DESC",
  29: "VIRTIO_F_EVENT_IDX",
  // Once marked drivers that misread the feature bits; no driver may accept it.
  30: "VIRTIO_F_BAD_FEATURE",
  32: "VIRTIO_F_VERSION_1",
  33: "VIRTIO_F_ACCESS_PLATFORM",
  34: "VIRTIO_F_RING_PACKED",
  35: "VIRTIO_F_IN_ORDER",
  36: "VIRTIO_F_ORDER_PLATFORM",
  37: "VIRTIO_F_SR_IOV",
  38: "VIRTIO_F_NOTIFICATION_DATA",
  39: "VIRTIO_F_NOTIF_CONFIG_DATA",
  40: "VIRTIO_F_RING_RESET",
};

const NET: Readonly<Record<number, string>> = {
  0: "VIRTIO_NET_F_CSUM",
  1: "VIRTIO_NET_F_GUEST_CSUM",
  2: "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS",
  3: "VIRTIO_NET_F_MTU",
  5: "VIRTIO_NET_F_MAC",
  6: "VIRTIO_NET_F_GSO",
  7: "VIRTIO_NET_F_GUEST_TSO4",
  8: "VIRTIO_NET_F_GUEST_TSO6",
  9: "VIRTIO_NET_F_GUEST_ECN",
  10: "VIRTIO_NET_F_GUEST_UFO",
  11: "VIRTIO_NET_F_HOST_TSO4",
  12: "VIRTIO_NET_F_HOST_TSO6",
  13: "VIRTIO_NET_F_HOST_ECN",
  14: "VIRTIO_NET_F_HOST_UFO",
  15: "VIRTIO_NET_F_MRG_RXBUF",
  16: "VIRTIO_NET_F_STATUS",
  17: "VIRTIO_NET_F_CTRL_VQ",
  18: "VIRTIO_NET_F_CTRL_RX",
  19: "VIRTIO_NET_F_CTRL_VLAN",
  20: "VIRTIO_NET_F_CTRL_RX_EXTRA",
  21: "VIRTIO_NET_F_GUEST_ANNOUNCE",
  22: "VIRTIO_NET_F_MQ",
  23: "VIRTIO_NET_F_CTRL_MAC_ADDR",
  52: "VIRTIO_NET_F_VQ_NOTF_COAL",
  53: "VIRTIO_NET_F_NOTF_COAL",
  56: "VIRTIO_NET_F_HOST_USO",
  63: "VIRTIO_NET_F_SPEED_DUPLEX",
};

const BLOCK: Readonly<Record<number, string>> = {
  0: "VIRTIO_BLK_F_BARRIER",
  1: "VIRTIO_BLK_F_SIZE_MAX",
  2: "VIRTIO_BLK_F_SEG_MAX",
  4: "VIRTIO_BLK_F_GEOMETRY",
  5: "VIRTIO_BLK_F_RO",
  6: "VIRTIO_BLK_F_BLK_SIZE",
  7: "VIRTIO_BLK_F_SCSI",
  9: "VIRTIO_BLK_F_FLUSH",
  10: "VIRTIO_BLK_F_TOPOLOGY",
  11: "VIRTIO_BLK_F_CONFIG_WCE",
  12: "VIRTIO_BLK_F_MQ",
  13: "VIRTIO_BLK_F_DISCARD",
  14: "VIRTIO_BLK_F_WRITE_ZEROES",
};

/** By virtio device type. [virtio-1.2 §5] */
const BY_TYPE: Readonly<Record<number, Readonly<Record<number, string>>>> = { 1: NET, 2: BLOCK };

/** What one feature bit is called; bits without a name are called by their number. */
export function featureName(virtioType: number, bit: number): string {
  return BY_TYPE[virtioType]?.[bit] ?? COMMON[bit] ?? `bit ${bit}`;
}

/** The names of all bits set in `features`, lowest first. */
export function featureNames(virtioType: number, features: bigint): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if ((features >> BigInt(bit)) & 1n) {
      names.push(featureName(virtioType, bit));
    }
  }
  return names;
}
