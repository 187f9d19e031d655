/** The machine's memory, as physical pages that are given out once and never come back. */
#ifndef MEMORY_FRAMES_H
#define MEMORY_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "../boot/start-information.h"

/** Finds the memory behind the image. To be called while physical memory is mapped one to one. */
void frames_start(const struct start_information *information);

/** Takes physically contiguous memory, a multiple of whole pages. Ends the machine when there is none. */
uint64_t frames_take(uint64_t bytes);

/** Whether the memory map, as far as it is known, claims any of these addresses: as memory, or for the board. */
bool frames_claim(uint64_t first, uint64_t bytes);

#endif
