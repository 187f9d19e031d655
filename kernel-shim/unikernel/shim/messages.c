/** Programs message vectors. [PCI 3.0 §6.8.2] */
#include "messages.h"

#include "../cpu/interrupts.h"
#include "../memory/paging.h"

struct entry {
  uint32_t address_low, address_high;
  uint32_t data;
  /** Bit 0: no message is sent. */
  uint32_t control;
};
_Static_assert(sizeof(struct entry) == MESSAGE_ENTRY_BYTES, "an entry of the table");

uint32_t messages_program(uint64_t table, uint32_t vectors) {
  const uint32_t first = interrupts_take_messages(vectors);
  if (first == 0) return 0;
  volatile struct entry *entries = paging_map_registers(table, vectors * sizeof(struct entry));
  const uint64_t address = interrupts_message_address();
  for (uint32_t vector = 0; vector < vectors; vector++) {
    entries[vector].address_low = (uint32_t)address;
    entries[vector].address_high = (uint32_t)(address >> 32);
    entries[vector].data = interrupts_message_data(first + vector);
    entries[vector].control = 0;
  }
  return first;
}
