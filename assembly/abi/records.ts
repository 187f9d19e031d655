/**
 * The records that cross the module's boundary, as they lie in linear memory.
 *
 * Little-endian, fields in the order given, each at the next multiple of its own size; a record's size is rounded
 * up to its largest field. Arrays of records follow each other without gaps. Records belong to the caller: the
 * stack reads and writes them during a call and keeps no pointer to them.
 *
 * Here are those of all devices; a driver has its own in its `abi.ts`. The TypeScript bindings and the C header are
 * generated from these files, comments included.
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
  /** The two bytes after id and link. */
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
  /** Port after the last one granted. */
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
