/**
 * The measured loops as a native program, around the reference or around the stack that wasm2c translated.
 *
 *     program PATH SIZE SEGMENTS BATCH RING COUNT ROUNDS
 *
 * Runs COUNT requests ROUNDS times after as many to warm up, and prints the nanoseconds of each round, one a line.
 * Linear memory lies at an address below 4 GiB, so that the reference can use its own pointers for the same records;
 * payload is not mapped at all.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../machine/machine.h"

#define MEMORY_BYTES (UINT32_C(64) << 20)
/** Within linear memory. */
#define RECORDS 0x50000
#define ARENA 0x100000
#define TABLES 0x500000
#define PAGES 0x700000

#define FEATURES_NET UINT32_C(0x38018020)
#define FEATURES_BLOCK UINT32_C(0x38000244)

uint32_t loops_initialize(uint32_t address);
int32_t loops_give(uint32_t arena, uint32_t bytes);
int32_t loops_open(uint32_t type, uint32_t queue_size, uint32_t features);
uint32_t loops_mistakes(void);

#define PATH(name)                                     \
  void name##_prepare(uint32_t size, uint32_t segments); \
  void name##_run(uint32_t turns, uint32_t batch)
PATH(block);
PATH(transmit);
PATH(receive);

static const struct {
  const char *name;
  uint32_t type, features;
  void (*prepare)(uint32_t size, uint32_t segments);
  void (*run)(uint32_t turns, uint32_t batch);
} paths[] = {
    {"block", TYPE_BLOCK, FEATURES_BLOCK, block_prepare, block_run},
    {"transmit", TYPE_NET, FEATURES_NET, transmit_prepare, transmit_run},
    {"receive", TYPE_NET, FEATURES_NET, receive_prepare, receive_run},
};

#ifdef TRANSLATED

#include "module.h"
#include "runtime.h"

uint8_t *linear_memory;
struct w2c_virtio *driver;

static uint32_t start_driver(void) {
  static w2c_virtio instance;
  static wasm_rt_memory_t memory;
  wasm_rt_allocate_memory(&memory, MEMORY_BYTES >> 16, MEMORY_BYTES >> 16, false, 1 << 16);
  linear_memory = memory.data;
  bench_memory = &memory;
  driver = &instance;
  wasm2c_virtio_instantiate(&instance, NULL, NULL);
  return 0;
}

#else

uint64_t kernel_memory_end;

static uint32_t start_driver(void) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_POPULATE;
  void *memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED) abort();
  kernel_memory_end = (uint64_t)(uintptr_t)memory + MEMORY_BYTES;
  return (uint32_t)(uintptr_t)memory;
}

#endif

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

int main(int count, char **arguments) {
  if (count != 8) return 2;
  uint32_t path = 0;
  while (strcmp(paths[path].name, arguments[1]) != 0) {
    if (++path == sizeof paths / sizeof *paths) return 2;
  }
  uint32_t numbers[8];
  for (int index = 2; index < 8; index++) numbers[index] = (uint32_t)strtoul(arguments[index], NULL, 10);
  const uint32_t size = numbers[2], segments = numbers[3], batch = numbers[4], turns = numbers[6] / batch;

  const uint32_t base = start_driver();
  machine_initialize(base + PAGES, base + MEMORY_BYTES, base + TABLES);
  loops_initialize(base + RECORDS);
  if (loops_give(base + ARENA, TABLES - ARENA) != 0) return 1;
  if (loops_open(paths[path].type, numbers[5], paths[path].features) <= 0) return 1;
  paths[path].prepare(size, segments);
  paths[path].run(turns, batch);
  for (uint32_t round = 0; round < numbers[7]; round++) {
    const uint64_t start = now();
    paths[path].run(turns, batch);
    printf("%llu\n", (unsigned long long)(now() - start));
  }
  return loops_mistakes() != 0;
}
