/** Numbers of the block device, by the names of the specification. [virtio-1.2 §5.2.3, §5.2.4, §5.2.6] */
import type { ConfigurationField } from "../virtio/configuration.js";

export const VIRTIO_BLK_F_SIZE_MAX = 2 ** 1;
export const VIRTIO_BLK_F_SEG_MAX = 2 ** 2;
export const VIRTIO_BLK_F_GEOMETRY = 2 ** 4;
export const VIRTIO_BLK_F_RO = 2 ** 5;
export const VIRTIO_BLK_F_BLK_SIZE = 2 ** 6;
export const VIRTIO_BLK_F_FLUSH = 2 ** 9;
export const VIRTIO_BLK_F_TOPOLOGY = 2 ** 10;
export const VIRTIO_BLK_F_CONFIG_WCE = 2 ** 11;

export const VIRTIO_BLK_T_IN = 0;
export const VIRTIO_BLK_T_OUT = 1;
export const VIRTIO_BLK_T_FLUSH = 4;
export const VIRTIO_BLK_T_GET_ID = 8;

export const VIRTIO_BLK_S_OK = 0;
export const VIRTIO_BLK_S_IOERR = 1;
export const VIRTIO_BLK_S_UNSUPP = 2;

/** Bytes of type, reserved and sector in front of every request. */
export const HEADER_BYTES = 16;
/** Bytes of the identifier that GET_ID reads. */
export const ID_BYTES = 20;

export const BLOCK_CONFIGURATION: readonly ConfigurationField[] = [
  { name: "capacity", offset: 0, bytes: 8, feature: 0 },
  { name: "size_max", offset: 8, bytes: 4, feature: VIRTIO_BLK_F_SIZE_MAX },
  { name: "seg_max", offset: 12, bytes: 4, feature: VIRTIO_BLK_F_SEG_MAX },
  { name: "cylinders", offset: 16, bytes: 2, feature: VIRTIO_BLK_F_GEOMETRY },
  { name: "heads", offset: 18, bytes: 1, feature: VIRTIO_BLK_F_GEOMETRY },
  { name: "sectors", offset: 19, bytes: 1, feature: VIRTIO_BLK_F_GEOMETRY },
  { name: "blk_size", offset: 20, bytes: 4, feature: VIRTIO_BLK_F_BLK_SIZE },
  { name: "physical_block_exp", offset: 24, bytes: 1, feature: VIRTIO_BLK_F_TOPOLOGY },
  { name: "alignment_offset", offset: 25, bytes: 1, feature: VIRTIO_BLK_F_TOPOLOGY },
  { name: "min_io_size", offset: 26, bytes: 2, feature: VIRTIO_BLK_F_TOPOLOGY },
  { name: "opt_io_size", offset: 28, bytes: 4, feature: VIRTIO_BLK_F_TOPOLOGY },
  {
    name: "writeback",
    offset: 32,
    bytes: 1,
    feature: VIRTIO_BLK_F_CONFIG_WCE,
    writableWith: VIRTIO_BLK_F_CONFIG_WCE,
    // [virtio-1.2 §5.2.5.3]
    isWritableEarly: true,
  },
];
