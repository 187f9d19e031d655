/** The machine's memory: what lies between the image and the end of the range of memory that it was loaded to. */
#include "frames.h"

#include "../exit.h"
#include "image.h"
#include "layout.h"

/** More than any firmware describes. What comes behind them belongs to nobody. */
#define RANGES_MAX 64

static uint64_t next, end;
static struct memory_range map[RANGES_MAX];
static uint32_t ranges_known;

void frames_start(const struct start_information *information) {
  const struct memory_range *ranges = (const struct memory_range *)(uintptr_t)information->memory_map;
  next = (uintptr_t)image_end;
  for (uint32_t index = 0; index < information->memory_map_entries; index++) {
    const struct memory_range *range = &ranges[index];
    const uint64_t range_end = range->start + range->bytes;
    if (ranges_known < RANGES_MAX) map[ranges_known++] = *range;
    if (range->type == MEMORY_RANGE_RAM && range->start <= next && next < range_end) end = range_end;
  }
}

bool frames_claim(uint64_t first, uint64_t bytes) {
  for (uint32_t index = 0; index < ranges_known; index++) {
    if (first < map[index].start + map[index].bytes && map[index].start < first + bytes) return true;
  }
  return false;
}

uint64_t frames_take(uint64_t bytes) {
  if (end < next || bytes > end - next) fail(EXIT_MACHINE, "the machine has too little memory");
  const uint64_t taken = next;
  next += bytes;
  return taken;
}
