/** What the kernel asks of the runtime of translated modules, beside what the modules ask themselves. */
#ifndef WASM_RUNTIME_H
#define WASM_RUNTIME_H

#include <stdint.h>

#include "wasm-rt.h"

/** Physical address of the first byte of a memory; the others follow it. */
uint64_t linear_memory_physical(const wasm_rt_memory_t *memory);

#endif
