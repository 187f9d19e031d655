/**
 * Feature bits by the names of the specification, as far as cases choose among them.
 * [virtio-1.2 §5.1.3, §5.2.3, §6]
 */

export const VIRTIO_NET_F_CSUM = 1n << 0n;
export const VIRTIO_NET_F_GUEST_CSUM = 1n << 1n;
export const VIRTIO_NET_F_MTU = 1n << 3n;
export const VIRTIO_NET_F_MAC = 1n << 5n;
export const VIRTIO_NET_F_GUEST_TSO4 = 1n << 7n;
export const VIRTIO_NET_F_GUEST_TSO6 = 1n << 8n;
export const VIRTIO_NET_F_GUEST_ECN = 1n << 9n;
export const VIRTIO_NET_F_GUEST_UFO = 1n << 10n;
export const VIRTIO_NET_F_HOST_TSO4 = 1n << 11n;
export const VIRTIO_NET_F_HOST_TSO6 = 1n << 12n;
export const VIRTIO_NET_F_HOST_ECN = 1n << 13n;
export const VIRTIO_NET_F_HOST_UFO = 1n << 14n;
export const VIRTIO_NET_F_MRG_RXBUF = 1n << 15n;
export const VIRTIO_NET_F_STATUS = 1n << 16n;

export const VIRTIO_NET_F_CTRL_VQ = 1n << 17n;
export const VIRTIO_NET_F_CTRL_RX = 1n << 18n;
export const VIRTIO_NET_F_CTRL_VLAN = 1n << 19n;
export const VIRTIO_NET_F_CTRL_RX_EXTRA = 1n << 20n;
export const VIRTIO_NET_F_GUEST_ANNOUNCE = 1n << 21n;
export const VIRTIO_NET_F_CTRL_MAC_ADDR = 1n << 23n;
/** What the control queue is used for. */
export const CONTROL_COMMANDS =
  VIRTIO_NET_F_CTRL_RX |
  VIRTIO_NET_F_CTRL_VLAN |
  VIRTIO_NET_F_CTRL_RX_EXTRA |
  VIRTIO_NET_F_GUEST_ANNOUNCE |
  VIRTIO_NET_F_CTRL_MAC_ADDR;
export const VIRTIO_NET_F_SPEED_DUPLEX = 1n << 63n;

export const VIRTIO_BLK_F_BARRIER = 1n << 0n;
export const VIRTIO_BLK_F_SIZE_MAX = 1n << 1n;
export const VIRTIO_BLK_F_SEG_MAX = 1n << 2n;
export const VIRTIO_BLK_F_GEOMETRY = 1n << 4n;
export const VIRTIO_BLK_F_RO = 1n << 5n;
export const VIRTIO_BLK_F_BLK_SIZE = 1n << 6n;
export const VIRTIO_BLK_F_SCSI = 1n << 7n;
export const VIRTIO_BLK_F_FLUSH = 1n << 9n;
export const VIRTIO_BLK_F_TOPOLOGY = 1n << 10n;
export const VIRTIO_BLK_F_CONFIG_WCE = 1n << 11n;
export const VIRTIO_BLK_F_DISCARD = 1n << 13n;
export const VIRTIO_BLK_F_WRITE_ZEROES = 1n << 14n;
export const VIRTIO_BLK_F_LIFETIME = 1n << 15n;
export const VIRTIO_BLK_F_SECURE_ERASE = 1n << 16n;

export const VIRTIO_F_ANY_LAYOUT = 1n << 27n;
export const VIRTIO_F_INDIRECT_DESC = 1n << 28n;
export const VIRTIO_F_EVENT_IDX = 1n << 29n;

/** Without it a device is a legacy one. The driver must accept it. */
export const VIRTIO_F_VERSION_1 = 1n << 32n;

/** Of devices with VERSION_1 only. */
export const VIRTIO_NET_F_HOST_USO = 1n << 56n;

/** What a card finishes of frames that are sent. */
export const TRANSMIT_OFFLOADS =
  VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN | VIRTIO_NET_F_HOST_UFO;
/** What it hands over unfinished. */
export const RECEIVE_OFFLOADS =
  VIRTIO_NET_F_GUEST_CSUM |
  VIRTIO_NET_F_GUEST_TSO4 |
  VIRTIO_NET_F_GUEST_TSO6 |
  VIRTIO_NET_F_GUEST_ECN |
  VIRTIO_NET_F_GUEST_UFO;

/** All that a driver can be allowed whose addresses are physical ones. */
export const ALL_FEATURES = 0xffff_fffd_ffff_ffffn;
/** The same for a card whose frames come in finished. */
export const ALL_OF_PLAIN_CARDS = ALL_FEATURES & ~RECEIVE_OFFLOADS;

/** Accepted features without the one that is not the driver's choice. */
export function chosen(accepted: bigint): bigint {
  return accepted & ~VIRTIO_F_VERSION_1;
}

/** Whether header and data may share a descriptor. [virtio-1.2 §2.7.4.3, §6.3] */
export function isAnyLayout(accepted: bigint): boolean {
  return (accepted & (VIRTIO_F_ANY_LAYOUT | VIRTIO_F_VERSION_1)) !== 0n;
}

/** Bytes of the header before a frame. [virtio-1.2 §5.1.6.1] */
export function headerBytes(accepted: bigint): number {
  return (accepted & (VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_VERSION_1)) === 0n ? 10 : 12;
}

/** Features of a device that a case can ask for or do without, whatever the host does otherwise. */
export interface OfferedFeatures {
  anyLayout?: boolean;
  indirect?: boolean;
  eventIndex?: boolean;
  /** Net only. */
  mergeable?: boolean;
  /** Net only: the device reports its link. */
  status?: boolean;
  /** Net only: there is a control queue. What follows needs that. */
  controlQueue?: boolean;
  receiveModes?: boolean;
  extraModes?: boolean;
  vlans?: boolean;
  macAddress?: boolean;
  /** Needs `status`, too. */
  announce?: boolean;
}
