/**
 * The policy of this kernel: the driver stack gets every virtio device there is, and nothing else. The stack itself says
 * where registers are, because it can read configuration space anyway; the command line names memory-mapped devices. None
 * of this is believed: a device whose registers are another's or the board's, or whose interrupt line is, is left out.
 */
#include "devices.h"

#include <virtio-abi.h>

#include "../boot/command-line.h"
#include "../boot/slots.h"
#include "../console.h"
#include "../cpu/interrupts.h"
#include "../exit.h"
#include "dma-pages.h"
#include "messages.h"
#include "port-grants.h"
#include "register-grants.h"

#define FUNCTIONS_MAX 120u
#define DEVICES_MAX 152u
#define BARS 6u
#define REGISTERS_BAR 0u
#define COMMAND_MEMORY_SPACE 2u

/** What the stack writes. It lies in linear memory, in pages that are borrowed for as long as this takes. */
struct records {
  struct virtio_pci_function functions[FUNCTIONS_MAX];
  struct virtio_pci_bar bar;
  struct virtio_pci_msix msix;
  struct virtio_mmio_identity identity;
};
#define RECORDS_PAGES ((sizeof(struct records) + 4095) / 4096)

/** The stack, and its records as it finds them and as this kernel does. */
struct search {
  struct w2c_virtio *stack;
  uint32_t pointer;
  const struct records *records;
};

static struct device devices[DEVICES_MAX];
static uint32_t device_count;

static const char *const claims[] = {
    [GRANT_PROTECTED] = "claims what belongs to the system board, or is memory",
    [GRANT_TAKEN] = "claims what belongs to another device",
};

#define ONE_TOO_MANY "is one too many"
#define NO_INTERRUPTS "has no usable interrupt line"

/** Why one more device, with at most so many ranges of registers, cannot be had; null when it can. */
static const char *objection_to_one_more(uint32_t ranges) {
  return device_count < DEVICES_MAX && registers_have_room(ranges) ? NULL : ONE_TOO_MANY;
}

static void add(const struct device *device) {
  interrupts_allow(device->line);
  devices[device_count++] = *device;
}

static void report(const char *where, uint64_t address, const char *reason, uint64_t base, uint64_t bytes,
                   uint64_t line) {
  print("kernel: the virtio device at ");
  print(where);
  print_hexadecimal(address, 4);
  print(" is left out: it ");
  print(reason);
  print(" (");
  print_decimal(bytes);
  print(" from ");
  print_hexadecimal(base, 4);
  print(" on; line ");
  print_decimal(line);
  print(")\n");
}

/** Reads a base address register into the records. Returns whether the function has it. */
static bool read_bar(const struct search *search, const struct virtio_pci_function *function, uint32_t index) {
  const uint32_t record = search->pointer + (uint32_t)offsetof(struct records, bar);
  return virtio_pci_bar(search->stack, function->address, index, record) == VIRTIO_RESULT_OK;
}

/** The table of a function's message vectors. */
struct table {
  uint64_t address, bytes;
  /** How many vectors are used; 0: there is no table, or it must not be written to. */
  uint32_t vectors;
};

#ifndef VIRTIO_WITHOUT_MSIX

/** For configuration changes and two queues. */
#define VECTORS_MAX 3u

/**
 * Finds the table of a function's message vectors. All of it must lie within what the function claims, because the
 * kernel keeps all of it.
 *
 * @param ranges how many ranges of registers, at most, are granted with it
 */
static struct table find_table(const struct search *search, const struct virtio_pci_function *function,
                               uint32_t ranges) {
  static const struct table none;
  const struct virtio_pci_msix *msix = &search->records->msix;
  const struct virtio_pci_bar *bar = &search->records->bar;
  const uint32_t record = search->pointer + (uint32_t)offsetof(struct records, msix);
  if ((function->command & COMMAND_MEMORY_SPACE) == 0 || command_line_has("interrupts=intx")) return none;
  if (virtio_pci_msix(search->stack, function->address, record) != VIRTIO_RESULT_OK) return none;
  if (!read_bar(search, function, msix->table_bar) || bar->is_io || bar->base == 0) return none;
  const uint32_t vectors = msix->vectors < VECTORS_MAX ? msix->vectors : VECTORS_MAX;
  const uint64_t bytes = (uint64_t)msix->vectors * MESSAGE_ENTRY_BYTES;
  if (msix->table_offset > bar->size || bytes > bar->size - msix->table_offset) return none;
  if (registers_judge(bar->base, bar->size) != GRANT_POSSIBLE) return none;
  if (!registers_have_room(ranges + 1) || !interrupts_have_messages(vectors)) return none;
  return (struct table){bar->base + msix->table_offset, bytes, vectors};
}

/** Keeps the table for the kernel, and programs it. */
static void program_messages(const struct table *table, struct device *device) {
  if (table->vectors == 0) return;
  registers_keep(table->address, table->bytes);
  device->first_message = messages_program(table->address, table->vectors);
  device->vectors = table->vectors;
}

#else

static struct table find_table(const struct search *search, const struct virtio_pci_function *function,
                               uint32_t ranges) {
  (void)search, (void)function, (void)ranges;
  return (struct table){.vectors = 0};
}

static void program_messages(const struct table *table, struct device *device) {
  (void)table, (void)device;
}

#endif

/** Why a function cannot interrupt; null when it can, by messages or its line. */
static const char *objection_to_interrupts(const struct virtio_pci_function *function, const struct table *table) {
  return table->vectors != 0 || interrupts_is_line(function->interrupt_line) ? NULL : NO_INTERRUPTS;
}

/** Adds a function whose registers are granted. It interrupts by messages where it can. */
static void add_function(const struct virtio_pci_function *function, const struct table *table,
                         enum virtio_transport_wanted transport) {
  struct device device = {
      .transport = transport,
      .address = function->address,
      .type = function->virtio_type,
      .line = interrupts_is_line(function->interrupt_line) ? function->interrupt_line : NO_INTERRUPT,
  };
  program_messages(table, &device);
  add(&device);
}

/** Why the ports of a legacy device cannot be had; null when they can. */
static const char *objection_to_ports(const struct virtio_pci_bar *bar) {
  if (!bar->is_io || bar->base == 0 || bar->size == 0) return "has no ports";
  const enum grant judgement = ports_judge(bar->base, bar->size);
  return judgement == GRANT_POSSIBLE ? NULL : claims[judgement];
}

static void report_function(const struct virtio_pci_function *function, const char *reason,
                            const struct virtio_pci_bar *bar) {
  report("PCI address ", function->address, reason, bar->base, bar->size, function->interrupt_line);
}

static void grant_legacy(const struct search *search, const struct virtio_pci_function *function) {
  if (!read_bar(search, function, REGISTERS_BAR)) return;
  const struct virtio_pci_bar bar = search->records->bar;
  const struct table table = find_table(search, function, 0);
  const char *reason = objection_to_ports(&bar);
  if (reason == NULL) reason = objection_to_interrupts(function, &table);
  if (reason == NULL) reason = objection_to_one_more(0);
  if (reason != NULL) return report_function(function, reason, &bar);
  ports_grant((uint32_t)bar.base, (uint32_t)bar.size);
  add_function(function, &table, VIRTIO_TRANSPORT_WANTED_LEGACY_PCI);
}

#ifndef VIRTIO_WITHOUT_MODERN_PCI

/** All base address registers that lead somewhere: any may lead to a structure of a modern device. */
struct bars {
  struct virtio_pci_bar of[BARS];
  uint32_t count;
};

/** Returns why one of them cannot be had, as the last in the list; null when all can. */
static const char *read_bars(const struct search *search, const struct virtio_pci_function *function,
                             struct bars *bars) {
  for (uint32_t index = 0; index < BARS; index++) {
    if (!read_bar(search, function, index)) continue;
    const struct virtio_pci_bar *bar = &search->records->bar;
    if (bar->is_64bit) index++;
    if (bar->base == 0 || bar->size == 0) continue;
    bars->of[bars->count++] = *bar;
    const enum grant judgement = bar->is_io ? ports_judge(bar->base, bar->size) : registers_judge(bar->base, bar->size);
    if (judgement != GRANT_POSSIBLE) return claims[judgement];
  }
  return bars->count == 0 ? "has no registers" : NULL;
}

static void grant_bars(const struct bars *bars) {
  for (uint32_t index = 0; index < bars->count; index++) {
    const struct virtio_pci_bar *bar = &bars->of[index];
    if (bar->is_io) ports_grant((uint32_t)bar->base, (uint32_t)bar->size);
    else registers_grant(bar->base, bar->size);
  }
}

static void grant_modern(const struct search *search, const struct virtio_pci_function *function) {
  struct bars bars = {.count = 0};
  const char *reason = read_bars(search, function, &bars);
  const struct table table = find_table(search, function, bars.count);
  if (reason == NULL) reason = objection_to_interrupts(function, &table);
  if (reason == NULL) reason = objection_to_one_more(bars.count);
  static const struct virtio_pci_bar none;
  if (reason != NULL) return report_function(function, reason, bars.count == 0 ? &none : &bars.of[bars.count - 1]);
  grant_bars(&bars);
  add_function(function, &table, VIRTIO_TRANSPORT_WANTED_MODERN_PCI);
}

#else

static void grant_modern(const struct search *search, const struct virtio_pci_function *function) {
  (void)search, (void)function;
}

#endif

/** A device that has both interfaces is had by its legacy one, which takes fewer grants. */
static void grant_function(const struct search *search, const struct virtio_pci_function *function) {
  if (function->virtio_legacy) grant_legacy(search, function);
  else if (function->virtio_type != 0) grant_modern(search, function);
}

static void grant_functions(const struct search *search) {
  const int32_t found = virtio_pci_scan(search->stack, search->pointer, FUNCTIONS_MAX);
  for (int32_t index = 0; index < found && index < (int32_t)FUNCTIONS_MAX; index++) {
    grant_function(search, &search->records->functions[index]);
  }
}

#ifndef VIRTIO_WITHOUT_MMIO

#define SLOT_BYTES_MAX 0x10000ull

/** Why the device in a slot cannot be had; null when it can, or there is none. */
static const char *objection_to_slot(const struct slot *slot) {
  if (slot->bytes > SLOT_BYTES_MAX) return "has more registers than devices have";
  const enum grant judgement = registers_judge(slot->base, slot->bytes);
  if (judgement != GRANT_POSSIBLE) return claims[judgement];
  if (!interrupts_is_line(slot->line)) return NO_INTERRUPTS;
  return objection_to_one_more(1);
}

static void grant_slot(const struct search *search, const struct slot *slot) {
  const char *reason = objection_to_slot(slot);
  if (reason == NULL) {
    registers_grant(slot->base, slot->bytes);
    const uint32_t record = search->pointer + (uint32_t)offsetof(struct records, identity);
    const int32_t result = virtio_mmio_identify(search->stack, slot->base, (uint32_t)slot->bytes, record);
    if (result == VIRTIO_RESULT_E_NOT_FOUND) return;
    if (result == VIRTIO_RESULT_OK) {
      return add(&(struct device){
          .mmio_base = slot->base,
          .mmio_bytes = (uint32_t)slot->bytes,
          .transport = VIRTIO_TRANSPORT_WANTED_MMIO,
          .type = search->records->identity.type,
          .line = (uint32_t)slot->line,
      });
    }
    reason = "is none";
  }
  report("", slot->base, reason, slot->base, slot->bytes, slot->line);
}

static void grant_slots(const struct search *search) {
  const char *text = command_line();
  struct slot slot;
  while (next_slot(&text, &slot)) grant_slot(search, &slot);
}

#else

static void grant_slots(const struct search *search) {
  (void)search;
}

#endif

void devices_grant(struct w2c_virtio *stack, const struct w2c_kernel *kernel) {
  const uint32_t pointer = dma_pages_take(kernel, RECORDS_PAGES);
  if (pointer == 0) fail(EXIT_MACHINE, "there are no pages for devices");
  const struct search search = {stack, pointer, (const void *)(kernel->memory->data + pointer)};
  /* The slots first: what the command line says is no device's doing. */
  grant_slots(&search);
  grant_functions(&search);
  dma_pages_give_back(pointer, RECORDS_PAGES);
}

const struct device *devices_get(uint32_t index) {
  return index < device_count ? &devices[index] : NULL;
}
