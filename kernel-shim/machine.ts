/**
 * What a JavaScript host has to be for the binding, the commands and the tests: the kernel that imports come from,
 * and the memory, interrupts and time that an application needs beside the stack.
 *
 * `emulated-pc/`, `qemu/` and `v86/` implement it. Everything is synchronous, as the module's imports are.
 */

/** The import module `kernel`, in the order of `assembly/kernel.ts`. The `phys_*` half serves the ported build. */
export interface KernelImports {
  in8(port: number): number;
  in16(port: number): number;
  in32(port: number): number;
  out8(port: number, value: number): void;
  out16(port: number, value: number): void;
  out32(port: number, value: number): void;
  dma_alloc(pages: number): number;
  dma_free(pointer: number, pages: number): void;
  dma_address(pointer: number): bigint;
  wmb(): void;
  rmb(): void;
  mb(): void;
  relax(): void;
  now_ns(): bigint;
  log(message: number, first: number, second: number): void;
  phys_read8(pointer: number): number;
  phys_read16(pointer: number): number;
  phys_read32(pointer: number): number;
  phys_write8(pointer: number, value: number): void;
  phys_write16(pointer: number, value: number): void;
  phys_write32(pointer: number, value: number): void;
}

/** What a build that contains a transport with registers in memory imports beside them. */
export interface MmioImports {
  /** Returns a window: register `o` is accessed at window + o. 0: the kernel does not grant these registers. */
  mmio_map(address: bigint, bytes: number): number;
  mmio_unmap(window: number, bytes: number): void;
  mmio_read8(pointer: number): number;
  mmio_read16(pointer: number): number;
  mmio_read32(pointer: number): number;
  mmio_write8(pointer: number, value: number): void;
  mmio_write16(pointer: number, value: number): void;
  mmio_write32(pointer: number, value: number): void;
}

/** Which build of the module a machine hosts. */
export type Build = "mapped" | "ported";

/** The resources that the kernel grants to BARs and bridges that firmware left unassigned. */
export interface PciGrant {
  ioBase: number;
  /** Port behind the last one granted. */
  ioEnd: number;
  memoryBase: number;
  /** Last address granted, included. */
  memoryLast: number;
}

/** How often the stack crossed into the kernel; all counters only grow. */
export interface Counters {
  /** Port accesses, those of configuration mechanism 1 included. */
  portReads: number;
  portWrites: number;
  /** Reads and writes of the configuration data register, 0xcfc to 0xcff. */
  configurationReads: number;
  configurationWrites: number;
  /** Calls of `wmb`, `rmb` and `mb`. */
  barriers: number;
  /** Calls of `dma_address`. */
  translations: number;
  /** Calls of `phys_*`. */
  memoryAccesses: number;
  /** Calls of `mmio_read*` and `mmio_write*`. */
  mmioReads: number;
  mmioWrites: number;
}

/** A place of a memory-mapped device, as a kernel knows it from a command line or a device tree. */
export interface MmioSlot {
  /** Physical address of the registers. */
  readonly base: bigint;
  readonly bytes: number;
  /** The interrupt line, as `waitForInterrupt` reports it. */
  readonly interrupt: number;
}

/** A message of the stack's, as `log` was given it. */
export interface LogEntry {
  message: number;
  first: number;
  second: number;
}

export interface Machine {
  /** For people: "emulated PC, profile qemu" or "QEMU 7.2.22, pc". */
  readonly name: string;
  readonly build: Build;
  /** Linear memory of a fixed size (initial = maximum), to be imported as `env.memory`. */
  readonly memory: WebAssembly.Memory;
  readonly kernel: KernelImports & Partial<MmioImports>;
  readonly pciGrant: PciGrant;
  readonly counters: Readonly<Counters>;
  /** What the stack logged, oldest first. */
  readonly log: readonly LogEntry[];

  /**
   * Hands out linear memory that no device reaches, for records and for the stack's private arena: zeroed, aligned
   * to 16 bytes, never taken back. `heapBase` of the module must be told first with `setHeapBase`.
   */
  reservePrivate(bytes: number): number;
  /** Says where the module's own data ends; memory below stays the module's. */
  setHeapBase(address: number): void;

  /**
   * Lends the application memory that devices can reach: whole pages, zeroed. Consecutive pointers; physically
   * contiguous unless `scattered`, where every page comes from somewhere else (mapped machines only; others ignore it).
   * The application's until `freeBuffer`: the stack cannot give it back with `dma_free`.
   */
  allocateBuffer(bytes: number, options?: { scattered?: boolean }): number;
  freeBuffer(pointer: number): void;
  /** A copy of the bytes at `pointer`. */
  readBuffer(pointer: number, length: number): Uint8Array;
  writeBuffer(pointer: number, bytes: Uint8Array): void;

  /**
   * Lets the stack reach `length` ports from `base` on. Configuration mechanism 1 is granted from the start, and stays
   * so. Grants are counted: a port that is in two of them stays granted when one is revoked. Throws RangeError for
   * ports that no device may have: those below 0x1000, and beyond the last.
   */
  grantPorts(base: number, length: number): void;
  /** Takes back what one call of `grantPorts` granted. */
  revokePorts(base: number, length: number): void;

  /** The places of memory-mapped devices, empty ones among them; absent where there are none. */
  readonly mmioSlots?: readonly MmioSlot[];

  /** The interrupt line that a function's pin is wired to, as `waitForInterrupt` reports it. */
  interruptLine(pciAddress: number, interruptPin: number): number;
  /**
   * Programs the first `vectors` entries of the MSI-X table at physical address `table`, which is the function's at
   * `pciAddress`, and unmasks them; the function need not answer in memory yet. Returns the number under which
   * `waitForInterrupt` reports each: 256 or more. Absent where messages are not supported.
   */
  connectMessages?(table: bigint, vectors: number, pciAddress: number): number[];
  /**
   * Lets devices work until an interrupt line is asserted, a message came, or `timeoutMilliseconds` are over (virtual
   * time on the emulated PC, real time on QEMU). Returns the asserted lines and, once each, the messages that came since
   * the last call; none on time-out.
   */
  waitForInterrupt(timeoutMilliseconds: number): number[];

  /** Ends the machine: processes, files, temporary folders. A second call does nothing. */
  close(): void;
}
