/**
 * The largest memory there can be, 65,536 pages: its last byte is the last that a pointer names, and sums of pointers and
 * lengths end at 2^32. Only what is touched exists.
 */
import type { Build, KernelImports } from "../../kernel-shim/machine.js";
import { MODULE_BASE } from "./raw-module.js";
import type { RawGroundOptions } from "./raw-ground.js";

export const MEMORY_END = 2 ** 32;
const WASM_PAGES = 65_536;
/** What tests touch at either end. */
const TOUCHED_LOW = 4 * 1024 * 1024;
const TOUCHED_HIGH = 1024 * 1024;
/** Where the ported machine's pointers begin, and what of its memory it lends. */
const PORTED_BASE = 0x1000_0000;
const LENT_SHARE = 3 / 4;
/** The smallest memory of a ported machine. */
const PORTED_STEP = 256 * 1024;

/** Where everything lies. */
export interface Places {
  /** The stack's private memory. */
  readonly arena: { readonly start: number; readonly bytes: number };
  /** 64 KiB for the tests' records. */
  readonly records: number;
  /** What the kernel lends; in the ported build it may be larger, and ends or begins there. */
  readonly pool: { readonly start: number; readonly end: number };
}

let memory: WebAssembly.Memory | undefined;

/** The one there is, with nothing in it; whoever had it before must not use it any more. */
function clearMemory(): WebAssembly.Memory {
  memory ??= new WebAssembly.Memory({ initial: WASM_PAGES, maximum: WASM_PAGES });
  new Uint8Array(memory.buffer, 0, TOUCHED_LOW).fill(0);
  new Uint8Array(memory.buffer, MEMORY_END - TOUCHED_HIGH).fill(0);
  return memory;
}

/** A ground in all of that memory. One at a time. */
export function inWholeMemory(build: Build, places: Places): RawGroundOptions {
  const linear = clearMemory();
  const { arena, records, pool } = places;
  if (build === "mapped") {
    const foreign = { memory: linear, poolStart: pool.start, poolEnd: pool.end };
    return { build, arena, records, machine: { memory: foreign } };
  }
  const wanted = (pool.end - pool.start) / LENT_SHARE;
  const memoryBytes = Math.ceil(wanted / PORTED_STEP) * PORTED_STEP;
  const isAtEnd = pool.end === MEMORY_END;
  const first = isAtEnd ? pool.end - memoryBytes * LENT_SHARE : pool.start;
  const shift = first - PORTED_BASE;
  const wrap = (honest: KernelImports): KernelImports => shifted(honest, shift);
  return { build, arena, records, linear, machine: { memoryBytes }, wrap, shift };
}

/** A kernel whose pointers are larger by so much. */
function shifted(honest: KernelImports, by: number): KernelImports {
  const inner = (pointer: number): number => (pointer >>> 0) - by;
  return {
    ...honest,
    dma_alloc: (pages) => {
      const pointer = honest.dma_alloc(pages) >>> 0;
      return pointer === 0 ? 0 : (pointer + by) | 0;
    },
    dma_free: (pointer, pages) => honest.dma_free(inner(pointer), pages),
    dma_address: (pointer) => honest.dma_address(inner(pointer)),
    phys_read8: (pointer) => honest.phys_read8(inner(pointer)),
    phys_read16: (pointer) => honest.phys_read16(inner(pointer)),
    phys_read32: (pointer) => honest.phys_read32(inner(pointer)),
    phys_write8: (pointer, value) => honest.phys_write8(inner(pointer), value),
    phys_write16: (pointer, value) => honest.phys_write16(inner(pointer), value),
    phys_write32: (pointer, value) => honest.phys_write32(inner(pointer), value),
  };
}

/** Records and private memory apart from the ends, lent memory at the end. */
export const poolAtEnd: Places = {
  arena: { start: 1024 * 1024, bytes: 1024 * 1024 },
  records: 3 * 1024 * 1024,
  pool: { start: MEMORY_END - 768 * 1024, end: MEMORY_END },
};

/** The same, and lent memory begins with the second page. */
export const poolAtStart: Places = { ...poolAtEnd, pool: { start: 4096, end: MODULE_BASE } };
