/** The records of the generic device. `abi/records.ts` says how records lie in memory. */

/** How to open a device of a type that the stack has no driver for. */
@unmanaged
export class GenericOptions {
  /**
   * These are the fields of `DeviceOptions`. The optional features that may be accepted; others are refused if offered. Of
   * the bits that belong to the device type (0 to 23, and from 50 on), name those that the caller knows how to deal with.
   * Of the others, the stack accepts ANY_LAYOUT, EVENT_IDX, VERSION_1 and ACCESS_PLATFORM only.
   */
  features: u64;
  /**
   * Nanoseconds that a chain may take, in any queue. When one takes longer, at most twice as long, and `generic_poll`
   * finds nothing in its queue, the device counts as broken. 0: any time, for devices that keep buffers until something
   * happens.
   */
  timeout_ns: u64;
  mmio_base: u64;
  mmio_bytes: u32;
  transport: u32;
  vectors: u32;
  queue_size_max: u32;
  /** The virtio device type that must be there, as `PciFunction.virtio_type` or `MmioIdentity.type`; not 0. */
  type: u32;
  /** How many queues are used, 1 to 65535: those with the numbers from 0 on, all of which the device must have. */
  queue_count: u32;
}

/**
 * A chain of buffers for a queue. `readable` segments that the device reads come first, then `writable` segments that it
 * writes; together they are at least one.
 */
@unmanaged
export class GenericChain {
  /** Comes back in the completion. */
  token: u64;
  /** Address in linear memory of an array of `Segment`, read during the call only. */
  segments: u32;
  readable: u32;
  writable: u32;
  /** Written by the stack: OK when accepted, otherwise why the chain was refused. */
  result: i32;
}

/** Any open device: how it is reached, and what was agreed with it. */
@unmanaged
export class DeviceInformation {
  features_offered: u64;
  features_accepted: u64;
  /** The virtio device type (1 net, 2 block, …). */
  type: u32;
  /** One of `Transport`; NONE once the device was closed. */
  transport: u32;
  /** MSI-X vectors in use; 0: interrupts come by the interrupt pin, or that of the memory-mapped device. */
  vectors: u32;
  /** Queues in use. */
  queue_count: u32;
}
