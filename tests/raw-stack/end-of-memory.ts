/** The last pages of linear memory, in the hands of the caller. */
import { PAGE_BYTES } from "../../kernel-shim/emulated-pc/memory/dma-pages.js";
import type { RawGround } from "./raw-ground.js";

/** Borrows all that a mapped kernel has left, up to the end of memory; returns how many bytes, 0 when there are none. */
export function lendTheRest(ground: RawGround): number {
  const { kernel } = ground.machine.pc;
  const end = ground.module.memory.buffer.byteLength;
  for (let bytes = (end * 3) / 4; bytes > 0; bytes -= PAGE_BYTES) {
    const pointer = kernel.dma_alloc(bytes / PAGE_BYTES);
    if (pointer + bytes === end) return bytes;
    if (pointer !== 0) kernel.dma_free(pointer, bytes / PAGE_BYTES);
  }
  return 0;
}
