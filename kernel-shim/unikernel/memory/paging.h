/** Page tables. [Intel SDM 3A §4.5] */
#ifndef MEMORY_PAGING_H
#define MEMORY_PAGING_H

#include <stdint.h>

/** What may be done with a page, beside reading it; registers of devices are never cached. */
enum access { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_EXECUTE = 2, ACCESS_REGISTERS = 4 };

/** Maps the image, each part for what it is for, and leaves the tables that mapped everything. */
void paging_start(void);

/** Maps `bytes`, whole pages, of physical memory. The page tables for it last for the machine's lifetime. */
void paging_map(uint64_t address, uint64_t physical, uint64_t bytes, enum access access);

/** Takes back what `paging_map` mapped. */
void paging_unmap(uint64_t address, uint64_t bytes);

/** Maps registers for the kernel itself, for good. Returns where; they may lie across pages. */
volatile void *paging_map_registers(uint64_t physical, uint64_t bytes);

#endif
