/**
 * Which registers in memory WebAssembly may reach: `mmio_map` and what follows it. What a device claims is granted once,
 * for good; the driver stack then maps parts of it, and reaches those through windows.
 */
#ifndef SHIM_REGISTER_GRANTS_H
#define SHIM_REGISTER_GRANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "grant.h"

/** Judges `bytes` from physical address `first` on, which may be any numbers that a device made up. */
enum grant registers_judge(uint64_t first, uint64_t bytes);

/** Whether so many more ranges can be granted or kept. */
bool registers_have_room(uint32_t ranges);

/** Grants what was judged possible; there must be room. */
void registers_grant(uint64_t first, uint64_t bytes);

/** Keeps what was judged possible for the kernel itself: it is never granted. There must be room. */
void registers_keep(uint64_t first, uint64_t bytes);

/**
 * Maps registers.
 *
 * @returns the number of the first one in WebAssembly; 0 when they are not granted, or, with a report, when there is no
 * window for them
 */
uint32_t registers_map(uint64_t first, uint32_t bytes);

/** Ends one mapping. Ends the machine with a report when there is no such mapping. */
void registers_unmap(uint32_t window, uint32_t bytes);

/** The register of `width` bytes with that number. Ends the machine with a report unless it is mapped, and aligned. */
volatile void *registers_at(uint32_t pointer, uint32_t width);

#endif
