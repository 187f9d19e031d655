/**
 * The pages of linear memory that are lent to devices: those between DMA_START and DMA_END, below the data of the
 * application, one flag each. First fit: nothing here is on the data path.
 */
#include "dma-pages.h"

#include "../memory/bytes.h"
#include "../memory/layout.h"

#if !defined DMA_START || !defined DMA_END
#error "say where in linear memory the pages for devices are"
#endif
#define PAGES ((DMA_END - DMA_START) / PAGE_BYTES)
#define NO_ADDRESS UINT64_MAX

static uint8_t lent[PAGES];

uint32_t dma_pages_take(const struct w2c_kernel *kernel, uint32_t pages) {
  if (pages == 0) return 0;
  for (uint32_t first = 0, run = 0; first + run < PAGES;) {
    if (lent[first + run]) {
      first += run + 1;
      run = 0;
    } else if (++run == pages) {
      const uint32_t pointer = DMA_START + first * (uint32_t)PAGE_BYTES;
      memset(lent + first, 1, pages);
      memset(kernel->memory->data + pointer, 0, pages * PAGE_BYTES);
      return pointer;
    }
  }
  return 0;
}

void dma_pages_give_back(uint32_t pointer, uint32_t pages) {
  if (pointer < DMA_START || pointer >= DMA_END) return;
  const uint64_t first = (pointer - DMA_START) / PAGE_BYTES;
  for (uint64_t page = first; page < PAGES && page - first < pages; page++) lent[page] = 0;
}

uint64_t dma_pages_address(const struct w2c_kernel *kernel, uint32_t pointer) {
  if (pointer < DMA_START || pointer >= DMA_END) return NO_ADDRESS;
  if (!lent[(pointer - DMA_START) / PAGE_BYTES]) return NO_ADDRESS;
  return kernel->physical + pointer;
}
