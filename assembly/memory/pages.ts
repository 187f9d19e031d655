/** Pages that the stack borrows from the kernel for its own rings, headers and receive buffers. */
import { dma_alloc, dma_free, NO_ADDRESS } from "../kernel";
import { forgetPages, physicalAddress } from "./addresses";
import { PAGE_BYTES } from "./shared";

/** Pages that hold `bytes`. */
export function pagesFor(bytes: u32): u32 {
  return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

/**
 * Borrows zeroed, page-aligned, physically contiguous memory of at least `bytes`.
 *
 * @returns a pointer that the stack owns until `freePages`, or 0
 */
export function allocatePages(bytes: u32): u32 {
  const pages = pagesFor(bytes);
  const pointer = dma_alloc(pages);
  if (pointer == 0) return 0;
  if ((pointer & (PAGE_BYTES - 1)) == 0 && physicalAddress(pointer) != NO_ADDRESS) return pointer;
  forgetPages(pointer, pages);
  dma_free(pointer, pages);
  return 0;
}

/** Gives back what `allocatePages(bytes)` borrowed; pointer 0 is allowed. The device must not use it any more. */
export function freePages(pointer: u32, bytes: u32): void {
  if (pointer == 0) return;
  const pages = pagesFor(bytes);
  forgetPages(pointer, pages);
  dma_free(pointer, pages);
}
