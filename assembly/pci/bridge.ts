/**
 * A PCI-to-PCI bridge: the windows through which it lets accesses pass to the bus behind it.
 * [PCI-to-PCI Bridge 1.2 §3.2.5.6, §3.2.5.8 to §3.2.5.11]
 *
 * Windows are counted in units: 4 KiB of ports, 1 MiB of memory. One is closed when its base is above its limit. One
 * that begins at unit 0 counts as closed as well: that is what bridges show after a reset, and nothing is ever
 * assigned there.
 */
import { readPci32, writePci16, writePci32 } from "./configuration-space";
import { Register } from "./registers";

/** Memory Base 0xfff00000, Memory Limit 0x000fffff. */
const CLOSED_MEMORY: u32 = 0x0000_fff0;

/** log2 of the bytes in a unit of the window for ports or for memory. */
export function windowShift(isIo: bool): u32 {
  return isIo ? 12 : 20;
}

/** Where the registers of a window are. */
export function windowRegisters(isIo: bool): u32 {
  return isIo ? Register.IO_BASE : Register.MEMORY_BASE;
}

/** First unit of the window that the doubleword at `windowRegisters` means, plus 65536 × last unit. */
export function windowOf(registers: u32, isIo: bool): u32 {
  return isIo ? ((registers >> 4) & 0xf) | ((registers << 4) & 0xf_0000) : (registers >> 4) & 0x0fff_0fff;
}

/** The window as it is, in the same form. */
export function readWindow(bridge: u32, isIo: bool): u32 {
  return windowOf(readPci32(bridge, windowRegisters(isIo)), isIo);
}

/** Whether a window, as `readWindow` returned it, lets anything pass. */
export function windowIsOpen(window: u32): bool {
  const first = window & 0xffff;
  return first != 0 && first <= window >> 16;
}

/** Opens a window from unit `first` to unit `last`, both included, below 64 KiB or 4 GiB. */
export function writeWindow(bridge: u32, isIo: bool, first: u32, last: u32): void {
  if (isIo) {
    writePci16(bridge, Register.IO_BASE, (first << 4) | (last << 12));
    writePci32(bridge, Register.IO_BASE_UPPER_16_BITS, 0);
  } else {
    writePci32(bridge, Register.MEMORY_BASE, (first << 4) | (last << 20));
  }
}

/** Lets everything pass that another window let pass, beside what passes already, and what lies between. */
export function widenWindow(bridge: u32, isIo: bool, other: u32): void {
  if (!windowIsOpen(other)) return;
  const now = readWindow(bridge, isIo);
  const isOpen = windowIsOpen(now);
  const first = isOpen ? min(now & 0xffff, other & 0xffff) : other & 0xffff;
  const last = isOpen ? max(now >> 16, other >> 16) : other >> 16;
  if ((first | (last << 16)) != now) writeWindow(bridge, isIo, first, last);
}

/** Closes the window for ports or for memory. */
export function closeWindow(bridge: u32, isIo: bool): void {
  writeWindow(bridge, isIo, isIo ? 0xf : 0xfff, 0);
}

/** Closes the window for prefetchable memory, which this stack never uses: such memory may lie in the other. */
export function closePrefetchableWindow(bridge: u32): void {
  writePci32(bridge, Register.PREFETCHABLE_MEMORY_BASE, CLOSED_MEMORY);
  writePci32(bridge, Register.PREFETCHABLE_BASE_UPPER_32_BITS, 0);
  writePci32(bridge, Register.PREFETCHABLE_LIMIT_UPPER_32_BITS, 0);
}
