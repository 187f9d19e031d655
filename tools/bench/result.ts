/**
 * What a run of the benchmarks measured: the document that `--json` writes. `npm run format` makes `result.schema.json` of
 * it.
 */

import type { Build } from "../build/project.js";
import type { QemuResult } from "./qemu/result.js";
import type { Path } from "./wasm-machine.js";

/**
 * Several measurements of one thing. What else the machine does only ever adds to a time, so that the quick runs say
 * most about the thing itself; the median and the slow ones say how quiet it was.
 */
export interface Spread {
  /** One run in seven is quicker. */
  readonly quick: number;
  readonly median: number;
  /** One run in seven is slower. */
  readonly slow: number;
}

/** What is moved, and how. */
export interface Point {
  readonly path: Path;
  /** Bytes of a request or frame. */
  readonly size: number;
  readonly segments: number;
  readonly batch: number;
}

/** What one request or frame costs in calls, as the machine counts them. */
export interface RequestCounts {
  /** Calls of kernel imports, of any kind. */
  readonly imports: number;
  readonly portAccesses: number;
  readonly barriers: number;
  readonly translations: number;
  /** Calls of `dma_alloc`. */
  readonly allocations: number;
  /** Ported build: calls of `phys_*`, and the bytes that they moved, none of them payload. */
  readonly memoryAccesses: number;
  readonly memoryBytes: number;
  /** Ring and table entries that the device finds. */
  readonly descriptors: number;
}

/** One point of the data path, nanoseconds a request. */
export interface DataPathRow extends Point {
  readonly build: Build;
  readonly counts: RequestCounts;
  /** The driver alone: what the loop and the device take is subtracted. */
  readonly stack: Spread;
  readonly reference: Spread;
  /** What the loop and the device take by themselves. */
  readonly alone: number;
  /** Stack to reference, quick runs. */
  readonly ratio: number;
  /** The stack before devices owned their queues, where it is measured. */
  readonly baseline: Spread | undefined;
}

/** How translated code finds linear memory: as wasm2c has it, by a pointer in memory, or at a place known to it. */
export type MemoryBase = "pointer" | "constant";

/** One point in native code. */
export interface NativeRow extends Point {
  readonly compiler: string;
  readonly memoryBase: MemoryBase;
  /** Instructions a request in the driver; kernel and device are not counted. */
  readonly stackInstructions: number;
  readonly referenceInstructions: number;
  readonly ratio: number;
  /** Nanoseconds a request, loop and device included. */
  readonly stack: Spread;
  readonly reference: Spread;
}

/** How the cost changes with how much there is. */
export interface GrowthRow {
  readonly path: Path;
  readonly what: "ring size" | "devices" | "instances";
  readonly value: number;
  /** Nanoseconds a request, loop and device included. */
  readonly nanoseconds: Spread;
  /** To the row that it is compared with, quick runs. */
  readonly ratio: number;
}

/** What one instance of the driver takes. */
export interface FootprintRow {
  readonly path: Path;
  readonly ringSize: number;
  /** Private memory, in bytes. */
  readonly privateBytes: number;
  /** Pages that the driver borrowed, in bytes: rings, tables, headers, buffers. */
  readonly sharedBytes: number;
  /** The module's own data. */
  readonly moduleBytes: number;
  /** What remains of the private memory and the module's data where rings have no entries. */
  readonly fixedBytes: number;
}

export interface ScanRow {
  readonly buses: number;
  readonly configurationReads: number;
  readonly microseconds: number;
}

/** What something takes of calls of the kernel. */
export interface KernelCalls {
  /** Port accesses, those to PCI configuration space included. */
  readonly ports: number;
  /** Accesses of memory-mapped registers. */
  readonly registers: number;
  /** Calls of kernel imports of any kind, these accesses included. */
  readonly imports: number;
}

/** A disk behind one transport. */
export interface TransportRow {
  readonly transport: string;
  readonly interrupts: "INTx" | "MSI-X";
  readonly scan: KernelCalls;
  readonly open: KernelCalls;
  /** One request of a batch. */
  readonly requests: readonly { readonly depth: number; readonly calls: KernelCalls }[];
  /** Taking one interrupt: the look at what the device wants. */
  readonly interrupt: KernelCalls;
}

/** A promise, what was measured, and whether it holds; undefined where this run does not judge. */
export interface Budget {
  readonly name: string;
  readonly limit: string;
  readonly measured: string;
  readonly holds: boolean | undefined;
}

export interface BenchResult {
  /** Of this document's form: another number means that fields went or have another meaning. */
  readonly version: 1;
  readonly quick: boolean;
  /** What it ran on. */
  readonly host: { readonly processor: string; readonly cores: number; readonly node: string };
  readonly dataPath: readonly DataPathRow[];
  readonly native: readonly NativeRow[];
  readonly growth: readonly GrowthRow[];
  readonly footprint: readonly FootprintRow[];
  readonly scan: readonly ScanRow[];
  readonly transports: readonly TransportRow[];
  /** What QEMU's devices cost; undefined when they were left out. */
  readonly qemu: QemuResult | undefined;
  readonly budgets: readonly Budget[];
}
