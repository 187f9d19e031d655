/**
 * Bus numbers, addresses and ports for a machine whose firmware gave out none, or not all.
 * [PCI 3.0 §6.2.5] [PCI-to-PCI Bridge 1.2 §3.2.5]
 *
 * Bridges without a bus number get theirs first, depth first, so that the buses behind a bridge are consecutive. Then,
 * bus by bus in that order, every register without an address gets the next that is aligned, and the windows of the
 * bridges above grow around it: at any moment every bridge lets pass exactly what has been assigned behind it.
 * Because windows are coarse, what is assigned on another bus than the last begins in a new unit.
 *
 * What firmware assigned stays as it is: bus numbers, addresses, open windows. A function that answers to addresses
 * already has a user, so it is not written to at all; nor is a bridge to something else than PCI, which has no such
 * registers. Only behind a bridge that got its number here does everything count as unassigned, for nobody can have
 * reached it before.
 */
import { PciRanges } from "../abi/records";
import { Result } from "../abi/results";
import { checkRecords } from "../memory/records";
import { barBase, barCount, barIs64Bit, barIsIo, barRegister, barSize, is64Bit, sizeBar } from "./bar";
import { closePrefetchableWindow, closeWindow, readWindow, windowIsOpen, windowShift, writeWindow } from "./bridge";
import { readPci16, readPci32, readPci8, writePci32, writePci8 } from "./configuration-space";
import { changeCommand } from "./function";
import { BaseAddress, Command, HeaderType, Register } from "./registers";
import {
  bridgeTo,
  BUSES,
  busIsMarked,
  BusMark,
  enterBus,
  firstFunction,
  header,
  isBridge,
  markBus,
  nextFunction,
  nextOnBus,
  NO_FUNCTION,
  startBus,
} from "./walk";

/** Port addresses have 16 bits on the machines that have ports. */
const PORTS: u32 = 0x1_0000;

/** Base class of bridges; of those, host bridges and bridges to ISA and the like have the header of a device. */
const BRIDGE_CLASS: u32 = 0x06;

/** What may be handed out: the caller's record, which a device may write, read once. */
const ranges = memory.data(16, 4);

/** What a bridge needs to let accesses pass both ways. */
const FORWARDING: u32 = Command.IO_SPACE | Command.MEMORY_SPACE | Command.BUS_MASTER;

/** Highest bus number in use. */
let highestBus: u32 = 0;
/** The bus that ports and memory were last assigned on; 0 at first. */
let ioBus: u32 = 0;
let memoryBus: u32 = 0;

/**
 * Numbers the bridges that have no bus number, assigns the base address registers that have no address (ROMs
 * excepted), opens the windows of bridges around them, and lets all bridges forward. Leaves alone what is assigned
 * already, and every function that answers at ports or in memory; enables no device.
 *
 * To be called before devices are opened, and again when functions were plugged in, with devices open: with the record as
 * the call before left it. What was plugged in behind a bridge finds room if the bridge's window was closed until then.
 *
 * @param record address of a PciRanges; `*_next` of 0: none of that kind granted, or all used up. What lies behind a
 *   bridge takes whole units of 4 KiB of ports and 1 MiB of memory
 * @returns OK; E_ARGUMENT when the record is not in memory or grants ports above 0xffff; E_NO_SPACE when something
 *   had to stay unassigned because a range was too small or a bridge would not forward it, all the rest being done
 */
export function pci_assign(record: u32): i32 {
  if (!checkRecords(record, 1, offsetof<PciRanges>())) return Result.E_ARGUMENT;
  memory.copy(ranges, record, offsetof<PciRanges>());
  const granted = changetype<PciRanges>(ranges);
  if (granted.io_end > PORTS) return Result.E_ARGUMENT;

  highestBus = 0;
  for (let address = firstFunction(); address != NO_FUNCTION; address = nextFunction()) {
    if (!isBridge()) continue;
    const numbers = readPci32(address, Register.PRIMARY_BUS_NUMBER);
    const secondary = (numbers >> 8) & 0xff;
    if (secondary) highestBus = max(highestBus, max(secondary, (numbers >> 16) & 0xff));
    enterBus(address, secondary);
  }

  let complete = true;
  for (let address = firstFunction(); address != NO_FUNCTION; address = nextFunction()) {
    if (isBridge() && !setUpBridge(address)) complete = false;
  }

  ioBus = 0;
  memoryBus = 0;
  for (let bus: u32 = 0; bus < BUSES; bus++) {
    if (!busIsMarked(bus, BusMark.ENTERED)) continue;
    startBus(bus);
    for (let address = nextOnBus(); address != NO_FUNCTION; address = nextOnBus()) {
      if (!assignBars(address, granted)) complete = false;
    }
  }
  // The rest of the last unit is behind a bridge now, and no good for anything else.
  if (ioBus) granted.io_next = <u32>alignUp(granted.io_next, 1 << windowShift(true));
  if (memoryBus) granted.memory_next = <u32>alignUp(granted.memory_next, 1 << windowShift(false));
  changetype<PciRanges>(record).io_next = granted.io_next;
  changetype<PciRanges>(record).memory_next = granted.memory_next;
  return complete ? Result.OK : Result.E_NO_SPACE;
}

/** Numbers the bridge that the walk stands at if need be, lets it forward, and goes down behind it. */
function setUpBridge(bridge: u32): bool {
  const bus = bridge >> 8;
  const numbers = readPci32(bridge, Register.PRIMARY_BUS_NUMBER);
  let secondary = (numbers >> 8) & 0xff;
  const isNew = secondary == 0 || busIsMarked(bus, BusMark.NUMBERED);
  if (isNew) {
    // Behind a bridge that firmware numbered, only its firmware knows which numbers are free.
    if (highestBus == BUSES - 1 || (bus && !busIsMarked(bus, BusMark.NUMBERED))) return false;
    secondary = ++highestBus;
    // Primary, secondary and so far the only one behind; the latency timer stays.
    writePci32(
      bridge,
      Register.PRIMARY_BUS_NUMBER,
      (numbers & 0xff00_0000) | (secondary << 16) | (secondary << 8) | bus,
    );
    for (let above = bus; above; above = bridgeTo(above) >> 8) {
      writePci8(bridgeTo(above), Register.SUBORDINATE_BUS_NUMBER, secondary);
    }
    closePrefetchableWindow(bridge);
  }
  const forwards = (readPci16(bridge, Register.COMMAND) & FORWARDING) == FORWARDING;
  // Before it forwards, a bridge must not claim what nobody meant it to.
  if (isNew || !windowIsOpen(readWindow(bridge, true))) closeWindow(bridge, true);
  if (isNew || !windowIsOpen(readWindow(bridge, false))) closeWindow(bridge, false);
  if (!forwards) changeCommand(bridge, 0, FORWARDING);
  enterBus(bridge, secondary);
  if (isNew) markBus(secondary, BusMark.NUMBERED);
  else if (forwards) markBus(secondary, BusMark.FORWARDED);
  return true;
}

/** Gives addresses to the registers of the function that the walk stands at. Returns whether all got theirs. */
function assignBars(address: u32, granted: PciRanges): bool {
  const bus = address >> 8;
  const isNew = busIsMarked(bus, BusMark.NUMBERED);
  if (!isNew && isInUse(address)) return true;
  const count = barCount(header & HeaderType.LAYOUT);
  let complete = true;
  for (let index: u32 = 0; index < count; index++) {
    const register = barRegister(index);
    const value = readPci32(address, register);
    const isAssigned = !isNew && (value & ~BaseAddress.MEMORY_FLAGS) != 0;
    if (!isAssigned) {
      sizeBar(address, index, count);
      if (barSize != 0 && (isNew || barBase == 0)) {
        const base = place(bus, barSize, barIsIo, granted);
        if (!base) complete = false;
        writePci32(address, register, base);
        if (barIs64Bit) writePci32(address, register + 4, 0);
      }
    }
    if (is64Bit(value)) index++;
  }
  return complete;
}

/**
 * Whether the function that the walk stands at was set up before this call, or has nothing to be set up. Sizing would take
 * it away from whoever uses it; of a bridge, all that lies behind.
 */
function isInUse(address: u32): bool {
  if (isBridge()) {
    const secondary = (readPci32(address, Register.PRIMARY_BUS_NUMBER) >> 8) & 0xff;
    return busIsMarked(secondary, BusMark.FORWARDED);
  }
  if (readPci16(address, Register.COMMAND) & (Command.IO_SPACE | Command.MEMORY_SPACE)) return true;
  return readPci8(address, Register.BASE_CLASS) == BRIDGE_CLASS;
}

/**
 * Takes `size` bytes, a power of two, from a granted range for a device on `bus`, and opens the way there.
 *
 * @returns where they begin, 0 when there is no room or no way
 */
function place(bus: u32, size: u64, isIo: bool, granted: PciRanges): u32 {
  const end: u64 = isIo ? granted.io_end : <u64>granted.memory_last + 1;
  const next: u64 = isIo ? granted.io_next : granted.memory_next;
  if (next == 0 || size > end) return 0;
  const shift = windowShift(isIo);
  const unit: u64 = (<u64>1) << shift;
  const base = alignUp(next, bus == (isIo ? ioBus : memoryBus) ? size : max(size, unit));
  const behind = base + size;
  if ((bus ? alignUp(behind, unit) : behind) > end) return 0;
  const first = <u32>(base >> shift);
  const last = <u32>((behind - 1) >> shift);
  if (!openWay(bus, first, last, isIo, false) || !openWay(bus, first, last, isIo, true)) return 0;
  if (isIo) {
    granted.io_next = <u32>behind;
    ioBus = bus;
  } else {
    granted.memory_next = <u32>behind;
    memoryBus = bus;
  }
  return <u32>base;
}

/**
 * Opens or grows the windows of the bridges above `bus` to have the units from `first` to `last` in them.
 *
 * @param really false: changes nothing
 * @returns false when a bridge has no such window, or firmware opened one that is not wide enough
 */
function openWay(bus: u32, first: u32, last: u32, isIo: bool, really: bool): bool {
  const mark: u32 = isIo ? BusMark.IO_OPENED : BusMark.MEMORY_OPENED;
  while (bus) {
    const bridge = bridgeTo(bus);
    const window = readWindow(bridge, isIo);
    if (windowIsOpen(window) && !busIsMarked(bus, mark)) {
      if (first < (window & 0xffff) || last > window >> 16) return false;
    } else if (really) {
      const begin = busIsMarked(bus, mark) ? window & 0xffff : first;
      writeWindow(bridge, isIo, begin, last);
      if (readWindow(bridge, isIo) != (begin | (last << 16))) return false;
      markBus(bus, mark);
    }
    bus = bridge >> 8;
  }
  return true;
}

/** @param alignment a power of two */
function alignUp(value: u64, alignment: u64): u64 {
  return (value + alignment - 1) & ~(alignment - 1);
}
