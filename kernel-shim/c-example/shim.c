/** A kernel shim in C: what the translated module needs to link, and the first steps of its use. */
#include "virtio.h" /* written by wasm2c */

#include <string.h>
#include <virtio-abi.h> /* written by npm run build */

#include "port-instructions.h"

/* What your kernel has. */
extern uint8_t linear_memory[];  /* 4 MiB for the module: zeroed, aligned to a page, physically contiguous */
extern uint64_t linear_physical; /* physical address of its first byte */
extern uint64_t clock_ns(void);
extern void print_message(uint32_t message, uint32_t first, uint32_t second);
extern _Noreturn void panic(const char *reason);

/* ---- linear memory: the module's data from 64 KiB on, then the arena, then records, then DMA pages ---- */

#define WASM_PAGES 64u
#define ARENA_BYTES 0x40000u
#define DMA_START 0x100000u
#define DMA_PAGES 768u
#define PAGE_BYTES 4096u

struct w2c_env {
  wasm_rt_memory_t memory;
};

wasm_rt_memory_t *w2c_env_memory(struct w2c_env *env) {
  return &env->memory;
}

/* ---- what code from wasm2c calls when it cannot go on ---- */

void wasm_rt_trap(wasm_rt_trap_t trap) {
  (void)trap;
  panic("trap in the virtio module");
}

/* ---- the imports ---- */

struct w2c_kernel {
  uint8_t granted[0x10000 / 8]; /* one bit a port */
  uint16_t lent[DMA_PAGES];     /* 0 free, n the first of a loan of n pages, 0xffff a page within a loan */
};

/* Ports are passed on if they are those of configuration mechanism 1, or granted. */
static int is_allowed(const struct w2c_kernel *k, uint32_t port, uint32_t width) {
  if (port == 0xcf8) return width == 4;
  if (port >= 0xcfc && port + width <= 0xd00) return 1;
  for (uint32_t end = port + width; port < end; port++) {
    if (port > 0xffff || !(k->granted[port / 8] >> port % 8 & 1)) return 0;
  }
  return 1;
}

/* Below 0x1000 is the system board; and no port is two devices'. Returns whether the ports were granted. */
static int grant(struct w2c_kernel *k, const struct virtio_pci_bar *bar) {
  if (!bar->is_io || bar->size == 0 || bar->base < 0x1000 || bar->base > 0xffff || bar->size > 0x10000 - bar->base) {
    return 0;
  }
  const uint32_t start = (uint32_t)bar->base, end = start + (uint32_t)bar->size;
  for (uint32_t port = start; port < end; port++) {
    if (k->granted[port / 8] >> port % 8 & 1) return 0;
  }
  for (uint32_t port = start; port < end; port++) k->granted[port / 8] |= (uint8_t)(1 << port % 8);
  return 1;
}

#define PORT_IMPORTS(bits)                                                             \
  uint32_t w2c_kernel_in##bits(struct w2c_kernel *k, uint32_t port) {                  \
    if (!is_allowed(k, port, bits / 8)) return UINT##bits##_MAX;                       \
    return port_in##bits((uint16_t)port);                                              \
  }                                                                                    \
  void w2c_kernel_out##bits(struct w2c_kernel *k, uint32_t port, uint32_t value) {     \
    if (is_allowed(k, port, bits / 8)) port_out##bits((uint16_t)port, (uint##bits##_t)value); \
  }
PORT_IMPORTS(8)
PORT_IMPORTS(16)
PORT_IMPORTS(32)

uint32_t w2c_kernel_dma_alloc(struct w2c_kernel *k, uint32_t pages) {
  for (uint32_t first = 0, run = 0; pages != 0 && first + run < DMA_PAGES;) {
    if (k->lent[first + run]) {
      first += run + 1;
      run = 0;
    } else if (++run == pages) {
      memset(&k->lent[first], 0xff, pages * sizeof k->lent[0]);
      k->lent[first] = (uint16_t)pages;
      memset(linear_memory + DMA_START + first * PAGE_BYTES, 0, pages * PAGE_BYTES);
      return DMA_START + first * PAGE_BYTES;
    }
  }
  return 0;
}

void w2c_kernel_dma_free(struct w2c_kernel *k, uint32_t pointer, uint32_t pages) {
  const uint32_t page = (pointer - DMA_START) / PAGE_BYTES;
  if (pointer % PAGE_BYTES != 0 || page >= DMA_PAGES || pages == 0 || k->lent[page] != pages) {
    panic("pages were given back that were not lent like that");
  }
  memset(&k->lent[page], 0, pages * sizeof k->lent[0]);
}

uint64_t w2c_kernel_dma_address(struct w2c_kernel *k, uint32_t pointer) {
  const uint32_t page = (pointer - DMA_START) / PAGE_BYTES;
  return page < DMA_PAGES && k->lent[page] ? linear_physical + pointer : VIRTIO_NO_ADDRESS;
}

void w2c_kernel_wmb(struct w2c_kernel *k) {
  (void)k;
  __asm__ volatile("" ::: "memory");
}
void w2c_kernel_rmb(struct w2c_kernel *k) {
  (void)k;
  __asm__ volatile("" ::: "memory");
}
void w2c_kernel_mb(struct w2c_kernel *k) {
  (void)k;
  __asm__ volatile("mfence" ::: "memory");
}
void w2c_kernel_relax(struct w2c_kernel *k) {
  (void)k;
  __asm__ volatile("pause" ::: "memory");
}

uint64_t w2c_kernel_now_ns(struct w2c_kernel *k) {
  (void)k;
  return clock_ns();
}

void w2c_kernel_log(struct w2c_kernel *k, uint32_t message, uint32_t first, uint32_t second) {
  (void)k;
  print_message(message, first, second);
}

/* ---- steps 1 to 5 ---- */

static struct w2c_env environment;
static struct w2c_kernel kernel;
w2c_virtio stack;

/**
 * Starts the stack, finds the machine's PCI functions, and grants the ports of those that it can drive.
 *
 * @param functions receives the address of their records
 * @returns how many there are, at most `capacity`; or a negative result
 */
int32_t shim_start(const struct virtio_pci_function **functions, uint32_t capacity) {
  environment.memory = (wasm_rt_memory_t){
      .data = linear_memory,
      .page_size = 65536,
      .pages = WASM_PAGES,
      .max_pages = WASM_PAGES,
      .size = WASM_PAGES * 65536u,
  };
  wasm2c_virtio_instantiate(&stack, &environment, &kernel);
  if (virtio_abi_version(&stack) != 2) panic("the virtio module speaks another version");

  const uint32_t arena = (virtio_heap_base(&stack) + 15) & ~15u;
  const int32_t result = virtio_initialize(&stack, arena, ARENA_BYTES);
  if (result != VIRTIO_RESULT_OK) return result;

  const uint32_t records = arena + ARENA_BYTES;
  const uint32_t bar_record = records + capacity * (uint32_t)sizeof(struct virtio_pci_function);
  if (bar_record + sizeof(struct virtio_pci_bar) > DMA_START) panic("there is no room for so many records");
  int32_t count = virtio_pci_scan(&stack, records, capacity);
  if (count > (int32_t)capacity) count = (int32_t)capacity;
  *functions = (const void *)(linear_memory + records);

  const struct virtio_pci_bar *bar = (const void *)(linear_memory + bar_record);
  for (int32_t index = 0; index < count; index++) {
    const struct virtio_pci_function *function = &(*functions)[index];
    if (!function->virtio_legacy) continue;
    if (virtio_pci_bar(&stack, function->address, 0, bar_record) == VIRTIO_RESULT_OK) grant(&kernel, bar);
  }
  return count;
}
