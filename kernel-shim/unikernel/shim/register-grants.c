/**
 * Grants as a list of ranges, mappings as windows of virtual memory, each with whole pages around what it is for. The
 * processor keeps the rest of the address space out of reach; what shares a page with a mapping is kept out here.
 */
#include "register-grants.h"

#include <stddef.h>

#include "../console.h"
#include "../exit.h"
#include "../memory/frames.h"
#include "../memory/layout.h"
#include "../memory/paging.h"

/**
 * The end of the first 4 GiB belongs to the system board: interrupt controllers, timers, firmware. [Intel ICH9 §10.3]
 * Messages of devices go there, too. [Intel SDM 3A §10.11]
 */
#define BOARD 0xfec00000ull
#define BOARD_END 0x100000000ull
/** What a page table can name. */
#define PHYSICAL_END (1ull << 52)

#define GRANTS_MAX 128

static struct {
  uint64_t first, bytes;
  bool is_kernel;
} grants[GRANTS_MAX];
static uint32_t grant_count;

/** A window is free when nobody counts on it. */
static struct mapping {
  uint64_t first;
  uint32_t bytes, count;
} mappings[REGISTER_WINDOWS];

static bool overlap(uint64_t first, uint64_t bytes, uint64_t other, uint64_t other_bytes) {
  return first < other + other_bytes && other < first + bytes;
}

enum grant registers_judge(uint64_t first, uint64_t bytes) {
  if (bytes == 0 || first >= PHYSICAL_END || bytes > PHYSICAL_END - first) return GRANT_PROTECTED;
  if (overlap(first, bytes, BOARD, BOARD_END - BOARD) || frames_claim(first, bytes)) return GRANT_PROTECTED;
  for (uint32_t index = 0; index < grant_count; index++) {
    if (overlap(first, bytes, grants[index].first, grants[index].bytes)) return GRANT_TAKEN;
  }
  return GRANT_POSSIBLE;
}

bool registers_have_room(uint32_t ranges) {
  return ranges <= GRANTS_MAX - grant_count;
}

static void note(uint64_t first, uint64_t bytes, bool is_kernel) {
  if (grant_count == GRANTS_MAX) fail(EXIT_MACHINE, "there is no room for one more grant");
  grants[grant_count].first = first;
  grants[grant_count].bytes = bytes;
  grants[grant_count++].is_kernel = is_kernel;
}

void registers_grant(uint64_t first, uint64_t bytes) {
  note(first, bytes, false);
}

void registers_keep(uint64_t first, uint64_t bytes) {
  note(first, bytes, true);
}

/** The kernel keeps some of what it has granted around that. */
static bool is_granted(uint64_t first, uint32_t bytes) {
  bool is_within = false;
  for (uint32_t index = 0; index < grant_count; index++) {
    const uint64_t offset = first - grants[index].first;
    if (grants[index].is_kernel) {
      if (overlap(first, bytes, grants[index].first, grants[index].bytes)) return false;
    } else if (first >= grants[index].first && offset < grants[index].bytes) {
      is_within |= bytes <= grants[index].bytes - offset;
    }
  }
  return is_within && bytes != 0;
}

/** The number of a mapping's first register. */
static uint32_t window_of(uint32_t index) {
  return (uint32_t)((index + 1) * REGISTER_WINDOW + mappings[index].first % PAGE_BYTES);
}

/** The pages around a mapping. */
static uint64_t pages_of(const struct mapping *mapping) {
  return (mapping->first % PAGE_BYTES + mapping->bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/** The window with exactly that mapping, or else the first free one; REGISTER_WINDOWS when there is neither. */
static uint32_t find_window(uint64_t first, uint32_t bytes) {
  uint32_t free = REGISTER_WINDOWS;
  for (uint32_t index = REGISTER_WINDOWS; index-- > 0;) {
    if (mappings[index].count == 0) free = index;
    else if (mappings[index].first == first && mappings[index].bytes == bytes) return index;
  }
  return free;
}

/** Says why registers are not mapped that are granted: the stack only sees that they are not. */
static uint32_t turn_down(uint64_t first, uint32_t bytes, const char *reason) {
  print("kernel: registers at ");
  print_hexadecimal(first, 4);
  print(", ");
  print_decimal(bytes);
  print(" bytes, are not mapped: ");
  print(reason);
  print("\n");
  return 0;
}

uint32_t registers_map(uint64_t first, uint32_t bytes) {
  if (!is_granted(first, bytes)) return 0;
  if (bytes > REGISTER_WINDOW - first % PAGE_BYTES) return turn_down(first, bytes, "they are larger than a window");
  const uint32_t index = find_window(first, bytes);
  if (index == REGISTER_WINDOWS) return turn_down(first, bytes, "all windows are in use");
  struct mapping *mapping = &mappings[index];
  if (mapping->count++ == 0) {
    mapping->first = first;
    mapping->bytes = bytes;
    const uint64_t address = DEVICE_REGISTERS + (index + 1) * REGISTER_WINDOW;
    paging_map(address, first - first % PAGE_BYTES, pages_of(mapping), ACCESS_WRITE | ACCESS_REGISTERS);
  }
  return window_of(index);
}

static _Noreturn void refuse(uint32_t pointer, uint32_t bytes, const char *reason) {
  print("kernel: registers ");
  print_hexadecimal(pointer, 1);
  print(", ");
  print_decimal(bytes);
  print(" bytes\n");
  fail(EXIT_REGISTERS, reason);
}

void registers_unmap(uint32_t window, uint32_t bytes) {
  const uint32_t index = window / (uint32_t)REGISTER_WINDOW - 1;
  if (index >= REGISTER_WINDOWS || mappings[index].count == 0 || mappings[index].bytes != bytes ||
      window_of(index) != window) {
    refuse(window, bytes, "a mapping was ended that there is not");
  }
  if (--mappings[index].count != 0) return;
  paging_unmap(DEVICE_REGISTERS + (index + 1) * REGISTER_WINDOW, pages_of(&mappings[index]));
}

volatile void *registers_at(uint32_t pointer, uint32_t width) {
  const uint32_t index = pointer / (uint32_t)REGISTER_WINDOW - 1;
  if (index < REGISTER_WINDOWS && mappings[index].count != 0 && pointer % width == 0) {
    const uint32_t offset = pointer - window_of(index);
    if (offset < mappings[index].bytes && width <= mappings[index].bytes - offset) {
      return (volatile void *)(DEVICE_REGISTERS + pointer);
    }
  }
  refuse(pointer, width, "the registers are not mapped");
}
