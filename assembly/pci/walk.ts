/**
 * The walk over every function of the machine, for the scan and for the assignment of resources.
 *
 * It costs one read for an empty slot and two for a function, and looks at functions 1 to 7 only where function 0
 * says that they exist. [PCI 3.0 §3.2.2.3.4] It goes down into a bus where the caller says that a bridge leads there,
 * and goes on after that bridge: depth first, as buses are numbered. No bus is entered twice, and none from a
 * bus with a higher number, so the walk ends after 65536 functions at the latest, whatever the devices answer.
 *
 * One walk at a time; its state is static.
 */
import { identifiesFunction, readPci32 } from "./configuration-space";
import { HeaderType, Register } from "./registers";

/** What stands for an address after the last function. */
export const NO_FUNCTION: u32 = 0xffff_ffff;

export const BUSES: u32 = 256;
const SLOTS_PER_BUS: u32 = 256;

/**
 * For every bus a word: 0 until it is entered, then
 *
 *     31        30…27  24…16                       15…0
 *     entered   marks  slot to go on with, above   address of the bridge that leads here
 */
const buses = memory.data(256 * 4, 4);
const RESUME_SHIFT: u32 = 16;
const RESUME_MASK: u32 = 0x1ff;

/** Marks on an entered bus, gone when the next walk begins. All but the first are the caller's. */
export const enum BusMark {
  ENTERED = 0x8000_0000,
  /** The bridge got this bus number during the walk. */
  NUMBERED = 0x4000_0000,
  /** The bridge's window for ports was opened during the walk. */
  IO_OPENED = 0x2000_0000,
  /** The bridge's window for memory was opened during the walk. */
  MEMORY_OPENED = 0x1000_0000,
  /** The bridge let accesses pass before the walk. */
  FORWARDED = 0x0800_0000,
}

/** Where the walk goes on: bus, and device × 8 + function. */
let bus: u32 = 0;
let slot: u32 = 0;

/** VENDOR_ID and the Device ID above it, of the function that the walk stands at. Written by this file only. */
export let identity: u32 = 0;
/** HEADER_TYPE of that function, multi-function bit included. Written by this file only. */
export let header: u32 = 0;

/** Begins a walk. Returns the address of the first function, or NO_FUNCTION. */
export function firstFunction(): u32 {
  memory.fill(buses, 0, BUSES * 4);
  store<u32>(buses, BusMark.ENTERED);
  startBus(0);
  return nextFunction();
}

/** Goes on to the next function. Returns its address, or NO_FUNCTION. */
export function nextFunction(): u32 {
  while (true) {
    const address = nextOnBus();
    if (address != NO_FUNCTION || bus == 0) return address;
    const entry = load<u32>(buses + bus * 4);
    bus = (entry >> 8) & 0xff;
    slot = (entry >> RESUME_SHIFT) & RESUME_MASK;
  }
}

/** Begins to walk over one bus, for `nextOnBus`. The walk over the machine is over, its marks remain. */
export function startBus(number: u32): void {
  bus = number;
  slot = 0;
}

/** Goes on to the next function on the same bus. Returns its address, or NO_FUNCTION. */
export function nextOnBus(): u32 {
  while (slot < SLOTS_PER_BUS) {
    const address = (bus << 8) | slot;
    identity = readPci32(address, Register.VENDOR_ID);
    const exists = identifiesFunction(identity);
    header = exists ? (readPci32(address, Register.CACHE_LINE_SIZE) >> 16) & 0xff : 0;
    slot += (slot & 7) | (header & HeaderType.MULTI_FUNCTION) ? 1 : 8;
    if (exists) return address;
  }
  return NO_FUNCTION;
}

/** Whether the walk stands at a PCI-to-PCI bridge. */
export function isBridge(): bool {
  return (header & HeaderType.LAYOUT) == HeaderType.BRIDGE;
}

/**
 * Goes down: the next function will be the first one behind `bridge`. Does nothing when the number makes no sense.
 *
 * @param bridge the function that the walk stands at
 * @param secondary the number of the bus behind it
 */
export function enterBus(bridge: u32, secondary: u32): void {
  const entry = buses + secondary * 4;
  if (secondary <= bus || load<u32>(entry)) return;
  store<u32>(entry, BusMark.ENTERED | (slot << RESUME_SHIFT) | bridge);
  startBus(secondary);
}

/** Address of the bridge that leads to an entered bus other than 0. */
export function bridgeTo(bus: u32): u32 {
  return load<u32>(buses + bus * 4) & 0xffff;
}

/** Puts one of BusMark on an entered bus. */
export function markBus(bus: u32, mark: u32): void {
  const entry = buses + bus * 4;
  store<u32>(entry, load<u32>(entry) | mark);
}

export function busIsMarked(bus: u32, mark: u32): bool {
  return (load<u32>(buses + bus * 4) & mark) != 0;
}
