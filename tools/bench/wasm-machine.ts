/** A driver, the null machine and the measured loops, put together in WebAssembly: three modules, one memory. */

import { modulesEnd, wasmPageBytes } from "./toolchain.js";

/** What the loops measure. */
export type Path = "block" | "transmit" | "receive";

/** Virtio device types. */
const deviceTypes = { block: 2, transmit: 1, receive: 1 } as const satisfies Record<Path, number>;

/** What QEMU offers of what the driver stack knows. */
const features = {
  // SEG_MAX, BLK_SIZE, FLUSH, ANY_LAYOUT, INDIRECT_DESC, EVENT_IDX. [virtio-1.2 §5.2.3, §6]
  block: (1 << 2) | (1 << 6) | (1 << 9) | (1 << 27) | (1 << 28) | (1 << 29),
  // MAC, MRG_RXBUF, STATUS, ANY_LAYOUT, INDIRECT_DESC, EVENT_IDX. [virtio-1.2 §5.1.3, §6]
  net: (1 << 5) | (1 << 15) | (1 << 16) | (1 << 27) | (1 << 28) | (1 << 29),
} as const;

/** The counters of a machine that counts, in their order in `machine.h`. */
const countNames = [
  "portReads",
  "portWrites",
  "wmb",
  "rmb",
  "mb",
  "relax",
  "now",
  "log",
  "dmaAlloc",
  "dmaFree",
  "dmaAddress",
  "memoryReads",
  "memoryWrites",
  "memoryBytes",
  "configurationReads",
  "pages",
  "chains",
  "descriptors",
  "mistakes",
] as const;

export type Counts = Record<(typeof countNames)[number], number>;

interface MachineExports {
  machine_initialize(dmaStart: number, dmaEnd: number, tables: number): void;
  machine_add_bridges(count: number): void;
  machine_count(count: number): number;
}

type Loop = (turns: number, batch: number) => void;

interface LoopsExports extends Record<`${Path}_run` | `${Path}_alone`, Loop> {
  loops_initialize(address: number): number;
  loops_give(arena: number, bytes: number): number;
  loops_open(type: number, queueSize: number, features: number): number;
  loops_mistakes(): number;
  block_prepare(size: number, segments: number): void;
  transmit_prepare(size: number, segments: number): void;
  receive_prepare(size: number, segments: number): void;
}

/** What is called beside the loops; the reference has none of it. */
interface DriverExports {
  heap_base(): number;
  pci_scan(records: number, capacity: number): number;
}

export interface WasmMachineOptions {
  readonly driver: WebAssembly.Module;
  readonly machine: WebAssembly.Module;
  readonly loops: WebAssembly.Module;
  readonly path: Path;
  readonly queueSize: number;
  readonly devices?: number;
  /** Bridges behind each other, in a machine without devices. */
  readonly bridges?: number;
  /** Pages of 64 KiB in all. */
  readonly pages?: number;
  /** Bytes for the driver's private memory. */
  readonly arenaBytes?: number;
  /** Bytes for the machine's own tables. */
  readonly tableBytes?: number;
}

const defaultPages = 1024;
const defaultArenaBytes = 4 << 20;
const defaultTableBytes = 1 << 20;

export class WasmMachine {
  private readonly memory: WebAssembly.Memory;
  private readonly path: Path;
  private readonly devices: number;
  private readonly machine: MachineExports;
  private readonly loops: LoopsExports;
  private readonly driver: DriverExports;
  private readonly arena: number;
  private readonly arenaBytes: number;

  constructor(options: WasmMachineOptions) {
    const pages = options.pages ?? defaultPages;
    const arenaBytes = options.arenaBytes ?? defaultArenaBytes;
    const tableBytes = options.tableBytes ?? defaultTableBytes;
    this.path = options.path;
    this.devices = options.devices ?? 1;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const env = { memory: this.memory };
    const machine = new WebAssembly.Instance(options.machine, { env }).exports;
    const driver = new WebAssembly.Instance(options.driver, { env, kernel: machine }).exports;
    const loops = new WebAssembly.Instance(options.loops, { env, machine, driver }).exports;
    // What a module exports is known only to whoever wrote it.
    this.machine = machine as unknown as MachineExports;
    this.loops = loops as unknown as LoopsExports;
    this.driver = driver as unknown as DriverExports;

    const arena = modulesEnd + wasmPageBytes;
    this.arena = arena;
    this.arenaBytes = arenaBytes;
    const tables = arena + arenaBytes;
    const dmaStart = tables + tableBytes;
    this.machine.machine_initialize(dmaStart, pages * wasmPageBytes, tables);
    this.loops.loops_initialize(modulesEnd);
    this.expect(this.loops.loops_give(arena, arenaBytes) === 0, "the driver does not take its memory");
    if (options.bridges !== undefined) this.machine.machine_add_bridges(options.bridges);
    const offered = this.path === "block" ? features.block : features.net;
    for (let device = 0; device < this.devices; device++) {
      const handle = this.loops.loops_open(deviceTypes[this.path], options.queueSize, offered);
      this.expect(handle > 0, `a device does not open: ${handle}`);
    }
  }

  /** Sets the size and number of segments of what `run` moves. */
  prepare(size: number, segments: number): void {
    this.loops[`${this.path}_prepare`](size, segments);
  }

  /** Moves `count` requests or frames in batches, in turn on every device. */
  run(count: number, batch: number): void {
    this.loops[`${this.path}_run`](this.turns(count, batch), batch);
  }

  /** What the loop and the devices do for `count` requests; the count must be a multiple of 65536 for each device. */
  runAlone(count: number, batch: number): void {
    this.loops[`${this.path}_alone`](this.turns(count, batch), batch);
  }

  /** Throws unless every batch went through as it should. */
  check(): void {
    this.expect(this.loops.loops_mistakes() === 0, "a batch did not go through");
  }

  counts(): Counts {
    const counts = countNames.map((name, index) => [name, this.machine.machine_count(index)]);
    return Object.fromEntries(counts) as Counts;
  }

  /** Scans the PCI buses; returns how many functions it found. */
  scan(): number {
    // Capacity 0: they are only counted.
    return this.driver.pci_scan(modulesEnd, 0);
  }

  /** The module's own data, which begins where the machine's other modules expect it. */
  get moduleBytes(): number {
    return this.driver.heap_base() - wasmPageBytes;
  }

  /** How much of the driver's private memory is in use: all up to the header of the block that is free. */
  get privateBytes(): number {
    const arena = new Uint8Array(this.memory.buffer, this.arena, this.arenaBytes);
    return arena.findLastIndex((byte) => byte !== 0);
  }

  private turns(count: number, batch: number): number {
    return Math.ceil(count / batch / Math.max(this.devices, 1));
  }

  private expect(isSo: boolean, problem: string): void {
    if (!isSo) throw new Error(problem);
  }
}
