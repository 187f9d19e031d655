/**
 * The imports of a machine whose devices are hostile: every value that comes from a device can be another one, and
 * between any two imports the devices can write to all memory they reach, work, and interrupt.
 *
 * What the stack asks for without having it granted is noted here as well, one by one, because the machine's own list
 * of violations is full of what devices find in overwritten rings.
 */
import type { KernelImports, MmioImports } from "../../machine.js";
import { CONFIGURATION_DATA_PORT } from "../pci/host-bridge.js";
import type { LentMemory } from "./lent-memory.js";
import type { Mutations } from "./mutations.js";
import { otherValue } from "./values.js";

const LAST_CONFIGURATION_PORT = CONFIGURATION_DATA_PORT + 3;

export interface HostileKernelParts {
  readonly inner: KernelImports & MmioImports;
  readonly mutations: Mutations;
  readonly lent: LentMemory;
  /** Whether ports are granted. */
  isGranted(port: number, width: number): boolean;
  /** Whether registers are mapped. */
  isMapped(pointer: number, width: number): boolean;
  /** How many windows are mapped. */
  mappingCount(): number;
  /** The stack asked for what it was not given. */
  memoryRefused(what: string): void;
  portRefused(what: string): void;
  registerRefused(what: string): void;
  /** Called first in every import; may throw to end a call that goes on for ever. */
  enter(): void;
  /** Called last in every import: the moment between two of them. */
  leave(): void;
  /** A loan to the stack is over. */
  takenBack(pointer: number, pages: number): void;
  /** One turn of a waiting loop has passed. */
  relaxed(): void;
}

export function createHostileKernel(parts: HostileKernelParts): KernelImports & MmioImports {
  const { inner, mutations, lent } = parts;

  function between<Value>(work: () => Value): Value {
    parts.enter();
    const value = work();
    parts.leave();
    return value;
  }

  function checkPort(port: number, width: number): void {
    if (!parts.isGranted(port, width)) parts.portRefused(`${width} ports at 0x${port.toString(16)}`);
  }

  function portRead(port: number, width: number, read: () => number): number {
    return between(() => {
      checkPort(port, width);
      const value = read();
      const isConfiguration = port >= CONFIGURATION_DATA_PORT && port <= LAST_CONFIGURATION_PORT;
      const random = mutations.at(isConfiguration ? "configuration read" : "register read");
      if (random === null) return value;
      const other = otherValue(random, value, width);
      mutations.describe(`in${8 * width}(0x${port.toString(16)}): ${other} for ${value}`);
      return other;
    });
  }

  function portWrite(port: number, width: number, write: () => void): void {
    between(() => {
      checkPort(port, width);
      write();
    });
  }

  function checkRegister(pointer: number, width: number): void {
    if (!parts.isMapped(pointer, width)) parts.registerRefused(`${width} bytes at window 0x${pointer.toString(16)}`);
  }

  function registerRead(pointer: number, width: number, read: () => number): number {
    return between(() => {
      checkRegister(pointer, width);
      const value = read();
      const random = mutations.at("register read");
      if (random === null) return value;
      const other = otherValue(random, value, width);
      mutations.describe(`mmio_read${8 * width}(0x${pointer.toString(16)}): ${other} for ${value}`);
      return other;
    });
  }

  function registerWrite(pointer: number, width: number, write: () => void): void {
    between(() => {
      checkRegister(pointer, width);
      write();
    });
  }

  function checkMemory(pointer: number, width: number): void {
    if (pointer % width !== 0) parts.memoryRefused(`${width} bytes at 0x${pointer.toString(16)}, not aligned`);
    if (!lent.isLent(pointer, width)) parts.memoryRefused(`${width} bytes at 0x${pointer.toString(16)}, not lent`);
  }

  function memoryRead(pointer: number, width: number, read: () => number): number {
    return between(() => {
      checkMemory(pointer, width);
      const value = read();
      const random = mutations.at("memory read");
      if (random === null) return value;
      const other = otherValue(random, value, width);
      mutations.describe(`phys_read${8 * width}(0x${pointer.toString(16)}): ${other} for ${value}`);
      return other;
    });
  }

  function memoryWrite(pointer: number, width: number, write: () => void): void {
    between(() => {
      checkMemory(pointer, width);
      write();
    });
  }

  return {
    in8: (port) => portRead(port >>> 0, 1, () => inner.in8(port)),
    in16: (port) => portRead(port >>> 0, 2, () => inner.in16(port)),
    in32: (port) => portRead(port >>> 0, 4, () => inner.in32(port)),
    out8: (port, value) => portWrite(port >>> 0, 1, () => inner.out8(port, value)),
    out16: (port, value) => portWrite(port >>> 0, 2, () => inner.out16(port, value)),
    out32: (port, value) => portWrite(port >>> 0, 4, () => inner.out32(port, value)),
    dma_alloc: (pages) =>
      between(() => {
        if (mutations.at("shortage") !== null) {
          mutations.describe(`dma_alloc(${pages >>> 0}): 0`);
          return 0;
        }
        const pointer = inner.dma_alloc(pages);
        if (pointer !== 0) lent.lent(pointer >>> 0, pages >>> 0, "stack");
        return pointer;
      }),
    dma_free: (pointer, pages) =>
      between(() => {
        const loan = lent.takenBack(pointer >>> 0);
        if (loan?.owner !== "stack" || loan.pages !== pages >>> 0) {
          parts.memoryRefused(
            `dma_free of ${pages} pages at 0x${(pointer >>> 0).toString(16)}, lent ${loan?.pages ?? 0}`,
          );
        }
        inner.dma_free(pointer, pages);
        parts.takenBack(pointer >>> 0, pages >>> 0);
      }),
    dma_address: (pointer) => between(() => inner.dma_address(pointer)),
    wmb: () => between(() => inner.wmb()),
    rmb: () => between(() => inner.rmb()),
    mb: () => between(() => inner.mb()),
    relax: () =>
      between(() => {
        inner.relax();
        parts.relaxed();
      }),
    now_ns: () => between(() => inner.now_ns()),
    log: (message, first, second) => between(() => inner.log(message, first, second)),
    phys_read8: (pointer) => memoryRead(pointer >>> 0, 1, () => inner.phys_read8(pointer)),
    phys_read16: (pointer) => memoryRead(pointer >>> 0, 2, () => inner.phys_read16(pointer)),
    phys_read32: (pointer) => memoryRead(pointer >>> 0, 4, () => inner.phys_read32(pointer)),
    phys_write8: (pointer, value) => memoryWrite(pointer >>> 0, 1, () => inner.phys_write8(pointer, value)),
    phys_write16: (pointer, value) => memoryWrite(pointer >>> 0, 2, () => inner.phys_write16(pointer, value)),
    phys_write32: (pointer, value) => memoryWrite(pointer >>> 0, 4, () => inner.phys_write32(pointer, value)),
    mmio_map: (address, bytes) =>
      between(() => {
        if (mutations.at("shortage") === null) return inner.mmio_map(address, bytes);
        mutations.describe(`mmio_map(0x${address.toString(16)}, ${bytes >>> 0}): 0`);
        return 0;
      }),
    mmio_unmap: (window, bytes) =>
      between(() => {
        const before = parts.mappingCount();
        inner.mmio_unmap(window, bytes);
        if (parts.mappingCount() !== before - 1) {
          parts.registerRefused(`mmio_unmap of ${bytes >>> 0} bytes at window 0x${(window >>> 0).toString(16)}`);
        }
      }),
    mmio_read8: (pointer) => registerRead(pointer >>> 0, 1, () => inner.mmio_read8(pointer)),
    mmio_read16: (pointer) => registerRead(pointer >>> 0, 2, () => inner.mmio_read16(pointer)),
    mmio_read32: (pointer) => registerRead(pointer >>> 0, 4, () => inner.mmio_read32(pointer)),
    mmio_write8: (pointer, value) => registerWrite(pointer >>> 0, 1, () => inner.mmio_write8(pointer, value)),
    mmio_write16: (pointer, value) => registerWrite(pointer >>> 0, 2, () => inner.mmio_write16(pointer, value)),
    mmio_write32: (pointer, value) => registerWrite(pointer >>> 0, 4, () => inner.mmio_write32(pointer, value)),
  };
}
