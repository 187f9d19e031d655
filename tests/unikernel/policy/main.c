/**
 * Runs the unikernel's policy as a program of this computer, on devices that say what the arguments say:
 *
 *     policy grant ADDRESS,LEGACY,IS_IO,BASE,SIZE,LINE…    grants, then prints who was granted and the masks of lines
 *     policy port PORT,WIDTH ADDRESS,…                     the same, then checks an access
 *     policy log NUMBER                                    prints a message of the stack's
 *
 * What the kernel prints goes to standard output; the exit status is the one that it ends the machine with.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtio-abi.h>

#include "../../../kernel-shim/unikernel/console.h"
#include "../../../kernel-shim/unikernel/cpu/clock.h"
#include "../../../kernel-shim/unikernel/cpu/interrupts.h"
#include "../../../kernel-shim/unikernel/exit.h"
#include "../../../kernel-shim/unikernel/shim/devices.h"
#include "../../../kernel-shim/unikernel/shim/dma-pages.h"
#include "../../../kernel-shim/unikernel/shim/port-grants.h"

#define DEVICES_MAX 16

uint32_t ports[0x10000];

struct device {
  uint32_t address, is_legacy, is_io, line;
  uint64_t base, size;
};
static struct device devices[DEVICES_MAX];
static uint32_t device_count;

static uint8_t pages[4 * 4096];
static const wasm_rt_memory_t memory = {.data = pages, .size = sizeof pages};
static const struct w2c_kernel kernel = {.memory = &memory};

/* The parts of the kernel that need a machine. */

void print(const char *text) { fputs(text, stdout); }
void print_decimal(uint64_t number) { printf("%" PRIu64, number); }
void print_hexadecimal(uint64_t number, int digits) { printf("0x%0*" PRIx64, digits, number); }
uint64_t clock_now(void) { return 0; }
void timer_start(uint64_t nanoseconds) { (void)nanoseconds; }
_Noreturn void exit_machine(int status) { exit(status); }
_Noreturn void fail(enum exit_status status, const char *reason) {
  printf("kernel: %s\n", reason);
  exit_machine(status);
}
uint32_t dma_pages_take(const struct w2c_kernel *kernel_, uint32_t count) {
  (void)kernel_, (void)count;
  return 4096;
}
void dma_pages_give_back(uint32_t pointer, uint32_t count) { (void)pointer, (void)count; }
uint64_t dma_pages_address(const struct w2c_kernel *kernel_, uint32_t pointer) {
  (void)kernel_;
  return pointer;
}

/* The stack, which says of configuration space what the arguments say. */

uint32_t w2c_virtio_pci_scan(struct w2c_virtio *stack, uint32_t records, uint32_t capacity) {
  (void)stack, (void)capacity;
  struct virtio_pci_function *functions = (void *)(pages + records);
  for (uint32_t index = 0; index < device_count; index++) {
    functions[index].address = (uint16_t)devices[index].address;
    functions[index].virtio_legacy = (uint8_t)devices[index].is_legacy;
    functions[index].interrupt_line = (uint8_t)devices[index].line;
  }
  return device_count;
}

uint32_t w2c_virtio_pci_bar(struct w2c_virtio *stack, uint32_t address, uint32_t bar_index, uint32_t record) {
  (void)stack;
  struct virtio_pci_bar *bar = (void *)(pages + record);
  for (uint32_t index = 0; index < device_count; index++) {
    if (devices[index].address != address || bar_index != 0) continue;
    bar->base = devices[index].base;
    bar->size = devices[index].size;
    bar->is_io = (uint8_t)devices[index].is_io;
    return VIRTIO_RESULT_OK;
  }
  return (uint32_t)VIRTIO_RESULT_E_NOT_FOUND;
}

static void read_devices(int count, char **arguments) {
  for (int index = 0; index < count; index++) {
    struct device *device = &devices[device_count++];
    if (sscanf(arguments[index], "%" SCNi32 ",%" SCNu32 ",%" SCNu32 ",%" SCNi64 ",%" SCNi64 ",%" SCNu32,
               (int32_t *)&device->address, &device->is_legacy, &device->is_io, (int64_t *)&device->base,
               (int64_t *)&device->size, &device->line) != 6) {
      exit(1);
    }
  }
}

static void grant(void) {
  interrupts_start();
  devices_grant(NULL, &kernel);
}

int main(int count, char **arguments) {
  if (count >= 2 && strcmp(arguments[1], "grant") == 0) {
    read_devices(count - 2, arguments + 2);
    grant();
    for (uint32_t index = 0; index < device_count; index++) {
      if (devices_is_granted(devices[index].address)) printf("granted 0x%04" PRIx32 "\n", devices[index].address);
    }
    printf("masks 0x%02" PRIx32 "%02" PRIx32 "\n", ports[0xa1], ports[0x21]);
    return 0;
  }
  if (count >= 3 && strcmp(arguments[1], "port") == 0) {
    int32_t port = 0;
    uint32_t width = 0;
    if (sscanf(arguments[2], "%" SCNi32 ",%" SCNu32, &port, &width) != 2) return 1;
    read_devices(count - 3, arguments + 3);
    grant();
    ports_check((uint32_t)port, width);
    return 0;
  }
  if (count == 3 && strcmp(arguments[1], "log") == 0) {
    w2c_kernel_log(NULL, (uint32_t)atoi(arguments[2]), 1, 2);
    return 0;
  }
  return 1;
}
