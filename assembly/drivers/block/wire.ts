/** Virtio-block as it goes over the wire: features, configuration, request header and status. [virtio-1.2 §5.2] */
import { write32, write64 } from "../../memory/shared";

/** Virtio device type. [virtio-1.2 §5] */
export const VIRTIO_ID_BLOCK: u32 = 2;

/** The only queue. [virtio-1.2 §5.2.2] */
export const REQUEST_QUEUE: u32 = 0;

// Feature bits. [virtio-1.2 §5.2.3]
export const VIRTIO_BLK_F_SIZE_MAX: u64 = 1 << 1;
export const VIRTIO_BLK_F_SEG_MAX: u64 = 1 << 2;
export const VIRTIO_BLK_F_GEOMETRY: u64 = 1 << 4;
export const VIRTIO_BLK_F_RO: u64 = 1 << 5;
export const VIRTIO_BLK_F_BLK_SIZE: u64 = 1 << 6;
export const VIRTIO_BLK_F_FLUSH: u64 = 1 << 9;
export const VIRTIO_BLK_F_TOPOLOGY: u64 = 1 << 10;
export const VIRTIO_BLK_F_CONFIG_WCE: u64 = 1 << 11;

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

/** Unit of capacity and of sector numbers, whatever the block size. */
export const SECTOR_BYTES: u32 = 512;
export const SECTOR_SHIFT: u32 = 9;

/** Bytes of the serial number. [virtio-1.2 §5.2.6] */
export const VIRTIO_BLK_ID_BYTES: u32 = 20;

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
