/** Numbers of the block device, by the names of the specification. [virtio-1.2 §5.2.3, §5.2.4, §5.2.6] */
import type { ConfigurationField } from "../virtio/configuration.js";

export const VIRTIO_BLK_F_BARRIER = 2 ** 0;
export const VIRTIO_BLK_F_SIZE_MAX = 2 ** 1;
export const VIRTIO_BLK_F_SEG_MAX = 2 ** 2;
export const VIRTIO_BLK_F_GEOMETRY = 2 ** 4;
export const VIRTIO_BLK_F_RO = 2 ** 5;
export const VIRTIO_BLK_F_BLK_SIZE = 2 ** 6;
export const VIRTIO_BLK_F_SCSI = 2 ** 7;
export const VIRTIO_BLK_F_FLUSH = 2 ** 9;
export const VIRTIO_BLK_F_TOPOLOGY = 2 ** 10;
export const VIRTIO_BLK_F_CONFIG_WCE = 2 ** 11;
export const VIRTIO_BLK_F_DISCARD = 2 ** 13;
export const VIRTIO_BLK_F_WRITE_ZEROES = 2 ** 14;
export const VIRTIO_BLK_F_LIFETIME = 2 ** 15;
export const VIRTIO_BLK_F_SECURE_ERASE = 2 ** 16;

export const VIRTIO_BLK_T_IN = 0;
export const VIRTIO_BLK_T_OUT = 1;
export const VIRTIO_BLK_T_SCSI_CMD = 2;
export const VIRTIO_BLK_T_FLUSH = 4;
export const VIRTIO_BLK_T_GET_ID = 8;
export const VIRTIO_BLK_T_GET_LIFETIME = 10;
export const VIRTIO_BLK_T_DISCARD = 11;
export const VIRTIO_BLK_T_WRITE_ZEROES = 13;
export const VIRTIO_BLK_T_SECURE_ERASE = 14;

export const VIRTIO_BLK_S_OK = 0;
export const VIRTIO_BLK_S_IOERR = 1;
export const VIRTIO_BLK_S_UNSUPP = 2;

/** Bytes of type, reserved and sector in front of every request. */
export const HEADER_BYTES = 16;
/** Bytes of the identifier that GET_ID reads. */
export const ID_BYTES = 20;
/** The bit of a legacy request's type that makes it a barrier. */
export const VIRTIO_BLK_T_BARRIER = 0x8000_0000;
/** Bytes of sense data, and of errors, data_len, sense_len and residual, in a SCSI request. */
export const SENSE_BYTES = 96;
export const SCSI_RESULT_BYTES = 16;
/** Bytes of `virtio_blk_lifetime`. */
export const LIFETIME_BYTES = 6;
/** Bytes of `virtio_blk_discard_write_zeroes`. */
export const RANGE_BYTES = 16;
/** The flag of a range with which WRITE_ZEROES may give up storage. */
export const UNMAP = 1;

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
  { name: "max_discard_sectors", offset: 36, bytes: 4, feature: VIRTIO_BLK_F_DISCARD },
  { name: "max_discard_seg", offset: 40, bytes: 4, feature: VIRTIO_BLK_F_DISCARD },
  { name: "discard_sector_alignment", offset: 44, bytes: 4, feature: VIRTIO_BLK_F_DISCARD },
  { name: "max_write_zeroes_sectors", offset: 48, bytes: 4, feature: VIRTIO_BLK_F_WRITE_ZEROES },
  { name: "max_write_zeroes_seg", offset: 52, bytes: 4, feature: VIRTIO_BLK_F_WRITE_ZEROES },
  { name: "write_zeroes_may_unmap", offset: 56, bytes: 1, feature: VIRTIO_BLK_F_WRITE_ZEROES },
  { name: "max_secure_erase_sectors", offset: 60, bytes: 4, feature: VIRTIO_BLK_F_SECURE_ERASE },
  { name: "max_secure_erase_seg", offset: 64, bytes: 4, feature: VIRTIO_BLK_F_SECURE_ERASE },
  { name: "secure_erase_sector_alignment", offset: 68, bytes: 4, feature: VIRTIO_BLK_F_SECURE_ERASE },
];
