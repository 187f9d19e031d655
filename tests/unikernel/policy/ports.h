/**
 * Takes the place of the kernel's `cpu/ports.h` where its files run as a program of this computer: a write to a port is
 * remembered, a read answers it.
 */
#ifndef CPU_PORTS_H
#define CPU_PORTS_H

#include <stdint.h>

extern uint32_t ports[0x10000];

static inline uint8_t port_in8(uint16_t port) { return (uint8_t)ports[port]; }
static inline uint16_t port_in16(uint16_t port) { return (uint16_t)ports[port]; }
static inline uint32_t port_in32(uint16_t port) { return ports[port]; }
static inline void port_out8(uint16_t port, uint8_t value) { ports[port] = value; }
static inline void port_out16(uint16_t port, uint16_t value) { ports[port] = value; }
static inline void port_out32(uint16_t port, uint32_t value) { ports[port] = value; }
static inline void sleep_until_interrupt(void) {}

#endif
