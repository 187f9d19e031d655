/**
 * The null machine's kernel: the import interface of the driver stack, in its order, doing as little as it can, and a
 * PCI configuration space just large enough to find the devices in. [PCI 3.0 §3.2.2.3.2, §6.2]
 *
 * In WebAssembly and for the reference these are plain functions. A driver translated by wasm2c passes a pointer
 * along, which nobody needs.
 */
#include "device.h"

#if defined(TRANSLATED)
#include <virtio-abi.h>
#define KERNEL(name) w2c_kernel_##name
#define ARGUMENTS(...) (struct w2c_kernel * kernel, __VA_ARGS__)
#define NO_ARGUMENTS (struct w2c_kernel * kernel)
#define BEGIN (void)kernel
#else
#ifdef __wasm__
#define KERNEL(name) __attribute__((export_name(#name))) kernel_##name
#else
#define KERNEL(name) kernel_##name
#endif
#define ARGUMENTS(...) (__VA_ARGS__)
#define NO_ARGUMENTS (void)
#define BEGIN ((void)0)
#endif

#define PAGE_BYTES UINT32_C(4096)
#define NO_ADDRESS UINT64_MAX

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
/** Bits of a configuration address: bus, device and function. */
#define FUNCTION_SHIFT 8
#define FUNCTIONS 0x10000
#define FUNCTIONS_PER_BUS 256

enum { COMMAND = 0x04, CLASS_REVISION = 0x08, HEADER = 0x0c, BAR0 = 0x10, BUS_NUMBERS = 0x18, SUBSYSTEM = 0x2c };
#define BAR_BYTES 64
#define BAR_IS_PORTS 1
#define BRIDGE_CLASS UINT32_C(0x06040000)
#define BRIDGE_HEADER UINT32_C(0x00010000)
#define LEGACY_NET UINT32_C(0x10001af4)
#define LEGACY_BLOCK UINT32_C(0x10011af4)
#define SOME_BRIDGE UINT32_C(0x00011b36)

static uint32_t dma_next, dma_last, own_next;
static uint32_t configuration_address;
static uint32_t bridges;
static uint32_t bars[DEVICES_MAX], commands[DEVICES_MAX];

void machine_initialize(uint32_t dma_start, uint32_t dma_end, uint32_t tables) {
  dma_next = dma_start;
  dma_last = dma_end;
  own_next = tables;
}

uint32_t machine_take(uint32_t bytes) {
  const uint32_t address = own_next;
  own_next += (bytes + 7) & ~UINT32_C(7);
  return address;
}

void machine_add_bridges(uint32_t count) {
  bridges = count;
}

void machine_assign(uint32_t index, uint32_t ports) {
  bars[index] = ports;
}

/** Devices lie side by side from number 1 on, the last of them on bus 1; bridges come without devices. */
static uint32_t read_configuration(uint32_t function, uint32_t offset) {
  const uint32_t bus = function / FUNCTIONS_PER_BUS, slot = function % FUNCTIONS_PER_BUS / 8;
  const uint32_t index = function / 8 - 1;
  if (function % 8 != 0) return UINT32_MAX;
  if (index < device_count) {
    const uint32_t type = devices[index].type;
    switch (offset) {
      case 0:
        return type == TYPE_NET ? LEGACY_NET : LEGACY_BLOCK;
      case COMMAND:
        return commands[index];
      case BAR0:
        return (bars[index] & ~(uint32_t)(BAR_BYTES - 1)) | BAR_IS_PORTS;
      case SUBSYSTEM:
        return type << 16;
      default:
        return 0;
    }
  }
  // Bridge number n is device 1 of bus n, and the bus behind it is n + 1.
  if (device_count == 0 && slot == 1 && bus < bridges) {
    switch (offset) {
      case 0:
        return SOME_BRIDGE;
      case CLASS_REVISION:
        return BRIDGE_CLASS;
      case HEADER:
        return BRIDGE_HEADER;
      case BUS_NUMBERS:
        return bus | (bus + 1) << 8 | bridges << 16;
      default:
        return 0;
    }
  }
  return UINT32_MAX;
}

static void write_configuration(uint32_t function, uint32_t offset, uint32_t value) {
  const uint32_t index = (function >> 3) - 1;
  if (index >= device_count) return;
  if (offset == BAR0) bars[index] = value;
  if (offset == COMMAND) commands[index] = value & 0xffff;
}

static uint32_t read_port(uint32_t port, uint32_t bytes) {
  COUNT(COUNT_PORT_READS, 1);
  if (port >= DEVICE_PORTS) {
    return device_read(&devices[(port - DEVICE_PORTS) >> DEVICE_PORTS_SHIFT],
                       port & ((1 << DEVICE_PORTS_SHIFT) - 1), bytes);
  }
  if (port < CONFIG_DATA) return configuration_address;
  COUNT(COUNT_CONFIGURATION_READS, 1);
  return read_configuration((configuration_address >> FUNCTION_SHIFT) & (FUNCTIONS - 1), configuration_address & 0xfc);
}

static void write_port(uint32_t port, uint32_t value) {
  COUNT(COUNT_PORT_WRITES, 1);
  if (port >= DEVICE_PORTS) {
    device_write(&devices[(port - DEVICE_PORTS) >> DEVICE_PORTS_SHIFT], port & ((1 << DEVICE_PORTS_SHIFT) - 1), value);
  } else if (port < CONFIG_DATA) {
    configuration_address = value;
  } else {
    write_configuration((configuration_address >> FUNCTION_SHIFT) & (FUNCTIONS - 1), configuration_address & 0xfc,
                        value);
  }
}

uint32_t KERNEL(in8) ARGUMENTS(uint32_t port) {
  BEGIN;
  return read_port(port, 1) & 0xff;
}

uint32_t KERNEL(in16) ARGUMENTS(uint32_t port) {
  BEGIN;
  return read_port(port, 2) & 0xffff;
}

uint32_t KERNEL(in32) ARGUMENTS(uint32_t port) {
  BEGIN;
  return read_port(port, 4);
}

void KERNEL(out8) ARGUMENTS(uint32_t port, uint32_t value) {
  BEGIN;
  write_port(port, value);
}

void KERNEL(out16) ARGUMENTS(uint32_t port, uint32_t value) {
  BEGIN;
  write_port(port, value);
}

void KERNEL(out32) ARGUMENTS(uint32_t port, uint32_t value) {
  BEGIN;
  write_port(port, value);
}

uint32_t KERNEL(dma_alloc) ARGUMENTS(uint32_t pages) {
  BEGIN;
  COUNT(COUNT_DMA_ALLOC, 1);
  const uint32_t pointer = dma_next;
  if (pages > (dma_last - pointer) / PAGE_BYTES) return 0;
  COUNT(COUNT_PAGES, pages);
  dma_next += pages * PAGE_BYTES;
  return pointer;
}

/* Nothing is lent twice, so that all of it is zero when it is lent. */
void KERNEL(dma_free) ARGUMENTS(uint32_t pointer, uint32_t pages) {
  BEGIN;
  (void)pointer;
  (void)pages;
  COUNT(COUNT_DMA_FREE, 1);
  COUNT(COUNT_PAGES, -pages);
}

uint64_t KERNEL(dma_address) ARGUMENTS(uint32_t pointer) {
  BEGIN;
  COUNT(COUNT_DMA_ADDRESS, 1);
  return pointer >= PAYLOAD || pointer < dma_last ? pointer + PHYSICAL_OFFSET : NO_ADDRESS;
}

void KERNEL(wmb) NO_ARGUMENTS {
  BEGIN;
  COUNT(COUNT_WMB, 1);
}

void KERNEL(rmb) NO_ARGUMENTS {
  BEGIN;
  COUNT(COUNT_RMB, 1);
}

void KERNEL(mb) NO_ARGUMENTS {
  BEGIN;
  COUNT(COUNT_MB, 1);
}

void KERNEL(relax) NO_ARGUMENTS {
  BEGIN;
  COUNT(COUNT_RELAX, 1);
}

uint64_t KERNEL(now_ns) NO_ARGUMENTS {
  BEGIN;
  static uint64_t now;
  COUNT(COUNT_NOW, 1);
  return now++;
}

void KERNEL(log) ARGUMENTS(uint32_t message, uint32_t first, uint32_t second) {
  BEGIN;
  (void)message;
  (void)first;
  (void)second;
  COUNT(COUNT_LOG, 1);
}

/* The ported build's way to memory. Here that is the same memory, which the driver cannot know. */

uint32_t KERNEL(phys_read8) ARGUMENTS(uint32_t pointer) {
  BEGIN;
  COUNT(COUNT_MEMORY_READS, 1);
  COUNT(COUNT_MEMORY_BYTES, 1);
  return *(const uint8_t *)AT(pointer);
}

uint32_t KERNEL(phys_read16) ARGUMENTS(uint32_t pointer) {
  BEGIN;
  COUNT(COUNT_MEMORY_READS, 1);
  COUNT(COUNT_MEMORY_BYTES, 2);
  return *(const uint16_t *)AT(pointer);
}

uint32_t KERNEL(phys_read32) ARGUMENTS(uint32_t pointer) {
  BEGIN;
  COUNT(COUNT_MEMORY_READS, 1);
  COUNT(COUNT_MEMORY_BYTES, 4);
  return *(const uint32_t *)AT(pointer);
}

void KERNEL(phys_write8) ARGUMENTS(uint32_t pointer, uint32_t value) {
  BEGIN;
  COUNT(COUNT_MEMORY_WRITES, 1);
  COUNT(COUNT_MEMORY_BYTES, 1);
  *(uint8_t *)AT(pointer) = (uint8_t)value;
}

void KERNEL(phys_write16) ARGUMENTS(uint32_t pointer, uint32_t value) {
  BEGIN;
  COUNT(COUNT_MEMORY_WRITES, 1);
  COUNT(COUNT_MEMORY_BYTES, 2);
  *(uint16_t *)AT(pointer) = (uint16_t)value;
}

void KERNEL(phys_write32) ARGUMENTS(uint32_t pointer, uint32_t value) {
  BEGIN;
  COUNT(COUNT_MEMORY_WRITES, 1);
  COUNT(COUNT_MEMORY_BYTES, 4);
  *(uint32_t *)AT(pointer) = value;
}
