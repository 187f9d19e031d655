/** The records of virtio-block. `abi/records.ts` says how records lie in memory. */

/** How to open a disk. A null pointer in its place means all features and defaults. */
@unmanaged
export class BlockOptions {
  /** These are the fields of `DeviceOptions`. The optional features that may be accepted; others are refused if offered. */
  features: u64;
  /**
   * Nanoseconds that a request may take. When one takes longer, at most twice as long, and `block_poll` finds nothing,
   * the device counts as broken. 0: any time.
   */
  timeout_ns: u64;
  mmio_base: u64;
  mmio_bytes: u32;
  transport: u32;
  vectors: u32;
  queue_size_max: u32;
}

/**
 * Operations of a `BlockRequest`. All but READ, WRITE, FLUSH and GET_ID are of the extra `block-commands`, as are flags and
 * priorities. [virtio-1.2 §5.2.6]
 */
export const enum BlockOperation {
  /** VIRTIO_BLK_T_IN: read sectors into the segments. */
  READ = 0,
  /** VIRTIO_BLK_T_OUT: write the segments to sectors. */
  WRITE = 1,
  /**
   * VIRTIO_BLK_T_SCSI_CMD: a SCSI command, legacy disks only. Segments: the command; data, if it has any, which the device
   * writes, or reads with DATA_OUT; 96 bytes of sense; a `BlockScsiResult`. All but the data are physically contiguous. OK
   * says that the device performed it, not that it succeeded.
   */
  SCSI_CMD = 2,
  /** VIRTIO_BLK_T_FLUSH: what was completed before reaches stable storage. No segments. */
  FLUSH = 4,
  /** VIRTIO_BLK_T_GET_ID: the serial number into exactly one segment of 20 bytes. */
  GET_ID = 8,
  /** VIRTIO_BLK_T_GET_LIFETIME: how worn the storage is, a `BlockLifetime` into exactly one segment of 6 bytes. */
  GET_LIFETIME = 10,
  /** VIRTIO_BLK_T_DISCARD: the contents of ranges are not needed any more; what they read as afterwards is unknown. */
  DISCARD = 11,
  /** VIRTIO_BLK_T_WRITE_ZEROES: ranges read as zeroes. */
  WRITE_ZEROES = 13,
  /** VIRTIO_BLK_T_SECURE_ERASE: nobody can get back what was in ranges. */
  SECURE_ERASE = 14,
}

/** Bits of `BlockRequest.flags`. */
export const enum BlockFlag {
  /**
   * The device completes all requests before this one first, and begins none behind it before it is complete. Legacy disks
   * with the feature BARRIER only. It orders, and flushes nothing.
   */
  BARRIER = 1,
  /** SCSI_CMD only: the device reads the data. */
  DATA_OUT = 2,
}

/** One request to a disk. */
@unmanaged
export class BlockRequest {
  /** Comes back in the completion. */
  token: u64;
  /** First sector of 512 bytes, whatever the block size; READ and WRITE only. */
  sector: u64;
  /** One of `BlockOperation`. */
  operation: u8;
  /** Bits of `BlockFlag`; 0: nothing special. */
  flags: u8;
  /** A hint: higher numbers are more important. Legacy disks only; others do not hear of it. */
  priority: u16;
  /**
   * Address in linear memory of an array of `Segment`, read during the call only. DISCARD, WRITE_ZEROES and SECURE_ERASE
   * have an array of `BlockRange` there.
   */
  segments: u32;
  /** How many of them there are. */
  segment_count: u32;
  /** Written by the stack: OK when accepted, otherwise why the request was refused. */
  result: i32;
}

/** Bits of `BlockRange.flags`. */
export const enum BlockRangeFlag {
  /** WRITE_ZEROES only: the device may give up the storage, too, as long as the range reads as zeroes. */
  UNMAP = 1,
}

/**
 * Sectors that a request names without moving data: whole blocks within the capacity. The stack splits ranges that are
 * longer than the device takes, at multiples of the alignment where it states one, and requests of more ranges.
 */
@unmanaged
export class BlockRange {
  /** First sector of 512 bytes, whatever the block size. */
  sector: u64;
  /** At least 1. */
  num_sectors: u32;
  /** Bits of `BlockRangeFlag`. */
  flags: u32;
}

/** What the device writes into the last segment of SCSI_CMD. A device may write anything there. [virtio-1.2 §5.2.6.3] */
@unmanaged
export class BlockScsiResult {
  /** SCSI status, and what became of the command on its way; 0: success. */
  errors: u32;
  /** Unused. */
  data_len: u32;
  /** Bytes of sense data. */
  sense_len: u32;
  /** Bytes of data that were not moved. */
  residual: u32;
}

/** What GET_LIFETIME reads. A device may write anything there. [virtio-1.2 §5.2.6] */
@unmanaged
export class BlockLifetime {
  /** How many of the reserved blocks are used up: 0 unknown, 1 less than 80 %, 2 from 80 %, 3 from 90 % on. */
  pre_eol_info: u16;
  /** Wear of SLC cells: 0 unknown, 1 to 10 up to so many tenths, 11 beyond what was expected. */
  device_lifetime_est_typ_a: u16;
  /** Wear of MLC cells, likewise. */
  device_lifetime_est_typ_b: u16;
}

/**
 * A disk, as its device described it when it was opened or last reset; the capacity is the present one.
 * [virtio-1.2 §5.2.4]
 */
@unmanaged
export class BlockInformation {
  features_offered: u64;
  features_accepted: u64;
  /** Sectors of 512 bytes. */
  capacity: u64;
  queue_size: u32;
  /** Bytes; requests start at and cover whole blocks. 512 unless the device says otherwise. */
  block_size: u32;
  /** Largest segment the device takes, bytes; the stack splits larger ones. 0xffffffff: no limit. */
  size_max: u32;
  /** Most segments the device takes in a request; the stack splits longer ones. */
  seg_max: u32;
  /** 1 when the disk cannot be written. */
  read_only: u32;
  /** Geometry, zeroes where the device has none. */
  cylinders: u16;
  heads: u8;
  sectors: u8;
  /** log2 of logical blocks per physical block. */
  physical_block_exp: u8;
  /** First aligned logical block. */
  alignment_offset: u8;
  /** Suggested smallest request, logical blocks. */
  min_io_size: u16;
  /** Suggested largest request, logical blocks. */
  opt_io_size: u32;
  /** Most bytes of a request that an empty ring has room for; whole blocks. */
  request_bytes_max: u32;
  /**
   * Most segments of a request that an empty ring has room for, where each is physically contiguous and no longer than
   * `size_max`; others count as several. Fewer where blocks are split between segments.
   */
  request_segments_max: u32;
  /**
   * 1: the disk may keep in a cache what was written, until FLUSH; 0: what has completed is on stable storage. A disk
   * that was found writing through stays so, unless `block_set_writeback` says otherwise.
   */
  writeback: u32;
  /**
   * Most sectors of a DISCARD that the device takes at once, and ranges; the stack splits larger requests. 0xffffffff: no
   * limit; 0: it has no such operation, or the build leaves it out.
   */
  max_discard_sectors: u32;
  max_discard_seg: u32;
  /** Sectors: where ranges are best cut. 1 where the device states nothing, 0 without DISCARD. */
  discard_sector_alignment: u32;
  /** The same for WRITE_ZEROES. */
  max_write_zeroes_sectors: u32;
  max_write_zeroes_seg: u32;
  /** 1: UNMAP may give up storage. As last reported by the device. */
  write_zeroes_may_unmap: u32;
  /** The same for SECURE_ERASE. */
  max_secure_erase_sectors: u32;
  max_secure_erase_seg: u32;
  secure_erase_sector_alignment: u32;
}

/** Counters of a disk since it was opened; a reset keeps them. */
@unmanaged
export class BlockStatistics {
  /** Requests completed with OK, by operation; other operations count nowhere else than in `requests`. */
  reads: u64;
  writes: u64;
  flushes: u64;
  /** Requests accepted. */
  requests: u64;
  bytes_read: u64;
  bytes_written: u64;
  /** Requests completed with an error, resets included. */
  errors: u64;
  /** Requests that `block_submit` refused, E_FULL excluded. */
  refused: u64;
  /** Writes to the notification register. */
  notifications: u64;
  /** Interrupts that were this device's. */
  interrupts: u64;
  resets: u64;
}
