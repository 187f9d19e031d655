/** Which PCI functions are virtio devices, of which type, and with which interface. [virtio-1.2 §4.1.2] */
import { functionExists, readPci16, readPci32, readPci8 } from "../../pci/configuration-space";
import { BaseAddress, Register } from "../../pci/registers";

const VENDOR: u32 = 0x1af4;
/** First of the 64 device ids of legacy and transitional devices, whose type is the subsystem id. */
const TRANSITIONAL: u32 = 0x1000;
/** First of the 64 device ids of modern devices: this + type. */
const MODERN: u32 = 0x1040;
const IDS: u32 = 64;

/**
 * The virtio device type, 0 for none.
 *
 * @param identity the doubleword at VENDOR_ID
 * @param revision REVISION_ID; 0 in every device with a legacy interface [virtio-1.2 §4.1.2.3]
 * @param subsystem SUBSYSTEM_ID
 */
export function virtioType(identity: u32, revision: u32, subsystem: u32): u32 {
  if ((identity & 0xffff) != VENDOR) return 0;
  const device = identity >> 16;
  // Unsigned: an id below the first makes a large number.
  if (device - MODERN < IDS) return device - MODERN;
  return device - TRANSITIONAL < IDS && revision == 0 && subsystem <= 0xff ? subsystem : 0;
}

/**
 * Whether a function with a virtio type has the legacy registers: a transitional id, and ports behind BAR 0.
 *
 * @param identity the doubleword at VENDOR_ID
 * @param bar0 BASE_ADDRESS_0 as it reads
 */
export function hasLegacyInterface(identity: u32, bar0: u32): bool {
  return identity >> 16 < MODERN && (bar0 & BaseAddress.IO_FLAGS) == BaseAddress.IO_SPACE;
}

/** The type of the virtio device at `address`, 0 when there is none or it lacks the legacy interface. */
export function identifyLegacy(address: u32): u32 {
  if (!functionExists(address)) return 0;
  const identity = readPci32(address, Register.VENDOR_ID);
  if (!hasLegacyInterface(identity, readPci32(address, Register.BASE_ADDRESS_0))) return 0;
  return typeOf(address, identity);
}

/** The type of the virtio device at `address`, whatever interface it has; 0 when there is none. */
export function identifyVirtio(address: u32): u32 {
  return functionExists(address) ? typeOf(address, readPci32(address, Register.VENDOR_ID)) : 0;
}

function typeOf(address: u32, identity: u32): u32 {
  return virtioType(identity, readPci8(address, Register.REVISION_ID), readPci16(address, Register.SUBSYSTEM_ID));
}
