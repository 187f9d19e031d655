/** The pages of linear memory that are lent to devices. */
#ifndef SHIM_DMA_PAGES_H
#define SHIM_DMA_PAGES_H

#include <stdint.h>

#include "kernel.h"

/**
 * As `dma_alloc`, `dma_free` and `dma_address` of the kernel interface. Giving back anything but what one call took
 * ends the machine with a report. Pages are lent whole: what is said of a byte is true of its page.
 */
uint32_t dma_pages_take(const struct w2c_kernel *kernel, uint32_t pages);
void dma_pages_give_back(uint32_t pointer, uint32_t pages);
uint64_t dma_pages_address(const struct w2c_kernel *kernel, uint32_t pointer);

#endif
