/**
 * What the C code that wasm2c generates needs of its surroundings, for a machine without an operating system.
 * [wabt wasm2c/README.md; written for the wasm2c of wabt 1.0.39]
 *
 * Two ways to notice an access outside linear memory, chosen by WASM_RT_MEMCHECK_GUARD_PAGES: 1 relies on what is not
 * mapped behind the memory and costs nothing; 0 compares before each access.
 */
#ifndef WASM_RT_H_
#define WASM_RT_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef WASM_RT_MEMCHECK_GUARD_PAGES
#error "say whether guard pages (1) or comparisons (0) keep accesses inside linear memory"
#endif
#define WASM_RT_MEMCHECK_BOUNDS_CHECK (!WASM_RT_MEMCHECK_GUARD_PAGES)
#define WASM_RT_USE_MMAP 0
#define WASM_RT_USE_SEGUE 0
#define WASM_RT_SANITY_CHECKS 0
/** The guard pages below the stack notice its exhaustion. */
#define WASM_RT_STACK_DEPTH_COUNT 0
#define WABT_BIG_ENDIAN 0

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define wasm_rt_memcpy __builtin_memcpy

typedef enum {
  WASM_RT_TRAP_NONE,
  WASM_RT_TRAP_OOB,
  WASM_RT_TRAP_INT_OVERFLOW,
  WASM_RT_TRAP_DIV_BY_ZERO,
  WASM_RT_TRAP_INVALID_CONVERSION,
  WASM_RT_TRAP_UNREACHABLE,
  WASM_RT_TRAP_CALL_INDIRECT,
  WASM_RT_TRAP_NULL_REF,
  WASM_RT_TRAP_UNCAUGHT_EXCEPTION,
  WASM_RT_TRAP_UNALIGNED,
  WASM_RT_TRAP_EXHAUSTION,
} wasm_rt_trap_t;

typedef enum {
  WASM_RT_I32,
  WASM_RT_I64,
  WASM_RT_F32,
  WASM_RT_F64,
  WASM_RT_V128,
  WASM_RT_FUNCREF,
  WASM_RT_EXTERNREF,
  WASM_RT_EXNREF,
} wasm_rt_type_t;

typedef const char *wasm_rt_func_type_t;
typedef void (*wasm_rt_function_ptr_t)(void);

typedef struct wasm_rt_tailcallee {
  void (*fn)(void **instance_ptr, void *tail_call_stack, struct wasm_rt_tailcallee *next);
} wasm_rt_tailcallee_t;

typedef struct {
  wasm_rt_func_type_t func_type;
  wasm_rt_function_ptr_t func;
  wasm_rt_tailcallee_t func_tailcallee;
  void *module_instance;
} wasm_rt_funcref_t;

typedef void *wasm_rt_externref_t;

typedef struct {
  wasm_rt_funcref_t *data;
  uint32_t max_size;
  uint32_t size;
} wasm_rt_funcref_table_t;

typedef struct {
  wasm_rt_externref_t *data;
  uint32_t max_size;
  uint32_t size;
} wasm_rt_externref_table_t;

#define wasm_rt_funcref_null_value ((wasm_rt_funcref_t){NULL, NULL, {NULL}, NULL})
#define wasm_rt_externref_null_value ((wasm_rt_externref_t){NULL})

typedef struct {
  uint8_t *data;
  uint32_t page_size;
  uint64_t pages, max_pages;
  /** Bytes. */
  uint64_t size;
  bool is64;
} wasm_rt_memory_t;

/** Reports why a module cannot go on, and ends the machine. */
_Noreturn void wasm_rt_trap(wasm_rt_trap_t reason);

bool wasm_rt_is_initialized(void);

/** Gives a module its memory: zeroed, physically contiguous, alone in a window of virtual memory. */
void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint64_t pages, uint64_t max_pages, bool is64,
                             uint32_t page_size);
/** Memories do not grow here: (uint64_t)-1, unless `pages` is 0. */
uint64_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint64_t pages);
/** Modules live as long as the machine. */
void wasm_rt_free_memory(wasm_rt_memory_t *memory);

/** Makes a table of function references, for a module with indirect calls; at most one small table in all. */
void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t *table, uint32_t size, uint32_t max_size);
void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t *table);

#endif
