/** The records of virtio-net. `abi/records.ts` says how records lie in memory. */

/** How to open a network card. A null pointer in its place means all features but those of `ReceiveOffload`, and defaults. */
@unmanaged
export class NetOptions {
  /**
   * These are the fields of `DeviceOptions`. The optional features that may be accepted; others are refused if offered.
   * Those of `ReceiveOffload` change what `net_receive` hands out: a caller that does not expect it leaves them out.
   */
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
   * Where each must hold an unsegmented frame, 0 means 32 at most.
   */
  receive_buffers: u32;
  /**
   * Bytes of each, virtio-net header included, a multiple of 64; 0: 2048, or as much as the MTU and the above require.
   * Without MRG_RXBUF, and with a feature of `ReceiveOffload` beside GUEST_CSUM, at least 65,664.
   */
  receive_buffer_bytes: u32;
  /** 1: put aside what `net_debug_transmit` and `net_debug_receive` need; 0: they are E_UNSUPPORTED. */
  debug: u32;
  /** Makes the record a multiple of 8 bytes. */
  padding: u32;
}

/** Bits of `flags` in the virtio-net header. [virtio-1.2 §5.1.6] */
export const enum NetHeaderFlag {
  /**
   * The checksum field holds the sum of the pseudo header. Whoever sends the frame on adds everything from csum_start to
   * the end, and stores the complement at csum_start + csum_offset. A received frame is intact: do not verify it.
   */
  NEEDS_CSUM = 1,
  /** Received frames only: the device has verified the checksum. */
  DATA_VALID = 2,
}

/** `gso_type` in the virtio-net header: into what a large frame is cut. [virtio-1.2 §5.1.6] */
export const enum NetSegmentation {
  NONE = 0,
  TCPV4 = 1,
  /** Fragments of IP. */
  UDP = 3,
  TCPV6 = 4,
  /** Datagrams; frames to send only. */
  UDP_L4 = 5,
  /** Added to TCPV4 and TCPV6: the sender reports congestion (CWR), which only the first segment shall say. */
  ECN = 128,
}

/**
 * Features that change what `net_receive` hands out, and are accepted only if `NetOptions.features` names them. All but
 * GUEST_CSUM need that one, too, and GUEST_ECN one of GUEST_TSO4 and GUEST_TSO6. [virtio-1.2 §5.1.3.1]
 */
export const enum ReceiveOffload {
  /** Frames may come with DATA_VALID or NEEDS_CSUM. */
  GUEST_CSUM = 2,
  /** Unsegmented TCPV4 frames of up to 64 KiB may come. */
  GUEST_TSO4 = 128,
  GUEST_TSO6 = 256,
  GUEST_ECN = 512,
  GUEST_UFO = 1024,
}

/**
 * One Ethernet frame to send: header fields of the wire format and where the frame lies. [virtio-1.2 §5.1.6]
 *
 * The header fields are 0 in a frame that the device shall send as it is. Otherwise:
 *
 * - E_UNSUPPORTED refuses a flag or segmentation whose feature was not accepted: CSUM for NEEDS_CSUM, HOST_TSO4, HOST_TSO6,
 *   HOST_UFO, HOST_USO for segmentation, HOST_ECN for ECN
 * - E_ARGUMENT refuses fields that contradict each other or the frame: any without NEEDS_CSUM, where CSUM was accepted; a checksum beyond the frame's
 *   end; hdr_len beyond it; gso_size without segmentation, and segmentation without gso_size
 * - a frame to be segmented may have up to 65,593 bytes, whatever the MTU
 */
@unmanaged
export class TransmitFrame {
  /** Comes back in the completion. */
  token: u64;
  /** Address in linear memory of an array of `Segment`, read during the call only. */
  segments: u32;
  segment_count: u32;
  /** 0 or NEEDS_CSUM of `NetHeaderFlag`. */
  flags: u8;
  /** One of `NetSegmentation`, with or without ECN. */
  gso_type: u8;
  /** Bytes of all headers up to and including the transport's, or more: a hint. */
  hdr_len: u16;
  /** Payload of each segment, bytes. */
  gso_size: u16;
  /** Where the device begins to sum, from the frame's first byte. */
  csum_start: u16;
  /** Where the checksum goes, from csum_start. */
  csum_offset: u16;
  /**
   * Bytes directly before the first segment that the stack may overwrite, until completion, or when it refuses the frame.
   * With at least `header_bytes` of `NetInformation`, header and frame go out as one descriptor where ANY_LAYOUT allows and
   * both begin in the same page.
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
  /** Pointer to the first byte of the frame in this buffer, after the virtio-net header. */
  pointer: u32;
  /** Bytes of the frame in this buffer. */
  length: u32;
  /** Names the buffer in `net_release`. */
  buffer: u32;
  /** How many buffers the frame has, in its first record; 0 in the others. */
  buffer_count: u16;
  /**
   * The fields from here on are in the first record only, and 0 unless a feature of `ReceiveOffload` was accepted. They fit
   * each other and the frame: a frame with others is dropped. Bits of `NetHeaderFlag`.
   */
  flags: u8;
  /** One of `NetSegmentation`, with or without ECN. */
  gso_type: u8;
  /** Only with segmentation: what the device says of the headers' length, a hint; 0 where it makes no sense. */
  hdr_len: u16;
  /** Only with segmentation: payload of each segment, bytes, at least 1. */
  gso_size: u16;
  /** These two only with NEEDS_CSUM. */
  csum_start: u16;
  csum_offset: u16;
}

/** A network card, as its device describes it. [virtio-1.2 §5.1.4] */
@unmanaged
export class NetInformation {
  features_offered: u64;
  features_accepted: u64;
  /** Six octets in the order of transmission, then two zeroes. `net_set_mac` changes it. */
  mac: u64;
  /** 1 when the device has no address of its own, and the stack made up a locally administered one. */
  mac_is_generated: u32;
  /** 1 up, 0 down; always 1 when the device does not report it. */
  link_up: u32;
  /** Largest payload of a frame, bytes, Ethernet header not counted. It stays until a reset. */
  mtu: u32;
  /** 10 or 12. */
  header_bytes: u32;
  receive_queue_size: u32;
  transmit_queue_size: u32;
  receive_buffers: u32;
  receive_buffer_bytes: u32;
  /** Most buffers that one received frame can have: give `net_receive` at least that many records. */
  buffers_per_frame_max: u32;
  /** Megabits a second; 0xffffffff: unknown. A build without `net-control` leaves this and the next one as they are. */
  speed: u32;
  /** 0 half, 1 full, 0xff unknown. */
  duplex: u32;
}

/** What `net_set_receive_mode` switches. PROMISC outdoes all others, and each NO what the others let in. [virtio-1.2 §5.1.6.5.1] */
export const enum ReceiveMode {
  /** All frames; on until it is switched off. Needs CTRL_RX. */
  PROMISC = 0,
  /** All frames to groups. Needs CTRL_RX. */
  ALLMULTI = 1,
  /** All frames to single stations. This and what follows needs CTRL_RX_EXTRA. */
  ALLUNI = 2,
  /** No frames to groups, apart from broadcasts. */
  NOMULTI = 3,
  /** No frames to single stations. */
  NOUNI = 4,
  /** No broadcasts. */
  NOBCAST = 5,
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
  /**
   * Received frames dropped because their length or their header made no sense, or because they were larger than any frame
   * can be.
   */
  receive_errors: u64;
  transmit_notifications: u64;
  receive_notifications: u64;
  /** Interrupts that were this device's. */
  interrupts: u64;
  resets: u64;
  /** Received frames that a reset threw away, or `close`, before `net_receive` handed them out. */
  receive_discarded: u64;
}
