/**
 * Registers of PCI configuration space and their bits, under the specifications' names.
 * [PCI 3.0 §6.1, §6.2] [PCI-to-PCI Bridge 1.2 §3.2]
 */

/** Offsets in configuration space. */
export const enum Register {
  /** 16 bits; the Device ID is the upper half of the same doubleword. 0xffff: nothing there. */
  VENDOR_ID = 0x00,
  COMMAND = 0x04,
  /** 8 bits; the 24 bits above it are the Class Code. */
  REVISION_ID = 0x08,
  /** The highest of the three bytes of the Class Code. */
  BASE_CLASS = 0x0b,
  /** 8 bits; the Header Type is the third byte of this doubleword. */
  CACHE_LINE_SIZE = 0x0c,
  HEADER_TYPE = 0x0e,
  BASE_ADDRESS_0 = 0x10,
  /** 8 bits each: Interrupt Line, Interrupt Pin. */
  INTERRUPT_LINE = 0x3c,

  // Header type 0: a device.
  /** 16 bits; the Subsystem ID is the upper half of the same doubleword. */
  SUBSYSTEM_VENDOR_ID = 0x2c,
  SUBSYSTEM_ID = 0x2e,
  /** The same place in header type 1. */
  CAPABILITIES_POINTER = 0x34,

  // Header type 1: a PCI-to-PCI bridge.
  /** 8 bits each: Primary, Secondary, Subordinate Bus Number, Secondary Latency Timer. */
  PRIMARY_BUS_NUMBER = 0x18,
  SECONDARY_BUS_NUMBER = 0x19,
  SUBORDINATE_BUS_NUMBER = 0x1a,
  /** 8 bits each: I/O Base, I/O Limit. The Secondary Status above them is cleared by writing ones. */
  IO_BASE = 0x1c,
  /** 16 bits each: Memory Base, Memory Limit. */
  MEMORY_BASE = 0x20,
  /** 16 bits each: Prefetchable Memory Base, Prefetchable Memory Limit. */
  PREFETCHABLE_MEMORY_BASE = 0x24,
  PREFETCHABLE_BASE_UPPER_32_BITS = 0x28,
  PREFETCHABLE_LIMIT_UPPER_32_BITS = 0x2c,
  /** 16 bits each: I/O Base Upper 16 Bits, I/O Limit Upper 16 Bits. */
  IO_BASE_UPPER_16_BITS = 0x30,
}

/** Bits of the command register. [PCI 3.0 §6.2.2] */
export const enum Command {
  IO_SPACE = 0x0001,
  MEMORY_SPACE = 0x0002,
  BUS_MASTER = 0x0004,
  INTERRUPT_DISABLE = 0x0400,
}

/** Bits of the status register. [PCI 3.0 §6.2.3] */
export const enum Status {
  CAPABILITIES_LIST = 0x0010,
}

/** The header type register. [PCI 3.0 §6.2.1] */
export const enum HeaderType {
  DEVICE = 0,
  BRIDGE = 1,
  /** The bits that hold one of the above. */
  LAYOUT = 0x7f,
  MULTI_FUNCTION = 0x80,
}

/** Bits of a base address register. [PCI 3.0 §6.2.5.1] */
export const enum BaseAddress {
  IO_SPACE = 0x1,
  /** Reserved in ports; in memory, set in the types that mean nothing any more. */
  RESERVED = 0x2,
  /** Memory only: this register and the next form one address. */
  TYPE_64_BIT = 0x4,
  PREFETCHABLE = 0x8,
  /** What is no address in a register for ports. */
  IO_FLAGS = 0x3,
  /** What is no address in a register for memory. */
  MEMORY_FLAGS = 0xf,
}

/** Capability IDs, and what this stack touches of a capability. [PCI 3.0 §6.8.2, appendix H] */
export const enum Capability {
  /** What it is, its vendor decides. */
  VENDOR_SPECIFIC = 0x09,
  MSI_X = 0x11,
  /** Where the Message Control register of MSI-X lies in the capability. */
  MSI_X_MESSAGE_CONTROL = 0x02,
  MSI_X_ENABLE = 0x8000,
  MSI_X_FUNCTION_MASK = 0x4000,
  /** In Message Control: number of the last entry of the table. */
  MSI_X_TABLE_SIZE = 0x07ff,
  /** 32 bits each, the lowest three of which name a base address register, the others an offset from there. */
  MSI_X_TABLE = 0x04,
  MSI_X_PENDING_BITS = 0x08,
  MSI_X_BAR = 0x07,
}
