/**
 * A stretch of registers, and how it is reached: by ports, in memory, or through PCI configuration space.
 *
 * Modern PCI devices have several, which may lie in different places. [virtio-1.2 §4.1.4]
 */
import { readMemory, readPorts, writeMemory, writePorts } from "./access";
import { PciWindow } from "./window";

/** How registers are reached; the cheaper ones first. */
export const enum Space {
  /** Not at all. */
  NONE = 0,
  PORTS = 1,
  /** As PORTS, in memory. */
  MEMORY = 2,
  /** By the configuration space of the function. */
  WINDOW = 3,
}


@unmanaged
export class Structure {
  /** One of Space. */
  space: u32;
  /** Base address register that it lies behind. */
  bar: u32;
  /** First byte within that. */
  offset: u32;
  length: u32;
  /** Where accesses go: port, pointer in a window of `mmio_map`, or `offset`. */
  base: u32;
  /** Port, or physical address. */
  address: u64;

  /** @param width bytes, 1, 2 or 4; that of the field */
  read(window: PciWindow, offset: u32, width: u32): u32 {
    const at = this.base + offset;
    if (this.space == Space.WINDOW) return window.read(this.bar, at, width);
    return this.space == Space.PORTS ? readPorts(at, width) : readMemory(at, width);
  }

  /** The same for writing. */
  write(window: PciWindow, offset: u32, width: u32, value: u32): void {
    const at = this.base + offset;
    if (this.space == Space.WINDOW) window.write(this.bar, at, width, value);
    else if (this.space == Space.PORTS) writePorts(at, width, value);
    else writeMemory(at, width, value);
  }
}
