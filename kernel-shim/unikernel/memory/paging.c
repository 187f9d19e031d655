/** Page tables of four levels, of pages of 4 KiB. They lie in the image, where they are mapped one to one. */
#include "paging.h"

#include "../exit.h"
#include "image.h"
#include "layout.h"

#define PAGE_PRESENT 1ull
#define PAGE_WRITABLE 2ull
#define PAGE_WRITE_THROUGH 8ull
#define PAGE_CACHE_DISABLE 16ull
#define PAGE_NO_EXECUTE (1ull << 63)
#define PAGE_ADDRESS 0x000ffffffffff000ull

#define ENTRIES 512
/** One maps 2 MiB; these are enough for some 60 MiB of linear memory. */
#define TABLES 48

typedef uint64_t table[ENTRIES];

static _Alignas(4096) table tables[TABLES];
static unsigned tables_used = 1;

/** Where the next of the kernel's own registers are mapped. */
static uint64_t kernel_registers = KERNEL_REGISTERS;

static table *const root = &tables[0];

/** The table that an entry of the level above points to, made when there is none. */
static table *following(uint64_t *entry) {
  if ((*entry & PAGE_PRESENT) == 0) {
    if (tables_used == TABLES) fail(EXIT_MACHINE, "there are too few page tables for this much linear memory");
    *entry = (uintptr_t)&tables[tables_used++] | PAGE_WRITABLE | PAGE_PRESENT;
  }
  return (table *)(uintptr_t)(*entry & PAGE_ADDRESS);
}

static void map_page(uint64_t address, uint64_t entry) {
  table *level = root;
  for (int shift = 39; shift > 12; shift -= 9) level = following(&(*level)[address >> shift & (ENTRIES - 1)]);
  (*level)[address >> 12 & (ENTRIES - 1)] = entry;
}

void paging_map(uint64_t address, uint64_t physical, uint64_t bytes, enum access access) {
  uint64_t flags = PAGE_PRESENT;
  if (access & ACCESS_WRITE) flags |= PAGE_WRITABLE;
  if ((access & ACCESS_EXECUTE) == 0) flags |= PAGE_NO_EXECUTE;
  if (access & ACCESS_REGISTERS) flags |= PAGE_WRITE_THROUGH | PAGE_CACHE_DISABLE;
  for (uint64_t offset = 0; offset < bytes; offset += PAGE_BYTES) {
    map_page(address + offset, (physical + offset) | flags);
  }
}

void paging_unmap(uint64_t address, uint64_t bytes) {
  for (uint64_t offset = 0; offset < bytes; offset += PAGE_BYTES) {
    map_page(address + offset, 0);
    __asm__ volatile("invlpg (%0)" : : "r"(address + offset) : "memory");
  }
}

volatile void *paging_map_registers(uint64_t physical, uint64_t bytes) {
  const uint64_t offset = physical % PAGE_BYTES;
  const uint64_t whole = (offset + bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
  const uint64_t address = kernel_registers;
  paging_map(address, physical - offset, whole, ACCESS_WRITE | ACCESS_REGISTERS);
  kernel_registers += whole;
  return (volatile void *)(address + offset);
}

static void map_image(const char *start, const char *end, enum access access) {
  paging_map((uintptr_t)start, (uintptr_t)start, (uint64_t)(end - start), access);
}

void paging_start(void) {
  map_image(image_start, image_constants, ACCESS_EXECUTE);
  map_image(image_constants, image_variables, ACCESS_READ);
  map_image(image_variables, image_end, ACCESS_WRITE);
  __asm__ volatile("mov %0, %%cr3" : : "r"((uintptr_t)root) : "memory");
}
