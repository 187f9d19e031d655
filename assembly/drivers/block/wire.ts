/** Virtio-block as it goes over the wire: features, configuration, request header and status. [virtio-1.2 §5.2] */
import { write32, write32Pair, write64 } from "../../memory/shared";

/** Virtio device type. [virtio-1.2 §5] */
export const VIRTIO_ID_BLOCK: u32 = 2;

/** The only queue. [virtio-1.2 §5.2.2] */
export const REQUEST_QUEUE: u32 = 0;

// Feature bits; the first and SCSI are legacy devices' only. [virtio-1.2 §5.2.3, §5.2.3.1]
export const VIRTIO_BLK_F_BARRIER: u64 = 1 << 0;
export const VIRTIO_BLK_F_SIZE_MAX: u64 = 1 << 1;
export const VIRTIO_BLK_F_SEG_MAX: u64 = 1 << 2;
export const VIRTIO_BLK_F_GEOMETRY: u64 = 1 << 4;
export const VIRTIO_BLK_F_RO: u64 = 1 << 5;
export const VIRTIO_BLK_F_BLK_SIZE: u64 = 1 << 6;
export const VIRTIO_BLK_F_SCSI: u64 = 1 << 7;
export const VIRTIO_BLK_F_FLUSH: u64 = 1 << 9;
export const VIRTIO_BLK_F_TOPOLOGY: u64 = 1 << 10;
export const VIRTIO_BLK_F_CONFIG_WCE: u64 = 1 << 11;
export const VIRTIO_BLK_F_DISCARD: u64 = 1 << 13;
export const VIRTIO_BLK_F_WRITE_ZEROES: u64 = 1 << 14;
export const VIRTIO_BLK_F_LIFETIME: u64 = 1 << 15;
export const VIRTIO_BLK_F_SECURE_ERASE: u64 = 1 << 16;

// Offsets in the device configuration. [virtio-1.2 §5.2.4]
export const CAPACITY: u32 = 0;
export const SIZE_MAX: u32 = 8;
export const SEG_MAX: u32 = 12;
export const GEOMETRY_CYLINDERS: u32 = 16;
export const GEOMETRY_HEADS: u32 = 18;
export const GEOMETRY_SECTORS: u32 = 19;
export const BLK_SIZE: u32 = 20;
export const TOPOLOGY_PHYSICAL_BLOCK_EXP: u32 = 24;
export const TOPOLOGY_ALIGNMENT_OFFSET: u32 = 25;
export const TOPOLOGY_MIN_IO_SIZE: u32 = 26;
export const TOPOLOGY_OPT_IO_SIZE: u32 = 28;
export const WRITEBACK: u32 = 32;
export const MAX_DISCARD_SECTORS: u32 = 36;
export const MAX_DISCARD_SEG: u32 = 40;
export const DISCARD_SECTOR_ALIGNMENT: u32 = 44;
export const MAX_WRITE_ZEROES_SECTORS: u32 = 48;
export const MAX_WRITE_ZEROES_SEG: u32 = 52;
export const WRITE_ZEROES_MAY_UNMAP: u32 = 56;
export const MAX_SECURE_ERASE_SECTORS: u32 = 60;
export const MAX_SECURE_ERASE_SEG: u32 = 64;
export const SECURE_ERASE_SECTOR_ALIGNMENT: u32 = 68;

/** Unit of capacity and of sector numbers, whatever the block size. */
export const SECTOR_BYTES: u32 = 512;
export const SECTOR_SHIFT: u32 = 9;

/** Whether so many sectors from there on lie within the capacity. */
@inline
export function isOnDisk(capacity: u64, sector: u64, sectors: u64): bool {
  return sectors <= capacity && sector <= capacity - sectors;
}

/** Descriptors of a part beside its data: header and status. */
export const FRAMING_DESCRIPTORS: u32 = 2;

/** Descriptors of the smallest request that carries data. */
export const CHAIN_MIN: u32 = FRAMING_DESCRIPTORS + 1;

/** The bit of a request's type that makes it a barrier. [virtio-1.2 §5.2.6.3] */
export const VIRTIO_BLK_T_BARRIER: u32 = 0x8000_0000;

/** Bytes of sense data that SCSI commands have room for. [virtio-1.2 §5.2.6.3] */
export const SCSI_SENSE_BUFFERSIZE: u32 = 96;

/** Most bytes of a request: the largest multiple of every block size that a completion's length can state. */
export const REQUEST_BYTES_MAX: u32 = 0xff00_0000;

/** Bytes of the serial number, and of `virtio_blk_lifetime`. [virtio-1.2 §5.2.6] */
export const VIRTIO_BLK_ID_BYTES: u32 = 20;
export const LIFETIME_BYTES: u32 = 6;

// Status byte. [virtio-1.2 §5.2.6]
export const VIRTIO_BLK_S_OK: u32 = 0;
export const VIRTIO_BLK_S_IOERR: u32 = 1;
export const VIRTIO_BLK_S_UNSUPP: u32 = 2;

// Header and status byte of a request, side by side in the slot of its chain:
//
//     0      4        8        16       17         32
//     ┌──────┬────────┬────────┬────────┬──────────┐
//     │ type │ ioprio │ sector │ status │ not used │
//     └──────┴────────┴────────┴────────┴──────────┘
//       the device reads         writes
export const BLOCK_HEADER_BYTES: u32 = 16;
export const STATUS_OFFSET: u32 = 16;
export const STATUS_BYTES: u32 = 1;
/** Bytes of both, and of what is not used. */
export const FRAMING_BYTES: u32 = 32;

/** Writes a request's header and, into the status byte, a value that no device writes. */
@inline
export function writeHeader(header: u32, type: u32, sector: u64): void {
  write64(header, type);
  write64(header + 8, sector);
  write32(header + STATUS_OFFSET, 0xff);
}

/** Bytes of `virtio_blk_discard_write_zeroes`. [virtio-1.2 §5.2.6] */
export const RANGE_BYTES: u32 = 16;

/** Writes one of these at `pointer`, a multiple of 16. */
export function writeRange(pointer: u32, sector: u64, sectors: u32, flags: u32): void {
  write64(pointer, sector);
  write32Pair(pointer + 8, sectors, flags);
}
