/** What the translated module and the program around it share. */
#ifndef BENCH_RUNTIME_H
#define BENCH_RUNTIME_H

#include <wasm-rt.h>

/** The linear memory that the module imports. */
extern wasm_rt_memory_t *bench_memory;

#endif
