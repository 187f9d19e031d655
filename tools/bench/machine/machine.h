/**
 * The null machine: a kernel whose calls cost as little as they can, and devices that complete at once.
 *
 * The same C runs beside the driver in WebAssembly (three modules, one memory) and in a native program. Addresses are
 * indices into linear memory; `AT` makes a C pointer of one. In WebAssembly and beside the native reference those are
 * the same thing; beside a driver that wasm2c translated, linear memory begins at `linear_memory`.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef TRANSLATED
extern uint8_t *linear_memory;
#define AT(address) ((void *)(linear_memory + (address)))
#define ADDRESS(pointer) ((uint32_t)((uint8_t *)(pointer) - linear_memory))
#else
#define AT(address) ((void *)(uintptr_t)(address))
#define ADDRESS(pointer) ((uint32_t)(uintptr_t)(pointer))
#endif

/** Functions of the machine: exported in WebAssembly, called across modules. */
#ifdef __wasm__
#ifdef BENCH_LOOPS
#define MACHINE(name) __attribute__((import_module("machine"), import_name(#name))) name
#else
#define MACHINE(name) __attribute__((export_name(#name))) name
#endif
#else
#define MACHINE(name) name
#endif

/** Virtio device types. */
enum { TYPE_NET = 1, TYPE_BLOCK = 2 };

/** Where payload lies for the driver: outside linear memory, so that whoever touches it traps. */
#define PAYLOAD UINT32_C(0x80000000)
/** What is added to a pointer to make a physical address of it. */
#define PHYSICAL_OFFSET UINT64_C(0x10000000)

/** Gives the machine the memory that it lends to drivers, and, from `tables` on, memory for itself. */
void MACHINE(machine_initialize)(uint32_t dma_start, uint32_t dma_end, uint32_t tables);
/** Plugs in a device and returns its PCI address. */
uint32_t MACHINE(machine_add)(uint32_t type, uint32_t queue_size, uint32_t features);
/** Plugs in `count` bridges on bus 0, each with an empty bus behind it. */
void MACHINE(machine_add_bridges)(uint32_t count);
/** Says what the device writes into the used ring: bytes, the same for every chain. */
void MACHINE(machine_set_used_length)(uint32_t address, uint32_t queue, uint32_t bytes);
/** The device receives `count` frames into the buffers posted first. */
void MACHINE(machine_receive)(uint32_t address, uint32_t count);
/** Plays a driver that makes the next `count` entries of the available ring available once more, as they are. */
void MACHINE(machine_offer)(uint32_t address, uint32_t queue, uint32_t count);
/** What the driver's notification does. */
void MACHINE(machine_notify)(uint32_t address, uint32_t queue);

/** What is counted, in a machine built with COUNTED; the order of `machine_count`. */
enum count {
  COUNT_PORT_READS,
  COUNT_PORT_WRITES,
  COUNT_WMB,
  COUNT_RMB,
  COUNT_MB,
  COUNT_RELAX,
  COUNT_NOW,
  COUNT_LOG,
  COUNT_DMA_ALLOC,
  COUNT_DMA_FREE,
  COUNT_DMA_ADDRESS,
  COUNT_MEMORY_READS,
  COUNT_MEMORY_WRITES,
  COUNT_MEMORY_BYTES,
  COUNT_CONFIGURATION_READS,
  /** Pages lent at the moment. */
  COUNT_PAGES,
  COUNT_CHAINS,
  COUNT_DESCRIPTORS,
  /** Things in the rings that are not as they have to be. */
  COUNT_MISTAKES,
  COUNT_COUNTERS,
};

uint32_t MACHINE(machine_count)(enum count count);

#endif
