/** The records of virtio-entropy. `abi/records.ts` says how records lie in memory. */

/** How to open an entropy device. A null pointer in its place means all features and defaults. */
@unmanaged
export class EntropyOptions {
  /** These are the fields of `DeviceOptions`. The optional features that may be accepted; others are refused if offered. */
  features: u64;
  /**
   * Nanoseconds that a request may take. When one takes longer, at most twice as long, and `entropy_poll` finds nothing,
   * the device counts as broken. 0: any time.
   */
  timeout_ns: u64;
  mmio_base: u64;
  mmio_bytes: u32;
  transport: u32;
  vectors: u32;
  queue_size_max: u32;
}

/** One request for random bytes. */
@unmanaged
export class EntropyRequest {
  /** Comes back in the completion. */
  token: u64;
  /** Where the bytes go: memory that devices reach. */
  pointer: u32;
  /** How many, at least 1. */
  length: u32;
  /** Written by the stack: OK when accepted, otherwise why the request was refused. */
  result: i32;
  /** Not used: makes the size a multiple of 8. */
  padding: u32;
}
