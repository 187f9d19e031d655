/**
 * What a function and the bridges above it need to be reached again after the machine has forgotten their configuration, as
 * it does in S3. [PCI 3.0 §6.1] [PCI-to-PCI Bridge 1.2 §3.2]
 *
 * The headers are kept in a list in private memory, the bridge on bus 0 first: what is behind a bridge answers only after
 * the bridge has its bus numbers again.
 */
import { allocatePrivate, freePrivate } from "../memory/arena";
import { widenWindow, windowOf, windowRegisters } from "./bridge";
import { readPci32, readPci8, writePci16, writePci32, writePci8 } from "./configuration-space";
import { changeCommand } from "./function";
import { Command, HeaderType, Register } from "./registers";
import { bridgeTo, BusMark, busIsMarked, enterBus, firstFunction, isBridge, nextFunction, NO_FUNCTION } from "./walk";

/** A link to the next one, 0 in the last, the function's address, and a copy of its header. */
const ADDRESS: usize = 4;
const HEADER: usize = 8;
const HEADER_BYTES: u32 = 64;

/** What lets a function be reached, and reach others. */
const ACTIVE: u32 = Command.IO_SPACE | Command.MEMORY_SPACE | Command.BUS_MASTER;

/** After the last base address register of a device. */
const BASE_ADDRESSES_END: u32 = 0x28;
/** In the doubleword of a bridge's bus numbers. */
const SECONDARY_BUS: u32 = 0xff00;

/**
 * Keeps the way to a function, and the function. The way begins on bus 0, or on another bus that no bridge leads to.
 *
 * @returns the list, 0 without memory for it
 */
export function keepWayTo(address: u32): u32 {
  // Without a bridge above it, there is no way to be found.
  for (let at = address >> 8 ? firstFunction() : NO_FUNCTION; at != NO_FUNCTION; at = nextFunction()) {
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
    if (bus == 0 || !busIsMarked(bus, BusMark.ENTERED)) return first;
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
 * Writes back what was kept and has been lost: the bus numbers and windows of bridges, and the base addresses of the
 * function. The function then answers at its addresses again, without access to memory.
 *
 * @returns false, having written nothing to it, when another function or none answers in the place of one
 */
export function restoreKept(first: u32): bool {
  for (let kept = first; kept != 0; kept = load<u32>(kept)) {
    if (differs(kept, Register.VENDOR_ID) | differs(kept, Register.REVISION_ID)) return false;
    const layout = (load<u8>(kept, HEADER + Register.HEADER_TYPE) ^ headerType(kept)) & HeaderType.LAYOUT;
    if (layout != 0) return false;
    if (isKeptBridge(kept)) {
      if (differs(kept, Register.PRIMARY_BUS_NUMBER) & SECONDARY_BUS) writeBack(kept, 0);
      else widen(kept);
    } else {
      if (differs(kept, Register.SUBSYSTEM_VENDOR_ID)) return false;
      let lost: u32 = 0;
      for (let offset: u32 = Register.BASE_ADDRESS_0; offset < BASE_ADDRESSES_END; offset += 4) {
        lost |= differs(kept, offset);
      }
      if (lost != 0) writeBack(kept, Command.BUS_MASTER);
    }
  }
  return true;
}

function isKeptBridge(kept: u32): bool {
  return (load<u8>(kept, HEADER + Register.HEADER_TYPE) & HeaderType.LAYOUT) == HeaderType.BRIDGE;
}

function headerType(kept: u32): u32 {
  return readPci8(load<u32>(kept, ADDRESS), Register.HEADER_TYPE);
}

/** Writes a header back, and of the command all but the bits `without`. */
function writeBack(kept: u32, without: u32): void {
  const address = load<u32>(kept, ADDRESS);
  const command = <u32>load<u16>(kept, HEADER + Register.COMMAND);
  // It must not answer while its addresses change.
  writePci16(address, Register.COMMAND, command & ~ACTIVE);
  for (let offset: u32 = Register.BASE_ADDRESS_0; offset < HEADER_BYTES; offset += 4) {
    const value = load<u32>(kept + offset, HEADER);
    // The upper half of that register is the secondary status, which ones would clear.
    if (isKeptBridge(kept) && offset == Register.IO_BASE) writePci16(address, offset, value);
    else writePci32(address, offset, value);
  }
  writePci16(address, Register.COMMAND, command & ~without);
}

/**
 * Lets a bridge that has its bus numbers pass what it let pass: another device behind it may have been resumed first, with
 * windows from before this one was plugged in.
 */
function widen(kept: u32): void {
  const bridge = load<u32>(kept, ADDRESS);
  const subordinate = load<u8>(kept, HEADER + Register.SUBORDINATE_BUS_NUMBER);
  if (readPci8(bridge, Register.SUBORDINATE_BUS_NUMBER) < <u32>subordinate) {
    writePci8(bridge, Register.SUBORDINATE_BUS_NUMBER, subordinate);
  }
  for (let isIo: u32 = 0; isIo < 2; isIo++) {
    widenWindow(bridge, isIo != 0, windowOf(load<u32>(kept + windowRegisters(isIo != 0), HEADER), isIo != 0));
  }
  const forwarding = (<u32>load<u16>(kept, HEADER + Register.COMMAND)) & ACTIVE;
  if (forwarding & ~readPci32(bridge, Register.COMMAND)) changeCommand(bridge, 0, forwarding);
}

/** The bits in which a doubleword of a header is another one than was kept. */
function differs(kept: u32, offset: u32): u32 {
  return readPci32(load<u32>(kept, ADDRESS), offset) ^ load<u32>(kept + offset, HEADER);
}
