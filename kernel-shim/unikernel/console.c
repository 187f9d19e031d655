/** Text for people, on the first serial port. [PC16550D data sheet §8] */
#include "console.h"

#include "cpu/ports.h"

#define COM1 0x3f8
#define DATA (COM1 + 0)
#define INTERRUPT_ENABLE (COM1 + 1)
#define DIVISOR_LOW (COM1 + 0)
#define DIVISOR_HIGH (COM1 + 1)
#define FIFO_CONTROL (COM1 + 2)
#define LINE_CONTROL (COM1 + 3)
#define MODEM_CONTROL (COM1 + 4)
#define LINE_STATUS (COM1 + 5)

#define LINE_CONTROL_8_BITS 0x03
#define LINE_CONTROL_DIVISOR 0x80
#define FIFO_ENABLE_AND_CLEAR 0x07
#define MODEM_CONTROL_READY 0x03
#define LINE_STATUS_TRANSMITTER_HOLDING_EMPTY 0x20
#define LINE_STATUS_TRANSMITTER_EMPTY 0x40

/** A port without anything behind it must not stop the machine. */
#define WAIT_TURNS 100000

void console_start(void) {
  port_out8(INTERRUPT_ENABLE, 0);
  port_out8(LINE_CONTROL, LINE_CONTROL_DIVISOR | LINE_CONTROL_8_BITS);
  port_out8(DIVISOR_LOW, 1);
  port_out8(DIVISOR_HIGH, 0);
  port_out8(LINE_CONTROL, LINE_CONTROL_8_BITS);
  port_out8(FIFO_CONTROL, FIFO_ENABLE_AND_CLEAR);
  port_out8(MODEM_CONTROL, MODEM_CONTROL_READY);
}

static void wait_for(uint8_t bit) {
  for (int turn = 0; turn < WAIT_TURNS; turn++) {
    if (port_in8(LINE_STATUS) & bit) break;
  }
}

static void write_byte(char byte) {
  wait_for(LINE_STATUS_TRANSMITTER_HOLDING_EMPTY);
  port_out8(DATA, (uint8_t)byte);
}

void console_flush(void) {
  wait_for(LINE_STATUS_TRANSMITTER_EMPTY);
}

void console_write(const char *text, uint32_t length) {
  for (uint32_t index = 0; index < length; index++) write_byte(text[index]);
}

void print(const char *text) {
  while (*text != 0) write_byte(*text++);
}

/** Prints a number with at least `digits` digits of `base`. */
static void print_number(uint64_t number, unsigned base, int digits) {
  char text[64];
  int length = 0;
  do {
    text[length++] = "0123456789abcdef"[number % base];
    number /= base;
  } while (number != 0 || length < digits);
  while (length > 0) write_byte(text[--length]);
}

void print_decimal(uint64_t number) {
  print_number(number, 10, 1);
}

void print_hexadecimal(uint64_t number, int digits) {
  print("0x");
  print_number(number, 16, digits);
}
