/** wasm2c's runtime in a Linux program: one memory at a known place, with nothing mapped behind it. */
#define _GNU_SOURCE
#include "runtime.h"

#include <stdlib.h>
#include <sys/mman.h>

/** As far as a 32-bit index and a 32-bit offset reach. */
#define RESERVED_BYTES (UINT64_C(8) << 30)

struct w2c_env;

wasm_rt_memory_t *bench_memory;

wasm_rt_memory_t *w2c_env_memory(struct w2c_env *instance) {
  (void)instance;
  return bench_memory;
}

_Noreturn void wasm_rt_trap(wasm_rt_trap_t reason) {
  (void)reason;
  abort();
}

bool wasm_rt_is_initialized(void) {
  return true;
}

void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint64_t pages, uint64_t max_pages, bool is64,
                             uint32_t page_size) {
  const uint64_t bytes = pages * page_size;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  uint8_t *data = mmap((void *)LINEAR_MEMORY_BASE, RESERVED_BYTES, PROT_NONE, flags, -1, 0);
  if (data == MAP_FAILED || mprotect(data, bytes, PROT_READ | PROT_WRITE) != 0) abort();
  *memory = (wasm_rt_memory_t){
      .data = data, .page_size = page_size, .pages = pages, .max_pages = max_pages, .size = bytes, .is64 = is64};
}
