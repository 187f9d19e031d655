/**
 * Runs the unikernel's policy as a program of this computer, on devices that say what the arguments say:
 *
 *     policy COMMAND-LINE grant ADDRESS,KIND,IS_IO,BASE,SIZE,LINE[,VECTORS,TABLE-BASE,TABLE-SIZE,TABLE-OFFSET,COMMAND]…
 *                                                                      grants, then prints who was granted, the entries of
 *                                                                      the last table, and the masks of lines
 *     policy COMMAND-LINE port PORT,WIDTH ADDRESS,…                    the same, then checks an access
 *     policy COMMAND-LINE registers STEP… ADDRESS,…                    the same, then takes steps:
 *         map,ADDRESS,BYTES   prints the window
 *         unmap,WINDOW,BYTES  ends the mapping
 *         at,POINTER,WIDTH    checks an access, and prints where it goes
 *     policy COMMAND-LINE log NUMBER                                   prints a message of the stack's
 *
 * What the kernel prints goes to standard output; the exit status is the one that it ends the machine with.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtio-abi.h>

#include "../../../kernel-shim/unikernel/boot/command-line.h"
#include "../../../kernel-shim/unikernel/console.h"
#include "../../../kernel-shim/unikernel/cpu/clock.h"
#include "../../../kernel-shim/unikernel/cpu/interrupts.h"
#include "../../../kernel-shim/unikernel/cpu/local-apic.h"
#include "../../../kernel-shim/unikernel/exit.h"
#include "../../../kernel-shim/unikernel/memory/frames.h"
#include "../../../kernel-shim/unikernel/memory/layout.h"
#include "../../../kernel-shim/unikernel/memory/paging.h"
#include "../../../kernel-shim/unikernel/shim/devices.h"
#include "../../../kernel-shim/unikernel/shim/dma-pages.h"
#include "../../../kernel-shim/unikernel/shim/port-grants.h"
#include "../../../kernel-shim/unikernel/shim/register-grants.h"

#define CLAIMS_MAX 120

uint32_t ports[0x10000];

enum kind { KIND_OTHER, KIND_LEGACY, KIND_MODERN };

struct claim {
  uint32_t address, kind, is_io, line;
  uint64_t base, size;
  /** The table of message vectors, which lies behind base address register 1. */
  uint32_t vectors, table_offset, table_command;
  uint64_t table_base, table_size;
};
static struct claim claimed[CLAIMS_MAX];
static uint32_t claim_count;

/** The command line of the kernel. */
static const char *kernel_line;

/** Where entries for message vectors are written to. */
static uint32_t table[64];

static _Alignas(8) uint8_t pages[8 * 4096];
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

const char *command_line(void) { return kernel_line; }
bool command_line_has(const char *word) { return strstr(kernel_line, word) != NULL; }
bool local_apic_is_there(void) { return strstr(kernel_line, "no-apic") == NULL; }
uint64_t local_apic_message_address(void) { return 0xfee01000; }
void local_apic_acknowledge(void) {}
volatile void *paging_map_registers(uint64_t physical, uint64_t bytes) {
  printf("table at 0x%" PRIx64 " of %" PRIu64 "\n", physical, bytes);
  return table;
}
/** The machine has 64 MiB. */
bool frames_claim(uint64_t first, uint64_t bytes) { return first < 0x4000000 && bytes != 0; }
void paging_map(uint64_t address, uint64_t physical, uint64_t bytes, enum access access) {
  (void)access;
  printf("pages 0x%" PRIx64 " at 0x%" PRIx64 " of 0x%" PRIx64 "\n", (uint64_t)(address - DEVICE_REGISTERS), physical, bytes);
}
void paging_unmap(uint64_t address, uint64_t bytes) {
  printf("no pages 0x%" PRIx64 " of 0x%" PRIx64 "\n", (uint64_t)(address - DEVICE_REGISTERS), bytes);
}

/* The stack, which says of configuration space what the arguments say. */

uint32_t w2c_virtio_pci_scan(struct w2c_virtio *stack, uint32_t records, uint32_t capacity) {
  (void)stack, (void)capacity;
  struct virtio_pci_function *functions = (void *)(pages + records);
  for (uint32_t index = 0; index < claim_count; index++) {
    functions[index].address = (uint16_t)claimed[index].address;
    functions[index].virtio_legacy = claimed[index].kind == KIND_LEGACY;
    functions[index].virtio_type = claimed[index].kind != KIND_OTHER;
    functions[index].interrupt_line = (uint8_t)claimed[index].line;
    functions[index].command = (uint16_t)claimed[index].table_command;
  }
  return claim_count;
}

uint32_t w2c_virtio_pci_bar(struct w2c_virtio *stack, uint32_t address, uint32_t bar_index, uint32_t record) {
  (void)stack;
  struct virtio_pci_bar *bar = (void *)(pages + record);
  for (uint32_t index = 0; index < claim_count; index++) {
    if (claimed[index].address != address || bar_index > 1) continue;
    if (bar_index == 1) {
      bar->base = claimed[index].table_base;
      bar->size = claimed[index].table_size;
      bar->is_io = 0;
      return VIRTIO_RESULT_OK;
    }
    bar->base = claimed[index].base;
    bar->size = claimed[index].size;
    bar->is_io = (uint8_t)claimed[index].is_io;
    return VIRTIO_RESULT_OK;
  }
  return (uint32_t)VIRTIO_RESULT_E_NOT_FOUND;
}

uint32_t w2c_virtio_pci_msix(struct w2c_virtio *stack, uint32_t address, uint32_t record) {
  (void)stack;
  struct virtio_pci_msix *msix = (void *)(pages + record);
  for (uint32_t index = 0; index < claim_count; index++) {
    if (claimed[index].address != address || claimed[index].vectors == 0) continue;
    msix->vectors = claimed[index].vectors;
    msix->table_bar = 1;
    msix->table_offset = claimed[index].table_offset;
    return VIRTIO_RESULT_OK;
  }
  return (uint32_t)VIRTIO_RESULT_E_UNSUPPORTED;
}

/** There are no slots but those at multiples of 8192, and a device but in those at multiples of 16384. */
uint32_t w2c_virtio_mmio_identify(struct w2c_virtio *stack, uint64_t base, uint32_t bytes, uint32_t record) {
  (void)stack, (void)bytes;
  if (base % 0x2000 != 0) return (uint32_t)VIRTIO_RESULT_E_NOT_VIRTIO;
  if (base % 0x4000 != 0) return (uint32_t)VIRTIO_RESULT_E_NOT_FOUND;
  struct virtio_mmio_identity *identity = (void *)(pages + record);
  identity->type = 1;
  return VIRTIO_RESULT_OK;
}

static void read_claims(int count, char **arguments) {
  if (count > CLAIMS_MAX) exit(1);
  for (int index = 0; index < count; index++) {
    struct claim *claim = &claimed[claim_count++];
    const int read = sscanf(arguments[index],
                            "%" SCNi32 ",%" SCNu32 ",%" SCNu32 ",%" SCNi64 ",%" SCNi64 ",%" SCNu32 ",%" SCNu32 ",%" SCNi64
                            ",%" SCNi64 ",%" SCNi32 ",%" SCNu32,
                            (int32_t *)&claim->address, &claim->kind, &claim->is_io, (int64_t *)&claim->base,
                            (int64_t *)&claim->size, &claim->line, &claim->vectors, (int64_t *)&claim->table_base,
                            (int64_t *)&claim->table_size, (int32_t *)&claim->table_offset, &claim->table_command);
    if (read != 6 && read != 11) {
      exit(1);
    }
  }
}

static void grant(void) {
  interrupts_start();
  devices_grant(NULL, &kernel);
}

static void print_granted(void) {
  const struct device *device;
  for (uint32_t index = 0; (device = devices_get(index)) != NULL; index++) {
    printf("granted 0x%04" PRIx64 "\n", device->mmio_base != 0 ? device->mmio_base : device->address);
    if (device->vectors != 0) {
      printf("messages %" PRIu32 " to %" PRIu32 "\n", device->first_message, device->first_message + device->vectors - 1);
    }
  }
  for (uint32_t index = 0; index < sizeof table / sizeof table[0] && table[index] != 0; index += 4) {
    printf("entry 0x%" PRIx32 " 0x%" PRIx32 " 0x%" PRIx32 " 0x%" PRIx32 "\n", table[index], table[index + 1],
           table[index + 2], table[index + 3]);
  }
  printf("masks 0x%02" PRIx32 "%02" PRIx32 "\n", ports[0xa1], ports[0x21]);
}

/** Returns whether the step is one. */
static int take_step(const char *step) {
  uint64_t first;
  uint32_t bytes;
  if (sscanf(step, "map,%" SCNi64 ",%" SCNi32, (int64_t *)&first, (int32_t *)&bytes) == 2) {
    printf("window 0x%" PRIx32 "\n", registers_map(first, bytes));
  } else if (sscanf(step, "unmap,%" SCNi64 ",%" SCNi32, (int64_t *)&first, (int32_t *)&bytes) == 2) {
    registers_unmap((uint32_t)first, bytes);
  } else if (sscanf(step, "at,%" SCNi64 ",%" SCNi32, (int64_t *)&first, (int32_t *)&bytes) == 2) {
    printf("at 0x%" PRIx64 "\n", (uint64_t)((uintptr_t)registers_at((uint32_t)first, bytes) - DEVICE_REGISTERS));
  } else {
    return 0;
  }
  return 1;
}

int main(int count, char **arguments) {
  if (count < 3) return 1;
  kernel_line = arguments[1];
  const char *what = arguments[2];
  if (strcmp(what, "grant") == 0) {
    read_claims(count - 3, arguments + 3);
    grant();
    print_granted();
    return 0;
  }
  if (strcmp(what, "port") == 0 && count >= 4) {
    int32_t port = 0;
    uint32_t width = 0;
    if (sscanf(arguments[3], "%" SCNi32 ",%" SCNu32, &port, &width) != 2) return 1;
    read_claims(count - 4, arguments + 4);
    grant();
    ports_check((uint32_t)port, width);
    return 0;
  }
  if (strcmp(what, "registers") == 0) {
    int steps = 3;
    while (steps < count && (arguments[steps][0] < '0' || arguments[steps][0] > '9')) steps++;
    read_claims(count - steps, arguments + steps);
    grant();
    for (int index = 3; index < steps; index++) {
      if (!take_step(arguments[index])) return 1;
    }
    return 0;
  }
  if (strcmp(what, "log") == 0 && count == 4) {
    w2c_kernel_log(NULL, (uint32_t)atoi(arguments[3]), 1, 2);
    return 0;
  }
  return 1;
}
