/**
 * Memory of the reference: records of the caller, memory that devices reach, physical addresses.
 *
 * Addresses have 32 bits, in a native program, too: the caller's memory lies below 4 GiB there.
 */
#ifndef REFERENCE_MEMORY_H
#define REFERENCE_MEMORY_H

#include "kernel.h"

#define PAGE_BYTES UINT32_C(4096)
#define PAGE_SHIFT 12

/** Where memory ends; nothing behind it is a record. */
static inline uint64_t memory_end(void) {
#ifdef __wasm__
  return (uint64_t)__builtin_wasm_memory_size(0) << 16;
#else
  extern uint64_t kernel_memory_end;
  return kernel_memory_end;
#endif
}

static inline void *at(uint32_t address) {
  return (void *)(uintptr_t)address;
}

/** Whether `count` records of `size` bytes at `pointer` lie in memory. */
static inline bool records_fit(uint32_t pointer, uint32_t count, uint32_t size) {
  return pointer != 0 && pointer + (uint64_t)count * size <= memory_end();
}

static inline bool pointer_range_fits(uint32_t pointer, uint32_t length) {
  return (uint64_t)pointer + length <= UINT64_C(1) << 32;
}

/** Zeroed memory that nobody but the driver reaches, for good; NULL when there is no more. */
void *take_private(uint32_t bytes);
/** Zeroed pages that devices reach; 0 when there are none. */
uint32_t take_pages(uint32_t bytes);

/** One remembered page. */
struct translation {
  /** Page number + 1. */
  uint32_t key;
  uint64_t address;
};

#define TRANSLATIONS 512
extern struct translation translations[TRANSLATIONS];

uint64_t translate(uint32_t page);

/** Physical address of the byte at `pointer`, or VIRTIO_NO_ADDRESS. */
static inline uint64_t physical_address(uint32_t pointer) {
  const uint32_t page = pointer >> PAGE_SHIFT;
  const struct translation *entry = &translations[page % TRANSLATIONS];
  if (__builtin_expect(entry->key != page + 1, 0) && translate(page) == VIRTIO_NO_ADDRESS) return VIRTIO_NO_ADDRESS;
  return entry->address + (pointer & (PAGE_BYTES - 1));
}

/** How many of the `length` bytes at `pointer` follow each other physically from `address` on. */
static inline uint32_t contiguous_bytes(uint32_t pointer, uint32_t length, uint64_t address) {
  uint32_t bytes = PAGE_BYTES - (pointer & (PAGE_BYTES - 1));
  while (bytes < length && physical_address(pointer + bytes) == address + bytes) {
    if (length - bytes <= PAGE_BYTES) return length;
    bytes += PAGE_BYTES;
  }
  return bytes < length ? bytes : length;
}

/* Memory that devices reach: in the mapped build a load or store, in the ported build an import. */

#ifdef PORTED
static inline uint32_t read8(uint32_t pointer) {
  return kernel_phys_read8(pointer);
}
static inline uint32_t read16(uint32_t pointer) {
  return kernel_phys_read16(pointer);
}
static inline uint32_t read32(uint32_t pointer) {
  return kernel_phys_read32(pointer);
}
static inline void write16(uint32_t pointer, uint32_t value) {
  kernel_phys_write16(pointer, value);
}
static inline void write32(uint32_t pointer, uint32_t value) {
  kernel_phys_write32(pointer, value);
}
static inline void write64(uint32_t pointer, uint64_t value) {
  kernel_phys_write32(pointer, (uint32_t)value);
  kernel_phys_write32(pointer + 4, (uint32_t)(value >> 32));
}
#else
static inline uint32_t read8(uint32_t pointer) {
  return *(const uint8_t *)at(pointer);
}
static inline uint32_t read16(uint32_t pointer) {
  return *(const uint16_t *)at(pointer);
}
static inline uint32_t read32(uint32_t pointer) {
  return *(const uint32_t *)at(pointer);
}
static inline void write16(uint32_t pointer, uint32_t value) {
  *(uint16_t *)at(pointer) = (uint16_t)value;
}
static inline void write32(uint32_t pointer, uint32_t value) {
  *(uint32_t *)at(pointer) = value;
}
static inline void write64(uint32_t pointer, uint64_t value) {
  *(uint64_t *)at(pointer) = value;
}
#endif

#endif
