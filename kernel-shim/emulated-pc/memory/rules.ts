/** What the kernel interface asks of the stack when it borrows memory. */
import type { Rule } from "../violations.js";

export const DMA_FREE_MISMATCH: Rule = {
  id: "dma-free-mismatch",
  section: "kernel interface",
  text: "dma_free gives back exactly what one dma_alloc lent, and nothing of its caller's",
};
export const MEMORY_NOT_LENT: Rule = {
  id: "memory-not-lent",
  section: "kernel interface",
  text: "only memory that the kernel lends at that time is accessed",
};
export const MEMORY_ALIGNMENT: Rule = {
  id: "memory-alignment",
  section: "kernel interface",
  text: "accesses of memory are naturally aligned",
};
