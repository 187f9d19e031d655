/** Pages that the stack borrows from the kernel for its own rings, headers and receive buffers. */
import { dma_alloc, dma_free, NO_ADDRESS } from "../kernel";
import { contiguousBytes, forgetPages, physicalAddress, pointerRangeFits } from "./addresses";
import { overlapsArena } from "./arena";
import { isLinearMemory, overlapsStaticData } from "./linear";
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
  if (isOnePiece(pointer, pages * PAGE_BYTES)) return pointer;
  forgetPages(pointer, pages);
  dma_free(pointer, pages);
  return 0;
}

/** Whether the kernel gave what it was asked for: `bytes` that a device can be told of as one range. */
function isOnePiece(pointer: u32, bytes: u32): bool {
  if ((pointer & (PAGE_BYTES - 1)) != 0 || !pointerRangeFits(pointer, bytes)) return false;
  if (!isDefined(PORTED)) {
    // A device would write over the state that it is checked against, or the stack trap.
    if (!isLinearMemory(pointer, bytes) || overlapsStaticData(pointer, bytes) || overlapsArena(pointer, bytes))
      return false;
  }
  const address = physicalAddress(pointer);
  return address != NO_ADDRESS && contiguousBytes(pointer, bytes, address) == bytes;
}

/** Gives back what `allocatePages(bytes)` borrowed; pointer 0 is allowed. The device must not use it any more. */
export function freePages(pointer: u32, bytes: u32): void {
  if (pointer == 0) return;
  const pages = pagesFor(bytes);
  forgetPages(pointer, pages);
  dma_free(pointer, pages);
}
