/**
 * A kernel that the shim of the guide is linked with, and the machine below it: configuration mechanism 1 with a host
 * bridge, a disk, and a card whose base address lies on the system board. The ports of the disk read as all ones, so it
 * does not open; that they are reached at all is what counts.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtio-abi.h>

#include "port-instructions.h"

/* What the shim asks for. */

_Alignas(4096) uint8_t linear_memory[4 << 20];
uint64_t linear_physical = 0x1000000;

uint64_t clock_ns(void) {
  static uint64_t now;
  return now += 1000000;
}

void print_message(uint32_t message, uint32_t first, uint32_t second) { (void)message, (void)first, (void)second; }

_Noreturn void panic(const char *reason) {
  printf("panic: %s\n", reason);
  exit(1);
}

/* The machine. */

#define DISK_PORTS 0xc000u
#define DEVICES 3
#define REGISTERS 64

static uint32_t configuration[DEVICES][REGISTERS] = {
    {[0] = 0x12378086, [2] = 0x06000000},
    {[0] = 0x10011af4, [1] = 0x00000001, [2] = 0x01000000, [4] = DISK_PORTS | 1, [11] = 0x00021af4, [15] = 0x0000010b},
    {[0] = 0x10001af4, [1] = 0x00000001, [2] = 0x02000000, [4] = 0x0041, [11] = 0x00011af4, [15] = 0x0000010a},
};
static uint32_t selected;
static unsigned disk_accesses, board_accesses;

/** The register that the address register points at; NULL when nothing is there. */
static uint32_t *selected_register(void) {
  const uint32_t device = selected >> 11 & 31;
  const bool is_there = (selected >> 31) != 0 && (selected >> 16 & 0xff) == 0 && (selected >> 8 & 7) == 0;
  return is_there && device < DEVICES ? &configuration[device][selected >> 2 & 63] : NULL;
}

static uint32_t read_port(uint16_t port, unsigned bytes) {
  if (port >= 0xcfc && port < 0xd00) {
    const uint32_t *found = selected_register();
    return found == NULL ? UINT32_MAX : *found >> 8 * (port - 0xcfc);
  }
  if (port == 0xcf8 && bytes == 4) return selected;
  if (port >= DISK_PORTS && port < DISK_PORTS + 64) disk_accesses++;
  if (port < 0x1000) board_accesses++;
  return UINT32_MAX;
}

static void write_port(uint16_t port, unsigned bytes, uint32_t value) {
  if (port == 0xcf8 && bytes == 4) {
    selected = value;
  } else if (port >= 0xcfc && port < 0xd00) {
    uint32_t *found = selected_register();
    if (found == NULL) return;
    uint8_t contents[4];
    memcpy(contents, found, 4);
    memcpy(contents + (port - 0xcfc), &value, bytes);
    memcpy(found, contents, 4);
    // Base address registers of 64 ports: those bits are as they are.
    if ((selected >> 2 & 63) == 4) *found = (*found & 0xffffffc0) | 1;
  } else {
    read_port(port, bytes);
  }
}

uint8_t machine_in8(uint16_t port) { return (uint8_t)read_port(port, 1); }
uint16_t machine_in16(uint16_t port) { return (uint16_t)read_port(port, 2); }
uint32_t machine_in32(uint16_t port) { return read_port(port, 4); }
void machine_out8(uint16_t port, uint8_t value) { write_port(port, 1, value); }
void machine_out16(uint16_t port, uint16_t value) { write_port(port, 2, value); }
void machine_out32(uint16_t port, uint32_t value) { write_port(port, 4, value); }

/* The kernel. */

extern struct w2c_virtio stack;
int32_t shim_start(const struct virtio_pci_function **functions, uint32_t capacity);

int main(void) {
  const struct virtio_pci_function *functions;
  const int32_t count = shim_start(&functions, 16);
  printf("%d functions\n", (int)count);
  for (int32_t index = 0; index < count; index++) {
    const struct virtio_pci_function *each = &functions[index];
    printf("0x%04x: %04x:%04x, legacy virtio %u, interrupt line %u\n", (unsigned)each->address, each->vendor_id,
           each->device_id, each->virtio_legacy, each->interrupt_line);
  }
  if (virtio_block_open(&stack, 0x08, 0) >= 0) return 1;
  if (virtio_net_open(&stack, 0x10, 0) >= 0) return 1;
  printf("the disk's ports were reached: %d\n", disk_accesses > 0);
  printf("ports of the system board were reached: %u\n", board_accesses);
  return 0;
}
