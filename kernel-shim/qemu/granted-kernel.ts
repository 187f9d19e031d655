/**
 * The imports of the module, each access checked against what was granted: ports against `grantPorts`, registers in memory
 * against what was mapped, memory against the pages that were lent. What is refused reads as all ones, is not written, and is recorded.
 */

import type { Counters, KernelImports, LogEntry, MmioImports } from "../machine.js";
import type { GuestMemory } from "./guest-memory.js";
import { PAGE } from "../grants/page-allocator.js";
import { PageLoans } from "../grants/page-loans.js";
import { CONFIG_DATA, CONFIG_DATA_END, PortGrants, type PortRange } from "../grants/port-grants.js";
import { QemuError } from "./qemu-error.js";
import type { Qtest } from "./qtest.js";
import type { RegisterGrants } from "./register-grants.js";
import { sleep } from "./sleep.js";

/** Something the stack did that it was not granted. */
export interface Refusal {
  kind:
    | ("port read" | "port write" | "memory read" | "memory write" | "page release")
    | ("register read" | "register write" | "mapping" | "unmapping");
  /** Port, pointer, or physical address. */
  address: number;
  /** Width of the access, or size of what was asked for or given back. */
  bytes: number;
  /** What it would have written; 0 for the others. */
  value: number;
}

/** `NO_ADDRESS` of the kernel interface. */
const NO_ADDRESS = 0xffff_ffff_ffff_ffffn;
/** Refusals kept; a stack in a loop shall not fill the memory of this program. */
const MOST_REFUSALS = 10_000;
/** Memory below is the BIOS's, with holes that are no RAM. */
const FIRST_ADDRESS = 1 << 20;
/** One turn of a waiting loop gives QEMU the processor for this many milliseconds. */
const RELAX = 0.01;

type Width = 1 | 2 | 4;

const ALL_ONES: Record<Width, number> = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff };

export class GrantedKernel {
  readonly imports: KernelImports & MmioImports;
  readonly ports: PortGrants;
  private readonly loans: PageLoans;
  readonly counters: Counters = {
    portReads: 0,
    portWrites: 0,
    configurationReads: 0,
    configurationWrites: 0,
    barriers: 0,
    translations: 0,
    memoryAccesses: 0,
    mmioReads: 0,
    mmioWrites: 0,
  };
  readonly log: LogEntry[] = [];
  /** Oldest first, at most 10,000. */
  readonly refusals: Refusal[] = [];

  private isClosed = false;

  constructor(
    private readonly qtest: Qtest,
    private readonly memory: GuestMemory,
    private readonly registers: RegisterGrants,
    fixedPorts: readonly PortRange[],
  ) {
    this.ports = new PortGrants(fixedPorts);
    this.loans = new PageLoans(FIRST_ADDRESS, memory.bytes, (address, bytes) => memory.clear(address, bytes));
    const barrier = (): void => {
      // Guest memory is reached by system calls, in program order; the processor's own order is x86's or the calls'.
      this.counters.barriers++;
    };
    this.imports = {
      in8: (port) => this.readPort(port, 1, (granted) => qtest.in8(granted)),
      in16: (port) => this.readPort(port, 2, (granted) => qtest.in16(granted)),
      in32: (port) => this.readPort(port, 4, (granted) => qtest.in32(granted)),
      out8: (port, value) => this.writePort(port, 1, value),
      out16: (port, value) => this.writePort(port, 2, value),
      out32: (port, value) => this.writePort(port, 4, value),
      dma_alloc: (pages) => this.lendToStack(pages >>> 0),
      dma_free: (pointer, pages) => this.takeBackFromStack(pointer >>> 0, pages >>> 0),
      dma_address: (pointer) => this.translate(pointer >>> 0),
      wmb: barrier,
      rmb: barrier,
      mb: barrier,
      relax: () => sleep(RELAX),
      now_ns: () => process.hrtime.bigint(),
      log: (message, first, second) => {
        this.log.push({ message: message >>> 0, first: first >>> 0, second: second >>> 0 });
      },
      phys_read8: (pointer) => this.readMemory(pointer, 1, (lent) => memory.read8(lent)),
      phys_read16: (pointer) => this.readMemory(pointer, 2, (lent) => memory.read16(lent)),
      phys_read32: (pointer) => this.readMemory(pointer, 4, (lent) => memory.read32(lent)),
      phys_write8: (pointer, value) => this.writeMemory(pointer, 1, value),
      phys_write16: (pointer, value) => this.writeMemory(pointer, 2, value),
      phys_write32: (pointer, value) => this.writeMemory(pointer, 4, value),
      mmio_map: (address, bytes) => this.map(BigInt.asUintN(64, address), bytes >>> 0),
      mmio_unmap: (window, bytes) => this.unmap(window >>> 0, bytes >>> 0),
      mmio_read8: (pointer) => this.readRegister(pointer, 1, (granted) => qtest.read8(granted)),
      mmio_read16: (pointer) => this.readRegister(pointer, 2, (granted) => qtest.read16(granted)),
      mmio_read32: (pointer) => this.readRegister(pointer, 4, (granted) => qtest.read32(granted)),
      mmio_write8: (pointer, value) => this.writeRegister(pointer, 1, value),
      mmio_write16: (pointer, value) => this.writeRegister(pointer, 2, value),
      mmio_write32: (pointer, value) => this.writeRegister(pointer, 4, value),
    };
  }

  /** Lends zeroed pages to the application: the physical address, or 0 when there are not so many. */
  lend(pages: number): number {
    this.throwIfClosed();
    return this.loans.lend(pages);
  }

  /** Takes back what `lend` lent to the application; false when nothing was lent to it there. */
  takeBack(address: number): boolean {
    return this.loans.takeBack(address);
  }

  /** Whether the bytes may be reached. Throws a QemuError once the machine is closed. */
  isLent(address: number, bytes: number): boolean {
    this.throwIfClosed();
    return this.loans.isLent(address, bytes);
  }

  /** From here on every access throws: the files behind it are gone. */
  close(): void {
    this.isClosed = true;
    this.qtest.end(new QemuError("The machine is closed"));
  }

  private readPort(port: number, width: Width, read: (granted: number) => number): number {
    const granted = port >>> 0;
    this.counters.portReads++;
    if (granted >= CONFIG_DATA && granted < CONFIG_DATA_END) {
      this.counters.configurationReads++;
    }
    if (!this.ports.allows(granted, width)) {
      return this.refuse("port read", granted, width);
    }
    return read(granted);
  }

  private writePort(port: number, width: Width, value: number): void {
    const granted = port >>> 0;
    const written = (value & ALL_ONES[width]) >>> 0;
    this.counters.portWrites++;
    if (granted >= CONFIG_DATA && granted < CONFIG_DATA_END) {
      this.counters.configurationWrites++;
    }
    if (!this.ports.allows(granted, width)) {
      this.refuse("port write", granted, width, written);
    } else if (width === 1) {
      this.qtest.out8(granted, written);
    } else if (width === 2) {
      this.qtest.out16(granted, written);
    } else {
      this.qtest.out32(granted, written);
    }
  }

  private map(address: bigint, bytes: number): number {
    const window = this.registers.map(address, bytes);
    if (window === 0) {
      this.refuse("mapping", Number(address), bytes);
    }
    return window;
  }

  private unmap(window: number, bytes: number): void {
    if (!this.registers.unmap(window, bytes)) {
      this.refuse("unmapping", window, bytes);
    }
  }

  private readRegister(pointer: number, width: Width, read: (granted: number) => number): number {
    const granted = pointer >>> 0;
    this.counters.mmioReads++;
    return this.registers.allows(granted, width) ? read(granted) : this.refuse("register read", granted, width);
  }

  private writeRegister(pointer: number, width: Width, value: number): void {
    const granted = pointer >>> 0;
    const written = (value & ALL_ONES[width]) >>> 0;
    this.counters.mmioWrites++;
    if (!this.registers.allows(granted, width)) {
      this.refuse("register write", granted, width, written);
    } else if (width === 1) {
      this.qtest.write8(granted, written);
    } else if (width === 2) {
      this.qtest.write16(granted, written);
    } else {
      this.qtest.write32(granted, written);
    }
  }

  private readMemory(pointer: number, width: Width, read: (lent: number) => number): number {
    const lent = pointer >>> 0;
    this.counters.memoryAccesses++;
    return this.isReachable(lent, width) ? read(lent) : this.refuse("memory read", lent, width);
  }

  private writeMemory(pointer: number, width: Width, value: number): void {
    const lent = pointer >>> 0;
    const written = (value & ALL_ONES[width]) >>> 0;
    this.counters.memoryAccesses++;
    if (!this.isReachable(lent, width)) {
      this.refuse("memory write", lent, width, written);
    } else if (width === 1) {
      this.memory.write8(lent, written);
    } else if (width === 2) {
      this.memory.write16(lent, written);
    } else {
      this.memory.write32(lent, written);
    }
  }

  /** The interface promises natural alignment, which also keeps an access within one page. */
  private isReachable(pointer: number, width: Width): boolean {
    return this.isLent(pointer, width) && pointer % width === 0;
  }

  private lendToStack(pages: number): number {
    this.throwIfClosed();
    return this.loans.lendToStack(pages);
  }

  private takeBackFromStack(pointer: number, pages: number): void {
    this.throwIfClosed();
    if (!this.loans.takeBackFromStack(pointer, pages)) this.refuse("page release", pointer, pages * PAGE);
  }

  /** Pages are lent whole, so what is said of a byte is true of its page. */
  private translate(pointer: number): bigint {
    this.counters.translations++;
    return this.isLent(pointer, 1) ? BigInt(pointer) : NO_ADDRESS;
  }

  /** Records what was refused, and answers as a bus does where nothing is. */
  private refuse(kind: Refusal["kind"], address: number, bytes: number, value = 0): number {
    if (this.refusals.length < MOST_REFUSALS) {
      this.refusals.push({ kind, address, bytes, value });
    }
    return bytes === 1 || bytes === 2 ? ALL_ONES[bytes] : ALL_ONES[4];
  }

  private throwIfClosed(): void {
    if (this.isClosed) {
      throw new QemuError("The machine is closed");
    }
  }
}
