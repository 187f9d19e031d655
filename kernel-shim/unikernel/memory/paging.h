/** Page tables. [Intel SDM 3A §4.5] */
#ifndef MEMORY_PAGING_H
#define MEMORY_PAGING_H

#include <stdint.h>

/** What may be done with a page, beside reading it. */
enum access { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_EXECUTE = 2 };

/** Maps the image, each part for what it is for, and leaves the tables that mapped everything. */
void paging_start(void);

/** Maps `bytes`, whole pages, of physical memory. The page tables for it last for the machine's lifetime. */
void paging_map(uint64_t address, uint64_t physical, uint64_t bytes, enum access access);

#endif
