/** The processor's port instructions: the part of the shim that only a kernel can run. */
#ifndef PORT_INSTRUCTIONS_H
#define PORT_INSTRUCTIONS_H

#include <stdint.h>

#define PORT_INSTRUCTIONS(bits, suffix)                                             \
  static inline uint##bits##_t port_in##bits(uint16_t port) {                       \
    uint##bits##_t value;                                                           \
    __asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory");  \
    return value;                                                                   \
  }                                                                                 \
  static inline void port_out##bits(uint16_t port, uint##bits##_t value) {          \
    __asm__ volatile("out" suffix " %0, %1" : : "a"(value), "Nd"(port) : "memory"); \
  }
PORT_INSTRUCTIONS(8, "b")
PORT_INSTRUCTIONS(16, "w")
PORT_INSTRUCTIONS(32, "l")

#endif
