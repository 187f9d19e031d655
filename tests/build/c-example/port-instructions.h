/** In the place of the processor's port instructions: a machine in `machine.c`. */
#ifndef PORT_INSTRUCTIONS_H
#define PORT_INSTRUCTIONS_H

#include <stdint.h>

uint8_t machine_in8(uint16_t port);
uint16_t machine_in16(uint16_t port);
uint32_t machine_in32(uint16_t port);
void machine_out8(uint16_t port, uint8_t value);
void machine_out16(uint16_t port, uint16_t value);
void machine_out32(uint16_t port, uint32_t value);

#define port_in8 machine_in8
#define port_in16 machine_in16
#define port_in32 machine_in32
#define port_out8 machine_out8
#define port_out16 machine_out16
#define port_out32 machine_out32

#endif
