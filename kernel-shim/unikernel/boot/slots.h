/**
 * The memory-mapped devices that the command line names, as Linux's does:
 * `virtio_mmio.device=SIZE@BASE:LINE`, once for each. QEMU's microvm appends them. [Linux virtio_mmio.c]
 */
#ifndef BOOT_SLOTS_H
#define BOOT_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

/** Where the registers of one device may be. */
struct slot {
  uint64_t base;
  uint64_t bytes;
  uint64_t line;
};

/**
 * Reads the next one from the command line.
 *
 * @param text where to start reading, advanced past what was read; at first the start of the command line
 * @returns false when there is no further one. One that cannot be read is passed over, with a report
 */
bool next_slot(const char **text, struct slot *slot);

#endif
