/**
 * How the machine divides memory: the module's own data, private memory for records and rings' state, and the pool of
 * pages that are lent to devices.
 *
 *     mapped   linear memory   │ module │ private │ pool                     │
 *     ported   linear memory   │ module │ private                            │
 *              physical memory │ pool                                        │
 */
import type { Build } from "../../machine.js";
import { DmaPages, PAGE_BYTES } from "./dma-pages.js";

/** A memory that somebody else made, for the mapped build: the machine lends pages of the given range of it. */
export interface ForeignMemory {
  memory: WebAssembly.Memory;
  /** First byte of the pool, a multiple of 4096 and not 0: a null pointer must not name a page. */
  poolStart: number;
  /** Behind the last byte of the pool, a multiple of 4096. */
  poolEnd: number;
}

/** The same for the ported build: all of the physical memory is the pool. */
export interface ForeignMemories {
  memory: WebAssembly.Memory;
  /** A multiple of 4096 bytes. */
  physical: ArrayBuffer;
}

const WASM_PAGE_BYTES = 65536;
const PRIVATE_ALIGNMENT = 16;
/** Which part of the memory the pool leaves to the module and its private memory. */
const PRIVATE_SHARE = 4;
/** Where physical memory starts in a ported machine: far from every address in linear memory. */
const PORTED_BASE = 0x1000_0000;

export class MachineMemory {
  readonly memory: WebAssembly.Memory;
  readonly pages: DmaPages;
  private readonly privateEnd: number;
  private nextPrivate = 0;

  /**
   * @param bytes of memory in all, a multiple of 256 KiB; ignored with `foreign`
   * @param foreign the kind that is for this build
   */
  constructor(build: Build, bytes: number, foreign: ForeignMemory | ForeignMemories | undefined, seed: number) {
    if (bytes % (WASM_PAGE_BYTES * PRIVATE_SHARE) !== 0) throw new Error("memory must be a multiple of 256 KiB");
    const privateBytes = bytes / PRIVATE_SHARE;
    if (build === "ported") {
      if (foreign !== undefined && !("physical" in foreign)) {
        throw new Error("a foreign memory of the ported build needs physical memory beside it");
      }
      this.memory = foreign?.memory ?? createMemory(privateBytes);
      this.privateEnd = this.memory.buffer.byteLength;
      const physical = foreign?.physical ?? new ArrayBuffer(bytes - privateBytes);
      this.pages = new DmaPages({
        buffer: () => physical,
        start: 0,
        end: physical.byteLength,
        pointerBase: PORTED_BASE,
        identity: true,
        seed,
      });
      return;
    }
    if (foreign !== undefined && "physical" in foreign) throw new Error("the mapped build has no physical memory");
    const memory = foreign?.memory ?? createMemory(bytes);
    const start = foreign?.poolStart ?? privateBytes;
    const end = foreign?.poolEnd ?? bytes;
    const isWhole = start % PAGE_BYTES === 0 && end % PAGE_BYTES === 0;
    if (start === 0 || !isWhole || start > end || end > memory.buffer.byteLength) {
      throw new Error("the pool must start and end at pages of the memory, and not at address 0");
    }
    this.memory = memory;
    this.privateEnd = start;
    this.pages = new DmaPages({ buffer: () => memory.buffer, start, end, pointerBase: start, identity: false, seed });
  }

  setHeapBase(address: number): void {
    this.nextPrivate = Math.max(this.nextPrivate, address);
  }

  reservePrivate(bytes: number): number {
    if (this.nextPrivate === 0) throw new Error("setHeapBase must be called before reservePrivate");
    const pointer = Math.ceil(this.nextPrivate / PRIVATE_ALIGNMENT) * PRIVATE_ALIGNMENT;
    if (pointer + bytes > this.privateEnd) throw new Error(`there are no ${bytes} bytes of private memory left`);
    this.nextPrivate = pointer + bytes;
    new Uint8Array(this.memory.buffer, pointer, bytes).fill(0);
    return pointer;
  }
}

function createMemory(bytes: number): WebAssembly.Memory {
  const pages = bytes / WASM_PAGE_BYTES;
  return new WebAssembly.Memory({ initial: pages, maximum: pages });
}
