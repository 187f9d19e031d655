/** Accesses to ports and to registers in memory with the width of the field, which is only known when it is accessed. */
import {
  in16,
  in32,
  in8,
  mmio_read16,
  mmio_read32,
  mmio_read8,
  mmio_write16,
  mmio_write32,
  mmio_write8,
  out16,
  out32,
  out8,
} from "../../kernel";

// `width` is in bytes: 1, 2 or 4. Of what is narrower than it, a kernel may have made a negative number or more.

export function readPorts(port: u32, width: u32): u32 {
  if (width == 1) return in8(port) & 0xff;
  if (width == 2) return in16(port) & 0xffff;
  return in32(port);
}

export function writePorts(port: u32, width: u32, value: u32): void {
  if (width == 1) out8(port, value);
  else if (width == 2) out16(port, value);
  else out32(port, value);
}

/** @param at pointer in a window of `mmio_map` */
export function readMemory(at: u32, width: u32): u32 {
  if (width == 1) return mmio_read8(at) & 0xff;
  if (width == 2) return mmio_read16(at) & 0xffff;
  return mmio_read32(at);
}

/** @param at pointer in a window of `mmio_map` */
export function writeMemory(at: u32, width: u32, value: u32): void {
  if (width == 1) mmio_write8(at, value);
  else if (width == 2) mmio_write16(at, value);
  else mmio_write32(at, value);
}
