/**
 * PCI configuration space through configuration mechanism 1: a doubleword selects a register, a second port range is
 * the register. [PCI 3.0 §3.2.2.3.2]
 *
 * A function's address is bus × 256 + device × 8 + function, at most 0xffff; `functionExists` is what checks the
 * addresses that callers give. Reads have no side effects and go by doubleword. Writes have the width of the
 * register, because its neighbour may be one where ones clear bits.
 */
import { in16, in32, in8, out16, out32, out8 } from "../kernel";
import { Register } from "./registers";

const CONFIG_ADDRESS: u32 = 0xcf8;
const CONFIG_DATA: u32 = 0xcfc;
/** In CONFIG_ADDRESS: accesses to CONFIG_DATA are configuration cycles. */
const ENABLE: u32 = 0x8000_0000;

const LAST_ADDRESS: u32 = 0xffff;

/** Brings the register at `offset` to CONFIG_DATA and returns the port of its byte there. */
function select(address: u32, offset: u32): u32 {
  out32(CONFIG_ADDRESS, ENABLE | (address << 8) | (offset & 0xfc));
  return CONFIG_DATA + (offset & 3);
}

/** The doubleword that the byte at `offset` belongs to. All ones where there is no function. */
export function readPci32(address: u32, offset: u32): u32 {
  return in32(select(address, offset & ~3));
}

/** @param offset even */
export function readPci16(address: u32, offset: u32): u32 {
  return (readPci32(address, offset) >> ((offset & 2) << 3)) & 0xffff;
}

export function readPci8(address: u32, offset: u32): u32 {
  return (readPci32(address, offset) >> ((offset & 3) << 3)) & 0xff;
}

/** One read of exactly `width` bytes, 1, 2 or 4, for a register where reads have side effects. */
export function readExactly(address: u32, offset: u32, width: u32): u32 {
  const port = select(address, offset);
  if (width == 1) return in8(port) & 0xff;
  if (width == 2) return in16(port) & 0xffff;
  return in32(port);
}

/** @param offset a multiple of 4 */
export function writePci32(address: u32, offset: u32, value: u32): void {
  out32(select(address, offset), value);
}

/** @param offset even */
export function writePci16(address: u32, offset: u32, value: u32): void {
  out16(select(address, offset), value);
}

export function writePci8(address: u32, offset: u32, value: u32): void {
  out8(select(address, offset), value);
}

/** Whether one of the `bytes` ports from `first` on belongs to configuration mechanism 1. */
export function isConfigurationPort(first: u32, bytes: u32): bool {
  return first < CONFIG_DATA + 4 && first + bytes > CONFIG_ADDRESS;
}

/**
 * Whether the doubleword at VENDOR_ID is a function's. Nothing answers with all ones; a vendor 0 was never given out.
 * [PCI 3.0 §6.1, §6.2.1]
 */
export function identifiesFunction(identity: u32): bool {
  const vendor = identity & 0xffff;
  return vendor != 0 && vendor != 0xffff;
}

/** Whether `address`, whatever number it is, names a function that answers. */
export function functionExists(address: u32): bool {
  return address <= LAST_ADDRESS && identifiesFunction(readPci32(address, Register.VENDOR_ID));
}
