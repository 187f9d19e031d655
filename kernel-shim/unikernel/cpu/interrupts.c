/**
 * The two interrupt controllers of a PC, in cascade, and the local APIC's messages. [Intel 8259A data sheet] [Intel 82371AB (PIIX4) §4.2.5, ELCR]
 *
 * Devices hold their lines until they are quieted, and PCI functions share them, so a line that arrives is acknowledged by
 * the next wait and not before. Until then the controllers hold it back, and no mask has to be written: an access to a
 * controller is an exit to the hypervisor. A message is told once, and acknowledged at once.
 */
#include "interrupts.h"

#include "clock.h"
#include "local-apic.h"
#include "ports.h"
#include "vectors.h"

#define MASTER_COMMAND 0x20
#define MASTER_DATA 0x21
#define SLAVE_COMMAND 0xa0
#define SLAVE_DATA 0xa1
#define MASTER_TRIGGER 0x4d0
#define SLAVE_TRIGGER 0x4d1

#define INITIALIZE_WITH_WORD_4 0x11
#define MODE_8086 0x01
#define SPECIFIC_END_OF_INTERRUPT 0x60
#define READ_IN_SERVICE 0x0b

#define LINES 16
#define TIMER_LINE 0
#define CASCADE_LINE 2
/** 3 to 7, 9 to 12, 14 and 15. */
#define DEVICE_LINES 0xdef8u

static uint32_t masked = 0xffff & ~(1u << CASCADE_LINE | 1u << TIMER_LINE);
/** Written by the handler, read while interrupts are off. */
static volatile uint64_t arrived;
/** The next number for a message. */
static uint32_t next_message = LINES;
/** Lines that the last wait returned, and that are not acknowledged. */
static uint32_t held;
static uint64_t sleeps, slept_ns;

static void write_masks(void) {
  port_out8(MASTER_DATA, (uint8_t)masked);
  port_out8(SLAVE_DATA, (uint8_t)(masked >> 8));
}

void interrupts_start(void) {
  port_out8(MASTER_COMMAND, INITIALIZE_WITH_WORD_4);
  port_out8(SLAVE_COMMAND, INITIALIZE_WITH_WORD_4);
  port_out8(MASTER_DATA, FIRST_INTERRUPT_VECTOR);
  port_out8(SLAVE_DATA, FIRST_INTERRUPT_VECTOR + 8);
  port_out8(MASTER_DATA, 1 << CASCADE_LINE);
  port_out8(SLAVE_DATA, CASCADE_LINE);
  port_out8(MASTER_DATA, MODE_8086);
  port_out8(SLAVE_DATA, MODE_8086);
  write_masks();
}

bool interrupts_is_line(uint64_t line) {
  return line < LINES && (DEVICE_LINES >> line & 1) != 0;
}

void interrupts_allow(unsigned line) {
  if (!interrupts_is_line(line)) return;
  /* As firmware makes the lines of PCI. An edge would be lost that comes while its line is asserted. */
  const uint16_t port = line < 8 ? MASTER_TRIGGER : SLAVE_TRIGGER;
  port_out8(port, port_in8(port) | (uint8_t)(1u << line % 8));
  masked &= ~(1u << line);
  write_masks();
}

/** The last line of either controller also arrives when an assertion was taken back too early. */
static bool is_spurious(unsigned line) {
  if (line % 8 != 7) return false;
  const uint16_t port = line < 8 ? MASTER_COMMAND : SLAVE_COMMAND;
  port_out8(port, READ_IN_SERVICE);
  return (port_in8(port) & 0x80) == 0;
}

static void acknowledge_cascade(void) {
  port_out8(MASTER_COMMAND, SPECIFIC_END_OF_INTERRUPT | CASCADE_LINE);
}

static void acknowledge(unsigned line) {
  if (line < 8) {
    port_out8(MASTER_COMMAND, (uint8_t)(SPECIFIC_END_OF_INTERRUPT | line));
  } else {
    port_out8(SLAVE_COMMAND, (uint8_t)(SPECIFIC_END_OF_INTERRUPT | (line - 8)));
    acknowledge_cascade();
  }
}

static void line_arrived(unsigned line) {
  if (is_spurious(line)) {
    /* A spurious line of the slave is none to the master. */
    if (line >= 8) acknowledge_cascade();
  } else if (line == TIMER_LINE) {
    acknowledge(line);
  } else {
    arrived |= 1u << line;
  }
}

void interrupt_arrived(unsigned number) {
  if (number < LINES) {
    line_arrived(number);
  } else if (number < NO_INTERRUPT) {
    arrived |= 1ull << number;
    local_apic_acknowledge();
  }
}

bool interrupts_have_messages(uint32_t count) {
  return local_apic_is_there() && count <= NO_INTERRUPT - next_message;
}

uint32_t interrupts_take_messages(uint32_t count) {
  if (!interrupts_have_messages(count)) return 0;
  const uint32_t first = next_message;
  next_message += count;
  return first;
}

uint32_t interrupts_message_data(uint32_t number) {
  return FIRST_INTERRUPT_VECTOR + number;
}

uint64_t interrupts_message_address(void) {
  return local_apic_message_address();
}

uint64_t interrupts_wait(uint64_t deadline) {
  for (unsigned line = 0; held != 0; line++) {
    if ((held >> line & 1) == 0) continue;
    held &= ~(1u << line);
    acknowledge(line);
  }
  for (;;) {
    const uint64_t numbers = arrived;
    arrived = 0;
    held = numbers & ((1u << LINES) - 1);
    if (numbers != 0) return numbers;
    const uint64_t before = clock_now();
    if (before >= deadline) return 0;
    if (deadline != UINT64_MAX) timer_start(deadline - before);
    sleep_until_interrupt();
    sleeps++;
    slept_ns += clock_now() - before;
  }
}

uint64_t interrupts_sleeps(void) {
  return sleeps;
}

uint64_t interrupts_slept_ns(void) {
  return slept_ns;
}
