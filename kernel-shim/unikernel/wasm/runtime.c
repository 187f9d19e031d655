/** The runtime of translated modules: memories, one table, traps. */
#include "runtime.h"

#include "../exit.h"
#include "../memory/bytes.h"
#include "../memory/frames.h"
#include "../memory/layout.h"
#include "../memory/paging.h"

static uint64_t physical_addresses[LINEAR_MEMORIES_MAX];
static unsigned memories;

#define TABLE_ENTRIES 256
static wasm_rt_funcref_t table_entries[TABLE_ENTRIES];
static unsigned table_entries_used;

_Noreturn void wasm_rt_trap(wasm_rt_trap_t reason) {
  switch (reason) {
    case WASM_RT_TRAP_OOB:
      fail(EXIT_OUT_OF_BOUNDS, "WebAssembly trap: out of bounds memory access");
    case WASM_RT_TRAP_INT_OVERFLOW:
      fail(EXIT_TRAP, "WebAssembly trap: integer overflow");
    case WASM_RT_TRAP_DIV_BY_ZERO:
      fail(EXIT_TRAP, "WebAssembly trap: integer divide by zero");
    case WASM_RT_TRAP_INVALID_CONVERSION:
      fail(EXIT_TRAP, "WebAssembly trap: invalid conversion to integer");
    case WASM_RT_TRAP_UNREACHABLE:
      fail(EXIT_TRAP, "WebAssembly trap: unreachable executed");
    case WASM_RT_TRAP_CALL_INDIRECT:
      fail(EXIT_TRAP, "WebAssembly trap: invalid indirect call");
    default:
      fail(EXIT_TRAP, "WebAssembly trap");
  }
}

bool wasm_rt_is_initialized(void) {
  return true;
}

static unsigned window_of(const wasm_rt_memory_t *memory) {
  return (unsigned)(((uintptr_t)memory->data - LINEAR_MEMORIES) / LINEAR_MEMORY_WINDOW);
}

uint64_t linear_memory_physical(const wasm_rt_memory_t *memory) {
  return physical_addresses[window_of(memory)];
}

void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint64_t pages, uint64_t max_pages, bool is64,
                             uint32_t page_size) {
  if (is64) fail(EXIT_MACHINE, "memories of more than 4 GiB are not supported");
  if (memories == LINEAR_MEMORIES_MAX) fail(EXIT_MACHINE, "there are too many linear memories");
  const uint64_t bytes = pages * page_size;
  const uint64_t physical = frames_take(bytes);
  memory->data = (uint8_t *)(LINEAR_MEMORIES + memories * LINEAR_MEMORY_WINDOW);
  memory->page_size = page_size;
  memory->pages = pages;
  memory->max_pages = max_pages;
  memory->size = bytes;
  memory->is64 = false;
  paging_map((uintptr_t)memory->data, physical, bytes, ACCESS_WRITE);
  memset(memory->data, 0, bytes);
  physical_addresses[memories++] = physical;
}

uint64_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint64_t pages) {
  return pages == 0 ? memory->pages : UINT64_MAX;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory) {
  memory->data = NULL;
  memory->size = 0;
}

void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t *table, uint32_t size, uint32_t max_size) {
  if (size > TABLE_ENTRIES - table_entries_used) fail(EXIT_MACHINE, "the tables of functions are too large");
  table->data = table_entries + table_entries_used;
  table->size = size;
  table->max_size = max_size;
  table_entries_used += size;
}

void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t *table) {
  table->size = 0;
}
