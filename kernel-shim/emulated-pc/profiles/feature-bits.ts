/** Device features that profiles offer, as masks. [virtio-1.2 §5.1.3, §5.2.3] */

export const BLOCK_SIZE_MAX = 2 ** 1;
export const BLOCK_SEG_MAX = 2 ** 2;
export const BLOCK_GEOMETRY = 2 ** 4;
export const BLOCK_BLK_SIZE = 2 ** 6;
export const BLOCK_FLUSH = 2 ** 9;
export const BLOCK_TOPOLOGY = 2 ** 10;
export const BLOCK_CONFIG_WCE = 2 ** 11;
export const BLOCK_DISCARD = 2 ** 13;
export const BLOCK_WRITE_ZEROES = 2 ** 14;
export const NET_MTU = 2 ** 3;
export const NET_MAC = 2 ** 5;
export const NET_MRG_RXBUF = 2 ** 15;
export const NET_STATUS = 2 ** 16;
export const NET_CTRL_VQ = 2 ** 17;
export const NET_CTRL_RX = 2 ** 18;
export const NET_CTRL_VLAN = 2 ** 19;
export const NET_CTRL_RX_EXTRA = 2 ** 20;
export const NET_GUEST_ANNOUNCE = 2 ** 21;
export const NET_MQ = 2 ** 22;
export const NET_CTRL_MAC_ADDR = 2 ** 23;

/** Checksums both ways, TSO4, TSO6 and UFO both ways. */
export const NET_OFFLOADS = 2 ** 0 + 2 ** 1 + 2 ** 7 + 2 ** 8 + 2 ** 10 + 2 ** 11 + 2 ** 12 + 2 ** 14;

/** A limit that limits nothing. */
export const NO_LIMIT = 0xffff_ffff;
