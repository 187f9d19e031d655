/** Text for people, on the first serial port. [PC16550D data sheet] */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdint.h>

/** 115200 baud, 8 data bits. To be called before anything is printed. */
void console_start(void);

/** Prints `length` bytes. */
void console_write(const char *text, uint32_t length);

/** Waits until everything has left the port, for some time at most. */
void console_flush(void);

/** Prints text that ends with a zero. */
void print(const char *text);

/** Prints a number. */
void print_decimal(uint64_t number);

/** Prints a number as 0x and at least `digits` hexadecimal digits. */
void print_hexadecimal(uint64_t number, int digits);

#endif
