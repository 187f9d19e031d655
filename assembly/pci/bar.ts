/** Base address registers: where a function's ports and memory lie, and how much of them there is. [PCI 3.0 §6.2.5] */
import { PciBar } from "../abi/records";
import { Result } from "../abi/results";
import { checkRecords } from "../memory/records";
import { functionExists, readPci16, readPci32, readPci8, writePci16, writePci32 } from "./configuration-space";
import { BaseAddress, Command, HeaderType, Register } from "./registers";

/**
 * What `findBar` or `sizeBar` found last. Written by this file only.
 *
 * Base: physical address, or port; 0 when not assigned. Size: bytes; 0 when the register does not exist.
 */
export let barBase: u64 = 0;
export let barSize: u64 = 0;
export let barIsIo: bool = false;
export let barIs64Bit: bool = false;
let barIsPrefetchable: bool = false;

/** What a size is computed from when the register has fewer bits than it. */
const UPPER_32_BITS: u64 = 0xffff_ffff_0000_0000;
const UPPER_48_BITS: u64 = 0xffff_ffff_ffff_0000;

/**
 * Sizes one base address register. The function does not answer to its addresses during the call; afterwards all its
 * registers are as they were.
 *
 * @param address PCI address of the function
 * @param index 0 to 5, in a bridge 0 to 1
 * @param record address of a PciBar to be filled; its size is 0 when the register does not exist, is the upper half
 *   of a 64-bit one, or answers nonsense
 * @returns OK; E_ARGUMENT for an index or record that cannot be; E_NOT_FOUND
 */
export function pci_bar(address: u32, index: u32, record: u32): i32 {
  if (!checkRecords(record, 1, offsetof<PciBar>())) return Result.E_ARGUMENT;
  const result = findBar(address, index);
  if (result != Result.OK) return result;
  memory.fill(record, 0, offsetof<PciBar>());
  const bar = changetype<PciBar>(record);
  bar.base = barBase;
  bar.size = barSize;
  bar.is_io = <u8>barIsIo;
  bar.is_64bit = <u8>barIs64Bit;
  bar.is_prefetchable = <u8>barIsPrefetchable;
  return Result.OK;
}

/** The same for use within the stack: what it finds is in the variables above. */
export function findBar(address: u32, index: u32): i32 {
  if (!functionExists(address)) return Result.E_NOT_FOUND;
  const count = barCount(readPci8(address, Register.HEADER_TYPE) & HeaderType.LAYOUT);
  if (index >= count) return Result.E_ARGUMENT;
  let first: u32 = 0;
  while (first < index) first += is64Bit(readPci32(address, barRegister(first))) ? 2 : 1;
  if (first == index) sizeBar(address, index, count);
  else setBar(0, 0, false, false, false);
  return Result.OK;
}

/** How many base address registers a function with this header layout has. Those of CardBus are not looked at. */
export function barCount(layout: u32): u32 {
  return layout == HeaderType.DEVICE ? 6 : layout == HeaderType.BRIDGE ? 2 : 0;
}

/** Offset of base address register `index`. */
export function barRegister(index: u32): u32 {
  return Register.BASE_ADDRESS_0 + index * 4;
}

/** Whether a base address register that reads `value` forms one address with the next. */
export function is64Bit(value: u32): bool {
  return (value & (BaseAddress.IO_SPACE | BaseAddress.RESERVED | BaseAddress.TYPE_64_BIT)) == BaseAddress.TYPE_64_BIT;
}

/** Where base address register `index` leads: port or physical address. Writes nothing. */
export function readBase(address: u32, index: u32): u64 {
  const low = readPci32(address, barRegister(index));
  if (low & BaseAddress.IO_SPACE) return low & ~BaseAddress.IO_FLAGS;
  const high = is64Bit(low) ? readPci32(address, barRegister(index + 1)) : 0;
  return ((<u64>high) << 32) | (low & ~BaseAddress.MEMORY_FLAGS);
}

/**
 * Sizes base address register `index` of the `count` that the function at `address` has, which is not the upper half
 * of a 64-bit one. [PCI 3.0 §6.2.5.1 implementation note]
 *
 * A size is believed if it is a power of two and the type bits kept still: then it is 4 or more for ports, 16 or
 * more for memory, and the base is a multiple of it. Otherwise size and base are 0.
 */
export function sizeBar(address: u32, index: u32, count: u32): void {
  const register = barRegister(index);
  // While ones stand in the register, the function must not answer at that address.
  const command = readPci16(address, Register.COMMAND);
  writePci16(address, Register.COMMAND, command & ~(Command.IO_SPACE | Command.MEMORY_SPACE));

  const low = readPci32(address, register);
  const lowMask = writableBits(address, register, low);
  const isIo = (low & BaseAddress.IO_SPACE) != 0;
  const flags: u32 = isIo ? BaseAddress.IO_FLAGS : BaseAddress.MEMORY_FLAGS;
  let base: u64 = low;
  let mask: u64 = lowMask & ~flags;
  let valid = (low & BaseAddress.RESERVED) == 0 && ((low ^ lowMask) & flags) == 0;
  const wide = is64Bit(low);
  if (!wide) {
    valid = valid && mask != 0;
    // A device for machines with 16-bit ports may leave out the upper half.
    mask |= isIo && mask >> 16 == 0 ? UPPER_48_BITS : UPPER_32_BITS;
  } else if (index + 1 < count) {
    const high = readPci32(address, register + 4);
    base |= (<u64>high) << 32;
    mask |= (<u64>writableBits(address, register + 4, high)) << 32;
  } else {
    valid = false;
  }

  writePci16(address, Register.COMMAND, command);

  const size = 0 - mask;
  valid = valid && (size & (size - 1)) == 0;
  setBar(valid ? base & mask : 0, valid ? size : 0, isIo, wide, !isIo && (low & BaseAddress.PREFETCHABLE) != 0);
}

function setBar(base: u64, size: u64, isIo: bool, is64Bit: bool, isPrefetchable: bool): void {
  barBase = base;
  barSize = size;
  barIsIo = isIo;
  barIs64Bit = is64Bit;
  barIsPrefetchable = isPrefetchable;
}

/** What a base address register reads after ones were written; then it has its `original` value again. */
function writableBits(address: u32, register: u32, original: u32): u32 {
  writePci32(address, register, 0xffff_ffff);
  const bits = readPci32(address, register);
  writePci32(address, register, original);
  return bits;
}
