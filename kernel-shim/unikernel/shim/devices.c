/**
 * The policy of this kernel: the driver stack gets every legacy virtio device there is, and nothing else. It asks the
 * stack itself where the registers are, because the stack can read configuration space anyway. What configuration
 * space says is not believed: a device whose ports are another's or the board's, or whose interrupt line is, is left
 * out.
 */
#include "devices.h"

#include <virtio-abi.h>

#include "../console.h"
#include "../cpu/interrupts.h"
#include "../exit.h"
#include "dma-pages.h"
#include "port-grants.h"

/** Records lie in linear memory, in a page that is borrowed for as long as this takes. */
#define RECORDS_PAGES 2u
#define FUNCTIONS_MAX 120u
#define REGISTERS_BAR 0u

_Static_assert(FUNCTIONS_MAX * sizeof(struct virtio_pci_function) + sizeof(struct virtio_pci_bar) <=
                   RECORDS_PAGES * 4096,
               "the records fit");

static uint32_t granted[FUNCTIONS_MAX];
static uint32_t granted_count;

/** Why a device cannot be had; null when it can. */
static const char *objection(const struct virtio_pci_function *function, const struct virtio_pci_bar *bar) {
  if (!bar->is_io || bar->base == 0 || bar->size == 0) return "has no ports";
  switch (ports_judge(bar->base, bar->size)) {
    case PORT_GRANT_PROTECTED:
      return "claims ports of the system board";
    case PORT_GRANT_TAKEN:
      return "claims ports of another device";
    case PORT_GRANT_POSSIBLE:
      break;
  }
  return interrupts_is_pci_line(function->interrupt_line) ? NULL : "has no interrupt line that PCI devices have";
}

static void report(const struct virtio_pci_function *function, const char *reason, const struct virtio_pci_bar *bar) {
  print("kernel: the virtio device at PCI address ");
  print_hexadecimal(function->address, 4);
  print(" is left out: it ");
  print(reason);
  print(" (ports from ");
  print_hexadecimal(bar->base, 4);
  print(", ");
  print_decimal(bar->size);
  print(" of them; line ");
  print_decimal(function->interrupt_line);
  print(")\n");
}

static void grant(struct w2c_virtio *stack, const struct virtio_pci_function *function, uint32_t record,
                  const struct virtio_pci_bar *bar) {
  if (!function->virtio_legacy) return;
  if (virtio_pci_bar(stack, function->address, REGISTERS_BAR, record) != VIRTIO_RESULT_OK) return;
  const char *reason = objection(function, bar);
  if (reason != NULL) return report(function, reason, bar);
  ports_grant((uint32_t)bar->base, (uint32_t)bar->size);
  interrupts_allow(function->interrupt_line);
  granted[granted_count++] = function->address;
}

void devices_grant(struct w2c_virtio *stack, const struct w2c_kernel *kernel) {
  const uint32_t functions_pointer = dma_pages_take(kernel, RECORDS_PAGES);
  if (functions_pointer == 0) fail(EXIT_MACHINE, "there are no pages for devices");
  const uint32_t bar_pointer = functions_pointer + FUNCTIONS_MAX * (uint32_t)sizeof(struct virtio_pci_function);
  const struct virtio_pci_function *functions = (const void *)(kernel->memory->data + functions_pointer);
  const struct virtio_pci_bar *bar = (const void *)(kernel->memory->data + bar_pointer);

  const int32_t found = virtio_pci_scan(stack, functions_pointer, FUNCTIONS_MAX);
  for (int32_t index = 0; index < found && index < (int32_t)FUNCTIONS_MAX; index++) {
    grant(stack, &functions[index], bar_pointer, bar);
  }
  dma_pages_give_back(functions_pointer, RECORDS_PAGES);
}

bool devices_is_granted(uint32_t address) {
  for (uint32_t index = 0; index < granted_count; index++) {
    if (granted[index] == address) return true;
  }
  return false;
}
