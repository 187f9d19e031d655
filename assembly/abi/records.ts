/**
 * The records that cross the module's boundary, as they lie in linear memory.
 *
 * Little-endian, fields in the order given, each at the next multiple of its own size; a record's size is rounded
 * up to its largest field. Arrays of records follow each other without gaps. Records belong to the caller: the
 * stack reads and writes them during a call and keeps no pointer to them.
 *
 * The TypeScript bindings and the C header are generated from this file, comments included.
 */

/** One PCI function, as `pci_scan` found it. [PCI 3.0 §6.1] */
@unmanaged
export class PciFunction {
  /** bus × 256 + device × 8 + function: names the function in every other call. */
  address: u32;
  vendor_id: u16;
  device_id: u16;
  /** class × 65536 + subclass × 256 + programming interface. */
  class_code: u32;
  revision_id: u8;
  /** Without the multi-function bit: 0 device, 1 PCI-to-PCI bridge, 2 CardBus bridge. */
  header_type: u8;
  /** Header type 0 only, otherwise 0. */
  subsystem_vendor_id: u16;
  /** Header type 0 only, otherwise 0. */
  subsystem_id: u16;
  /** What the firmware wrote there; 0xff: not connected. */
  interrupt_line: u8;
  /** 0 none, 1 to 4 for INTA# to INTD#. */
  interrupt_pin: u8;
  command: u16;
  status: u16;
  /** Base address registers as they read, type bits included; a bridge has two, a device six. */
  bar0: u32;
  bar1: u32;
  bar2: u32;
  bar3: u32;
  bar4: u32;
  bar5: u32;
  /** For a bridge, the bus behind it; 0 when nobody has numbered it. */
  secondary_bus: u8;
  /** For a bridge, the highest bus number behind it. */
  subordinate_bus: u8;
  /** The virtio device type (1 net, 2 block, …), 0 when this is no virtio device. [virtio-1.2 §4.1.2, §5] */
  virtio_type: u8;
  /** 1 when the device has the legacy interface that this stack drives. */
  virtio_legacy: u8;
}

/** One base address register, sized. [PCI 3.0 §6.2.5] */
@unmanaged
export class PciBar {
  /** Physical base address, or port; 0 when not assigned. */
  base: u64;
  /** Bytes; 0 when the register does not exist. */
  size: u64;
  /** 1 for ports, 0 for memory. */
  is_io: u8;
  /** 1 when this register and the next form one 64-bit address. */
  is_64bit: u8;
  is_prefetchable: u8;
}

/** One entry of a function's capability list. [PCI 3.0 §6.7] */
@unmanaged
export class PciCapability {
  id: u8;
  /** Where it lies in configuration space. */
  offset: u8;
  /** The two bytes behind id and link. */
  value: u16;
}

/**
 * What the kernel grants to BARs and bridges that firmware left unassigned. `pci_assign` moves `*_next` on; 0 there
 * means that nothing was granted, or that all of it is used.
 */
@unmanaged
export class PciRanges {
  /** First free port. */
  io_next: u32;
  /** Port behind the last one granted. */
  io_end: u32;
  /** First free address of 32-bit memory space. */
  memory_next: u32;
  /** Last address granted, included. */
  memory_last: u32;
}

/** A stretch of device-reachable memory. */
@unmanaged
export class Segment {
  pointer: u32;
  /** Bytes, at least 1. */
  length: u32;
}

/** What became of one submitted request or transmitted frame. */
@unmanaged
export class Completion {
  /** As the caller gave it. */
  token: u64;
  /** OK or a negative `Result`. */
  result: i32;
  /** Bytes of payload moved; 0 on errors. */
  length: u32;
}

/** What is in a slot for memory-mapped devices. [virtio-1.2 §4.2.2] */
@unmanaged
export class MmioIdentity {
  /** The virtio device type (1 net, 2 block, …). */
  type: u32;
  /** 1: legacy; 2. */
  version: u32;
  vendor: u32;
}

/** Where a function's MSI-X table is, which the kernel programs. [PCI 3.0 §6.8.2] */
@unmanaged
export class PciMsix {
  /** Entries of the table, 16 bytes each. */
  vectors: u32;
  /** Base address register that the table lies behind, and the offset there. */
  table_bar: u32;
  table_offset: u32;
  /** The same for the pending bits. */
  pending_bar: u32;
  pending_offset: u32;
}

/** How to open a device of any type: what the option record of each begins with. */
@unmanaged
export class DeviceOptions {
  /**
   * The optional features that may be accepted; a feature whose bit is 0 is refused even if offered. ACCESS_PLATFORM
   * (bit 33) says that the addresses which `dma_address` answers are bus addresses.
   */
  features: u64;
  /** Nanoseconds that a request may take; 0: any time. */
  timeout_ns: u64;
  /** MMIO only: physical address of the registers. */
  mmio_base: u64;
  /** MMIO only: how many bytes of registers there are. */
  mmio_bytes: u32;
  /** One of `TransportWanted`. */
  transport: u32;
  /** MSI-X vectors that the kernel has programmed, from the first entry of the table on; 0: the interrupt pin. */
  vectors: u32;
  /** Most entries of a queue, where the device leaves that to the driver; 0: as many as the device can have. */
  queue_size_max: u32;
}

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

/** Operations of a `BlockRequest`. [virtio-1.2 §5.2.6] */
export const enum BlockOperation {
  /** VIRTIO_BLK_T_IN: read sectors into the segments. */
  READ = 0,
  /** VIRTIO_BLK_T_OUT: write the segments to sectors. */
  WRITE = 1,
  /** VIRTIO_BLK_T_FLUSH: what was completed before reaches stable storage. No segments. */
  FLUSH = 4,
  /** VIRTIO_BLK_T_GET_ID: the serial number into exactly one segment of 20 bytes. */
  GET_ID = 8,
}

/** One request to a disk. */
@unmanaged
export class BlockRequest {
  /** Comes back in the completion. */
  token: u64;
  /** First sector of 512 bytes, whatever the block size; READ and WRITE only. */
  sector: u64;
  /** One of `BlockOperation`. */
  operation: u32;
  /** Address in linear memory of an array of `Segment`, read during the call only. */
  segments: u32;
  segment_count: u32;
  /** Written by the stack: OK when accepted, otherwise why the request was refused. */
  result: i32;
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
   * that was found writing through stays so.
   */
  writeback: u32;
}

/** Counters of a disk since it was opened; a reset keeps them. */
@unmanaged
export class BlockStatistics {
  /** Requests completed with OK, by operation (GET_ID counts nowhere else than in `requests`). */
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

/** How to open a network card. A null pointer in its place means all features and defaults. */
@unmanaged
export class NetOptions {
  /** These are the fields of `DeviceOptions`. The optional features that may be accepted; others are refused if offered. */
  features: u64;
  /**
   * Nanoseconds that sending a frame may take. When one takes longer, at most twice as long, and `net_reclaim` finds
   * nothing, the device counts as broken. 0: any time.
   */
  timeout_ns: u64;
  mmio_base: u64;
  mmio_bytes: u32;
  transport: u32;
  vectors: u32;
  queue_size_max: u32;
  /**
   * How many receive buffers to post; 0: as many as the ring holds. With MRG_RXBUF, all of them together must hold the
   * largest frame that hosts deliver, 69,632 bytes and its header: a device without room for a frame waits for ever.
   */
  receive_buffers: u32;
  /** Bytes of each, virtio-net header included, a multiple of 64; 0: 2048, or as much as the MTU and the above require. */
  receive_buffer_bytes: u32;
}

/** One Ethernet frame to send: header fields of the wire format and where the frame lies. [virtio-1.2 §5.1.6] */
@unmanaged
export class TransmitFrame {
  /** Comes back in the completion. */
  token: u64;
  /** Address in linear memory of an array of `Segment`, read during the call only. */
  segments: u32;
  segment_count: u32;
  /** VIRTIO_NET_HDR_F_*; 0 unless the matching feature was negotiated. */
  flags: u8;
  /** VIRTIO_NET_HDR_GSO_*. */
  gso_type: u8;
  hdr_len: u16;
  gso_size: u16;
  csum_start: u16;
  csum_offset: u16;
  /**
   * Bytes directly before the first segment that the stack may overwrite until completion. With at least
   * `header_bytes` of `NetInformation`, header and frame go out as one descriptor where ANY_LAYOUT
   * allows and both begin in the same page.
   */
  header_room: u16;
  /** Written by the stack: OK when accepted, otherwise why the frame was refused. */
  result: i32;
}

/**
 * One buffer of a received frame. A frame that spans k buffers takes k consecutive records, all in one call; the
 * first says k, the others 0. The bytes are the caller's until it gives the buffer back with `net_release`.
 */
@unmanaged
export class ReceivedBuffer {
  /** Pointer to the first byte of the frame in this buffer, behind the virtio-net header. */
  pointer: u32;
  /** Bytes of the frame in this buffer. */
  length: u32;
  /** Names the buffer in `net_release`. */
  buffer: u32;
  /** How many buffers the frame has, in its first record; 0 in the others. */
  buffer_count: u16;
  /** From the virtio-net header, first record only. */
  flags: u8;
  gso_type: u8;
  hdr_len: u16;
  gso_size: u16;
  csum_start: u16;
  csum_offset: u16;
}

/** A network card, as its device describes it. [virtio-1.2 §5.1.4] */
@unmanaged
export class NetInformation {
  features_offered: u64;
  features_accepted: u64;
  /** Six octets in the order of transmission, then two zeroes. */
  mac: u64;
  /** 1 when the device has no address of its own, and the stack made up a locally administered one. */
  mac_is_generated: u32;
  /** 1 up, 0 down; always 1 when the device does not report it. */
  link_up: u32;
  /** Largest payload of a frame, bytes, Ethernet header not counted. */
  mtu: u32;
  /** 10 or 12. */
  header_bytes: u32;
  receive_queue_size: u32;
  transmit_queue_size: u32;
  receive_buffers: u32;
  receive_buffer_bytes: u32;
  /** Most buffers that one received frame can have: give `net_receive` at least that many records. */
  buffers_per_frame_max: u32;
}

/** Counters of a network card since it was opened; a reset keeps them. */
@unmanaged
export class NetStatistics {
  frames_transmitted: u64;
  bytes_transmitted: u64;
  frames_received: u64;
  bytes_received: u64;
  /** Frames accepted for transmission that a reset caught in flight. */
  transmit_errors: u64;
  /** Frames that `net_transmit` refused, E_FULL excluded. */
  transmit_refused: u64;
  /** Times that `net_transmit` found no room. */
  transmit_full: u64;
  /** Received frames dropped because their length made no sense, or because they were larger than any frame can be. */
  receive_errors: u64;
  transmit_notifications: u64;
  receive_notifications: u64;
  /** Interrupts that were this device's. */
  interrupts: u64;
  resets: u64;
  /** Received frames that a reset threw away, or `close`, before `net_receive` handed them out. */
  receive_discarded: u64;
}
