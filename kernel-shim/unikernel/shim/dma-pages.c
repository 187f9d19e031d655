/**
 * The pages of linear memory that are lent to devices: those between DMA_START and DMA_END, below the data of the
 * application. First fit: nothing here is on the data path.
 */
#include "dma-pages.h"

#include "../console.h"
#include "../exit.h"
#include "../memory/bytes.h"
#include "../memory/layout.h"

#if !defined DMA_START || !defined DMA_END
#error "say where in linear memory the pages for devices are"
#endif
#define PAGES ((DMA_END - DMA_START) / PAGE_BYTES)
#define NO_ADDRESS UINT64_MAX

/** Of each page: 0 when it is free, how many pages the loan has that it begins, or that it is further on in one. */
static uint16_t lent[PAGES];
#define FURTHER_ON UINT16_MAX
_Static_assert(PAGES < FURTHER_ON, "a loan of all pages is told from a page within one");

uint32_t dma_pages_take(const struct w2c_kernel *kernel, uint32_t pages) {
  if (pages == 0) return 0;
  for (uint32_t first = 0, run = 0; first + run < PAGES;) {
    if (lent[first + run]) {
      first += run + 1;
      run = 0;
    } else if (++run == pages) {
      const uint32_t pointer = DMA_START + first * (uint32_t)PAGE_BYTES;
      lent[first] = (uint16_t)pages;
      for (uint32_t page = 1; page < pages; page++) lent[first + page] = FURTHER_ON;
      memset(kernel->memory->data + pointer, 0, pages * PAGE_BYTES);
      return pointer;
    }
  }
  return 0;
}

/** How many pages the loan has that begins there; 0 when none does. */
static uint32_t loan_at(uint32_t pointer) {
  if (pointer < DMA_START || pointer >= DMA_END || pointer % PAGE_BYTES != 0) return 0;
  const uint16_t pages = lent[(pointer - DMA_START) / PAGE_BYTES];
  return pages == FURTHER_ON ? 0 : pages;
}

void dma_pages_give_back(uint32_t pointer, uint32_t pages) {
  if (pages == 0 || loan_at(pointer) != pages) {
    print("kernel: ");
    print_decimal(pages);
    print(" pages at ");
    print_hexadecimal(pointer, 1);
    print("\n");
    fail(EXIT_PAGES, "memory was given back that was not lent like that");
  }
  memset(&lent[(pointer - DMA_START) / PAGE_BYTES], 0, pages * sizeof lent[0]);
}

uint64_t dma_pages_address(const struct w2c_kernel *kernel, uint32_t pointer) {
  if (pointer < DMA_START || pointer >= DMA_END) return NO_ADDRESS;
  if (!lent[(pointer - DMA_START) / PAGE_BYTES]) return NO_ADDRESS;
  return kernel->physical + pointer;
}
