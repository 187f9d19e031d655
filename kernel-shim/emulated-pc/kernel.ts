/** The imports of the module `kernel` on the emulated PC: grants are checked, everything is counted. */
import type { Counters, KernelImports, LogEntry, MmioImports } from "../machine.js";
import type { Mappings } from "./mappings.js";
import type { DmaPages } from "./memory/dma-pages.js";
import { DMA_FREE_MISMATCH, MEMORY_ALIGNMENT, MEMORY_NOT_LENT } from "./memory/rules.js";
import { CONFIGURATION_DATA_PORT, type HostBridge } from "./pci/host-bridge.js";
import type { PortGrants } from "./ports.js";
import type { VirtualTime } from "./time.js";
import type { Violations } from "./violations.js";

/** What the imports work on. */
export interface KernelParts {
  readonly pages: DmaPages;
  readonly grants: PortGrants;
  readonly mappings: Mappings;
  readonly hostBridge: HostBridge;
  readonly time: VirtualTime;
  readonly violations: Violations;
  readonly counters: Counters;
  readonly log: LogEntry[];
  /** Called before the first access of a port or register: firmware runs at power-on, and not before everything is plugged in. */
  powerOn(): void;
  /** Gives devices time to work. */
  relax(): void;
}

/** What an access of a port or register takes, in nanoseconds: an exit to a hypervisor. */
const ACCESS_TIME = 1_000;
/** What asking for the time takes, so that a loop that waits for time to pass ends. */
const CLOCK_TIME = 100;
/** What `dma_address` answers for memory that is not lent. */
const NO_ADDRESS = 0xffff_ffff_ffff_ffffn;
const LAST_CONFIGURATION_PORT = CONFIGURATION_DATA_PORT + 3;

export function createKernel(parts: KernelParts): KernelImports & MmioImports {
  const { pages, grants, mappings, hostBridge, time, violations, counters, log } = parts;

  function read(port: number, width: number): number {
    parts.powerOn();
    counters.portReads++;
    time.now += ACCESS_TIME;
    if (port >= CONFIGURATION_DATA_PORT && port <= LAST_CONFIGURATION_PORT) counters.configurationReads++;
    return grants.allows(port, width) ? hostBridge.read(port, width) : 2 ** (8 * width) - 1;
  }

  function write(port: number, width: number, value: number): void {
    parts.powerOn();
    counters.portWrites++;
    time.now += ACCESS_TIME;
    if (port >= CONFIGURATION_DATA_PORT && port <= LAST_CONFIGURATION_PORT) counters.configurationWrites++;
    if (grants.allows(port, width)) hostBridge.write(port, width, value);
  }

  function readRegister(pointer: number, width: number): number {
    counters.mmioReads++;
    time.now += ACCESS_TIME;
    return mappings.read(pointer, width);
  }

  function writeRegister(pointer: number, width: number, value: number): void {
    counters.mmioWrites++;
    time.now += ACCESS_TIME;
    mappings.write(pointer, width, value);
  }

  /** Offset of `width` bytes that a pointer names, -1 when they are refused. */
  function locate(pointer: number, width: number): number {
    counters.memoryAccesses++;
    const offset = pages.offsetOfPointer(pointer, width);
    if (pointer % width !== 0) violations.record(MEMORY_ALIGNMENT, "memory", `${width} bytes at ${hex(pointer)}`);
    if (offset < 0) violations.record(MEMORY_NOT_LENT, "memory", `${width} bytes at ${hex(pointer)}`);
    return offset;
  }

  function barrier(): void {
    counters.barriers++;
  }

  // What the module passes as u32 arrives as a signed number.
  return {
    in8: (port) => read(port >>> 0, 1),
    in16: (port) => read(port >>> 0, 2),
    in32: (port) => read(port >>> 0, 4),
    out8: (port, value) => write(port >>> 0, 1, value & 0xff),
    out16: (port, value) => write(port >>> 0, 2, value & 0xffff),
    out32: (port, value) => write(port >>> 0, 4, value >>> 0),
    dma_alloc: (count) => pages.lend(count >>> 0, false, "stack"),
    dma_free: (pointer, count) => {
      const loan = pages.loanAt(pointer >>> 0);
      if (loan?.borrower !== "stack" || loan.pages !== count >>> 0) {
        const lent = loan === undefined ? "nothing is lent" : `${loan.pages} are lent to the ${loan.borrower}`;
        violations.record(DMA_FREE_MISMATCH, "memory", `${count >>> 0} pages at ${hex(pointer >>> 0)}, ${lent}`);
        return;
      }
      pages.takeBack(pointer >>> 0);
    },
    dma_address: (pointer) => {
      counters.translations++;
      const address = pages.addressOf(pointer >>> 0);
      return address < 0 ? NO_ADDRESS : BigInt(address);
    },
    wmb: barrier,
    rmb: barrier,
    mb: barrier,
    relax: () => parts.relax(),
    now_ns: () => {
      time.now += CLOCK_TIME;
      return BigInt(Math.floor(time.now));
    },
    log: (message, first, second) => {
      log.push({ message: message >>> 0, first: first >>> 0, second: second >>> 0 });
    },
    phys_read8: (pointer) => {
      const offset = locate(pointer >>> 0, 1);
      return offset < 0 ? 0xff : pages.data.getUint8(offset);
    },
    phys_read16: (pointer) => {
      const offset = locate(pointer >>> 0, 2);
      return offset < 0 ? 0xffff : pages.data.getUint16(offset, true);
    },
    phys_read32: (pointer) => {
      const offset = locate(pointer >>> 0, 4);
      return offset < 0 ? 0xffff_ffff : pages.data.getUint32(offset, true);
    },
    phys_write8: (pointer, value) => {
      const offset = locate(pointer >>> 0, 1);
      if (offset >= 0) pages.data.setUint8(offset, value);
    },
    phys_write16: (pointer, value) => {
      const offset = locate(pointer >>> 0, 2);
      if (offset >= 0) pages.data.setUint16(offset, value, true);
    },
    phys_write32: (pointer, value) => {
      const offset = locate(pointer >>> 0, 4);
      if (offset >= 0) pages.data.setUint32(offset, value, true);
    },
    mmio_map: (address, bytes) => {
      parts.powerOn();
      return mappings.map(BigInt.asUintN(64, address), bytes >>> 0);
    },
    mmio_unmap: (window, bytes) => mappings.unmap(window >>> 0, bytes >>> 0),
    mmio_read8: (pointer) => readRegister(pointer >>> 0, 1),
    mmio_read16: (pointer) => readRegister(pointer >>> 0, 2),
    mmio_read32: (pointer) => readRegister(pointer >>> 0, 4),
    mmio_write8: (pointer, value) => writeRegister(pointer >>> 0, 1, value & 0xff),
    mmio_write16: (pointer, value) => writeRegister(pointer >>> 0, 2, value & 0xffff),
    mmio_write32: (pointer, value) => writeRegister(pointer >>> 0, 4, value >>> 0),
  };
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
