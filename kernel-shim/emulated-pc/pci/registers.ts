/** Offsets and bits of PCI configuration space. [PCI 3.0 §6.1, §6.2; PCI-to-PCI Bridge 1.2 §3.2] */

export const VENDOR_ID = 0x00;
export const DEVICE_ID = 0x02;
export const COMMAND = 0x04;
export const STATUS = 0x06;
export const REVISION_ID = 0x08;
export const CLASS_CODE = 0x09;
export const HEADER_TYPE = 0x0e;
export const BASE_ADDRESS = 0x10;
export const SUBSYSTEM_VENDOR_ID = 0x2c;
export const SUBSYSTEM_ID = 0x2e;
export const EXPANSION_ROM = 0x30;
export const CAPABILITIES_POINTER = 0x34;
export const INTERRUPT_LINE = 0x3c;
export const INTERRUPT_PIN = 0x3d;
/** Bytes of the header; capabilities lie behind it. */
export const HEADER_BYTES = 0x40;

// Header type 1.
export const PRIMARY_BUS = 0x18;
export const SECONDARY_BUS = 0x19;
export const SUBORDINATE_BUS = 0x1a;
export const IO_BASE = 0x1c;
export const IO_LIMIT = 0x1d;
export const MEMORY_BASE = 0x20;
export const MEMORY_LIMIT = 0x22;
export const PREFETCHABLE_BASE = 0x24;
export const PREFETCHABLE_LIMIT = 0x26;
export const BRIDGE_CONTROL = 0x3e;

export const COMMAND_IO = 0x0001;
export const COMMAND_MEMORY = 0x0002;
export const COMMAND_BUS_MASTER = 0x0004;
export const COMMAND_INTX_DISABLE = 0x0400;
/** I/O, memory, bus master, parity, SERR#, INTx disable: what a driver can change. */
export const COMMAND_WRITABLE = 0x0547;
export const STATUS_INTERRUPT = 0x0008;
export const STATUS_CAPABILITIES = 0x0010;
/** Error bits, cleared by writing ones. */
export const STATUS_CLEARABLE = 0xf900;
export const MULTI_FUNCTION = 0x80;

export const CAPABILITY_VENDOR = 0x09;
export const CAPABILITY_EXPRESS = 0x10;
export const CAPABILITY_MSIX = 0x11;
