/** The records of virtio-entropy. `abi/records.ts` says how records lie in memory. */

/** How to open an entropy device. A null pointer in its place means all features and defaults. */
@unmanaged
export class EntropyOptions {
  /** The optional features that may be accepted; a feature whose bit is 0 is refused even if offered. */
  features: u64;
  /**
   * Nanoseconds that a request may take. When one takes longer, at most twice as long, and `entropy_poll` finds nothing,
   * the device counts as broken. 0: any time.
   */
  timeout_ns: u64;
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
