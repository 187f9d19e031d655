/**
 * What the boot loader says about the machine. [Xen x86 direct boot ABI (PVH), include/public/arch-x86/hvm/start_info.h]
 */
#ifndef BOOT_START_INFORMATION_H
#define BOOT_START_INFORMATION_H

#include <stdint.h>

struct start_information {
  /** START_INFORMATION_MAGIC. */
  uint32_t magic;
  /** 1 or more: there is a memory map. */
  uint32_t version;
  uint32_t flags;
  uint32_t module_count;
  uint64_t modules;
  /** Physical address of the command line, which ends with a zero; 0 when there is none. */
  uint64_t command_line;
  uint64_t acpi_root;
  /** Physical address of the first memory_range. */
  uint64_t memory_map;
  uint32_t memory_map_entries;
  uint32_t reserved;
};

#define START_INFORMATION_MAGIC 0x336ec578u

struct memory_range {
  uint64_t start;
  uint64_t bytes;
  /** MEMORY_RANGE_RAM: may be used. */
  uint32_t type;
  uint32_t reserved;
};

#define MEMORY_RANGE_RAM 1u

#endif
