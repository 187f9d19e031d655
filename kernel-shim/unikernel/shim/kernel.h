/**
 * The shim between WebAssembly and this kernel.
 *
 * The two structures are what wasm2c hands, as the first parameter, to each function of the import modules `kernel` (the
 * driver stack's interface) and `unikernel` (the application's).
 */
#ifndef SHIM_KERNEL_H
#define SHIM_KERNEL_H

#include <stdint.h>

#include "../wasm/wasm-rt.h"

struct w2c_kernel {
  /** The memory that the stack and the application share. */
  const wasm_rt_memory_t *memory;
  /** Physical address of its first byte. */
  uint64_t physical;
};

struct w2c_unikernel {
  const wasm_rt_memory_t *memory;
};

/** The `length` bytes of linear memory from `pointer` on. Ends the machine, as a trap, unless all lie within. */
void *linear_memory_at(const wasm_rt_memory_t *memory, uint32_t pointer, uint32_t length);

#endif
