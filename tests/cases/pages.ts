/** Counts the pages that a stack borrows from a machine. */

import type { KernelImports } from "../../kernel-shim/machine.js";

/** Counts from now on. To be called before the stack is put onto the machine; returns the pages lent at the moment. */
export function countLentPages(kernel: KernelImports): () => number {
  const alloc = kernel.dma_alloc.bind(kernel);
  const free = kernel.dma_free.bind(kernel);
  let lent = 0;
  kernel.dma_alloc = (pages) => {
    const pointer = alloc(pages);
    if (pointer !== 0) lent += pages;
    return pointer;
  };
  kernel.dma_free = (pointer, pages) => {
    lent -= pages;
    free(pointer, pages);
  };
  return () => lent;
}
