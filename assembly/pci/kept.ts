/**
 * What a function and the bridges above it need to be reached again after the machine has forgotten their configuration, as
 * it does in S3. [PCI 3.0 §6.1] [PCI-to-PCI Bridge 1.2 §3.2]
 *
 * The headers are kept in a list in private memory, the bridge on bus 0 first: what is behind a bridge answers only after
 * the bridge has its bus numbers again.
 */
import { allocatePrivate, freePrivate } from "../memory/arena";
import { readPci32, readPci8, writePci16, writePci32 } from "./configuration-space";
import { Command, HeaderType, Register } from "./registers";
import { bridgeTo, enterBus, firstFunction, isBridge, nextFunction, NO_FUNCTION } from "./walk";

/** A link to the next one, 0 in the last, the function's address, and a copy of its header. */
const ADDRESS: usize = 4;
const HEADER: usize = 8;
const HEADER_BYTES: u32 = 64;

/** What lets a function be reached, and reach others. */
const ACTIVE: u32 = Command.IO_SPACE | Command.MEMORY_SPACE | Command.BUS_MASTER;

/** Behind the last base address register of a device. */
const BASE_ADDRESSES_END: u32 = 0x28;
/** In the doubleword of a bridge's bus numbers. */
const SECONDARY_BUS: u32 = 0xff00;

/** Keeps the way to a function, and the function. Returns the list, 0 without memory for it. */
export function keepWayTo(address: u32): u32 {
  for (let at = firstFunction(); at != NO_FUNCTION; at = nextFunction()) {
    if (isBridge()) enterBus(at, readPci8(at, Register.SECONDARY_BUS_NUMBER));
  }
  let first: u32 = 0;
  while (true) {
    const kept = allocatePrivate(<u32>HEADER + HEADER_BYTES);
    if (kept == 0) {
      forgetKept(first);
      return 0;
    }
    store<u32>(kept, first);
    store<u32>(kept, address, ADDRESS);
    for (let offset: u32 = 0; offset < HEADER_BYTES; offset += 4) {
      store<u32>(kept + offset, readPci32(address, offset), HEADER);
    }
    first = kept;
    const bus = address >> 8;
    if (bus == 0) return first;
    address = bridgeTo(bus);
  }
}

/** Gives the list back. */
export function forgetKept(first: u32): void {
  while (first != 0) {
    const next = load<u32>(first);
    freePrivate(first);
    first = next;
  }
}

/**
 * Writes back what was kept, where it is lost: in bridges without their bus numbers, and in the function if a base address
 * is another one. The function then answers at its addresses again, without access to memory.
 *
 * @returns false, having written nothing to it, when another function or none answers in the place of one
 */
export function restoreKept(first: u32): bool {
  for (let kept = first; kept != 0; kept = load<u32>(kept)) {
    const address = load<u32>(kept, ADDRESS);
    const isBridge = (load<u8>(kept, HEADER + Register.HEADER_TYPE) & HeaderType.LAYOUT) == HeaderType.BRIDGE;
    if (differs(kept, Register.VENDOR_ID) | differs(kept, Register.REVISION_ID)) return false;
    let lost: u32 = 0;
    if (isBridge) {
      // Nothing but this: windows may have grown meanwhile, with new devices behind them.
      lost = differs(kept, Register.PRIMARY_BUS_NUMBER) & SECONDARY_BUS;
    } else {
      for (let offset: u32 = Register.BASE_ADDRESS_0; offset < BASE_ADDRESSES_END; offset += 4) {
        lost |= differs(kept, offset);
      }
    }
    if (lost == 0) continue;
    const command = <u32>load<u16>(kept, HEADER + Register.COMMAND);
    // Not while it answers at the address that is written.
    writePci16(address, Register.COMMAND, command & ~ACTIVE);
    for (let offset: u32 = Register.BASE_ADDRESS_0; offset < HEADER_BYTES; offset += 4) {
      const value = load<u32>(kept + offset, HEADER);
      // The upper half of that register is the secondary status, which ones would clear.
      if (isBridge && offset == Register.IO_BASE) writePci16(address, offset, value);
      else writePci32(address, offset, value);
    }
    writePci16(address, Register.COMMAND, isBridge ? command : command & ~Command.BUS_MASTER);
  }
  return true;
}

/** The bits in which a doubleword of a header is another one than was kept. */
function differs(kept: u32, offset: u32): u32 {
  return readPci32(load<u32>(kept, ADDRESS), offset) ^ load<u32>(kept + offset, HEADER);
}
