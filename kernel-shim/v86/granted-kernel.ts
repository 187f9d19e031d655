/**
 * The imports of the module, each access checked against what was granted: ports against `grantPorts`, memory against
 * the pages that were lent. What is refused reads as all ones, is not written, and is recorded.
 */

import type { Counters, KernelImports, LogEntry } from "../machine.js";
import { PAGE } from "../grants/page-allocator.js";
import { PageLoans } from "../grants/page-loans.js";
import { CONFIG_DATA, CONFIG_DATA_END, PortGrants } from "../grants/port-grants.js";
import type { Clock } from "./clock.js";
import type { V86Ports } from "./emulator.js";

/** Something the stack did that it was not granted. */
export interface Refusal {
  readonly kind: "port read" | "port write" | "memory read" | "memory write" | "page release";
  /** Port, or pointer. */
  readonly address: number;
  /** Width of the access, or size of the pages. */
  readonly bytes: number;
}

type Width = 1 | 2 | 4;

/** `NO_ADDRESS` of the kernel interface. */
const NO_ADDRESS = 0xffff_ffff_ffff_ffffn;
/** Refusals kept; a stack in a loop shall not fill the memory of this program. */
const MOST_REFUSALS = 10_000;
/** Memory below is the BIOS's and the screen's. */
const FIRST_ADDRESS = 1 << 20;
const ALL_ONES: Readonly<Record<Width, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff };

export class GrantedKernel {
  readonly imports: KernelImports;
  readonly ports = new PortGrants([]);
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

  /** @param memory guest RAM: offsets are physical addresses */
  constructor(
    private readonly v86: V86Ports,
    private readonly memory: DataView,
    private readonly clock: Clock,
  ) {
    this.loans = new PageLoans(FIRST_ADDRESS, memory.byteLength, (address, bytes) =>
      this.bytes(address, bytes).fill(0),
    );
    const barrier = (): void => {
      // Devices run on this thread, and see memory in program order.
      this.counters.barriers++;
    };
    // What the module passes as u32 arrives as a signed number.
    this.imports = {
      in8: (port) => this.readPort(port >>> 0, 1),
      in16: (port) => this.readPort(port >>> 0, 2),
      in32: (port) => this.readPort(port >>> 0, 4),
      out8: (port, value) => this.writePort(port >>> 0, 1, value),
      out16: (port, value) => this.writePort(port >>> 0, 2, value),
      out32: (port, value) => this.writePort(port >>> 0, 4, value),
      dma_alloc: (pages) => this.lendToStack(pages >>> 0),
      dma_free: (pointer, pages) => this.takeBackFromStack(pointer >>> 0, pages >>> 0),
      dma_address: (pointer) => this.translate(pointer >>> 0),
      wmb: barrier,
      rmb: barrier,
      mb: barrier,
      relax: () => clock.relax(),
      now_ns: () => clock.read(),
      log: (message, first, second) => {
        this.log.push({ message: message >>> 0, first: first >>> 0, second: second >>> 0 });
      },
      phys_read8: (pointer) => this.readMemory(pointer >>> 0, 1),
      phys_read16: (pointer) => this.readMemory(pointer >>> 0, 2),
      phys_read32: (pointer) => this.readMemory(pointer >>> 0, 4),
      phys_write8: (pointer, value) => this.writeMemory(pointer >>> 0, 1, value),
      phys_write16: (pointer, value) => this.writeMemory(pointer >>> 0, 2, value),
      phys_write32: (pointer, value) => this.writeMemory(pointer >>> 0, 4, value),
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

  /** Whether the bytes may be reached. Throws once the machine is closed. */
  isLent(address: number, bytes: number): boolean {
    this.throwIfClosed();
    return this.loans.isLent(address, bytes);
  }

  /** From here on every access throws: the emulator may be another machine already. */
  close(): void {
    this.isClosed = true;
  }

  throwIfClosed(): void {
    if (this.isClosed) throw new Error("The machine is closed");
  }

  /** Guest RAM itself; the caller has checked that it is lent. */
  bytes(address: number, length: number): Uint8Array {
    const { buffer, byteOffset } = this.memory;
    return new Uint8Array(buffer, byteOffset + address, length);
  }

  private readPort(port: number, width: Width): number {
    this.throwIfClosed();
    this.counters.portReads++;
    this.clock.access();
    if (port >= CONFIG_DATA && port < CONFIG_DATA_END) this.counters.configurationReads++;
    if (!this.ports.allows(port, width)) return this.refuse("port read", port, width);
    if (width === 1) return this.v86.port_read8(port);
    return width === 2 ? this.v86.port_read16(port) : this.v86.port_read32(port);
  }

  private writePort(port: number, width: Width, value: number): void {
    this.throwIfClosed();
    this.counters.portWrites++;
    this.clock.access();
    if (port >= CONFIG_DATA && port < CONFIG_DATA_END) this.counters.configurationWrites++;
    if (!this.ports.allows(port, width)) this.refuse("port write", port, width);
    else if (width === 1) this.v86.port_write8(port, value & 0xff);
    else if (width === 2) this.v86.port_write16(port, value & 0xffff);
    else this.v86.port_write32(port, value | 0);
  }

  private readMemory(pointer: number, width: Width): number {
    this.counters.memoryAccesses++;
    if (!this.isReachable(pointer, width)) return this.refuse("memory read", pointer, width);
    if (width === 1) return this.memory.getUint8(pointer);
    return width === 2 ? this.memory.getUint16(pointer, true) : this.memory.getUint32(pointer, true);
  }

  private writeMemory(pointer: number, width: Width, value: number): void {
    this.counters.memoryAccesses++;
    if (!this.isReachable(pointer, width)) this.refuse("memory write", pointer, width);
    else if (width === 1) this.memory.setUint8(pointer, value);
    else if (width === 2) this.memory.setUint16(pointer, value, true);
    else this.memory.setUint32(pointer, value, true);
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
  private refuse(kind: Refusal["kind"], address: number, bytes: number): number {
    if (this.refusals.length < MOST_REFUSALS) this.refusals.push({ kind, address, bytes });
    return bytes === 1 || bytes === 2 ? ALL_ONES[bytes] : ALL_ONES[4];
  }
}
