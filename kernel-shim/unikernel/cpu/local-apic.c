/** The local APIC, by its registers in memory. [Intel SDM 3A §10.4] */
#include "local-apic.h"

#include <stddef.h>
#include <stdint.h>

#include "../memory/paging.h"
#include "ports.h"
#include "vectors.h"

#define CPUID_FEATURES 1
#define CPUID_EDX_APIC (1u << 9)
#define MSR_APIC_BASE 0x1b
#define APIC_BASE_ENABLE (1u << 11)
/** The registers are not in memory then. */
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ADDRESS 0x000ffffffffff000ull

#define REGISTERS_BYTES 0x400
#define ID 0x20
#define ID_SHIFT 24
#define END_OF_INTERRUPT 0xb0
#define SPURIOUS_INTERRUPT_VECTOR 0xf0
#define SPURIOUS_APIC_ENABLE 0x100u
#define LVT_LINT0 0x350
/** The interrupt controllers of the PC are at that pin, and say the vector themselves. */
#define DELIVERY_EXTERNAL 0x700u

#define MESSAGES 0xfee00000u
#define MESSAGE_DESTINATION_SHIFT 12

/** Null where there is none. */
static volatile uint8_t *registers;

static void write_register(uint32_t offset, uint32_t value) {
  *(volatile uint32_t *)(registers + offset) = value;
}

static bool has_local_apic(void) {
  uint32_t eax = CPUID_FEATURES, ebx, ecx = 0, edx;
  __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return (edx & CPUID_EDX_APIC) != 0;
}

void local_apic_start(void) {
  if (!has_local_apic()) return;
  const uint64_t base = read_model_specific(MSR_APIC_BASE);
  if ((base & APIC_BASE_ENABLE) == 0 || (base & APIC_BASE_X2APIC) != 0) return;
  registers = paging_map_registers(base & APIC_BASE_ADDRESS, REGISTERS_BYTES);
  write_register(SPURIOUS_INTERRUPT_VECTOR, SPURIOUS_APIC_ENABLE | SPURIOUS_VECTOR);
  write_register(LVT_LINT0, DELIVERY_EXTERNAL);
}

bool local_apic_is_there(void) {
  return registers != NULL;
}

uint64_t local_apic_message_address(void) {
  const uint32_t id = *(volatile uint32_t *)(registers + ID) >> ID_SHIFT;
  return MESSAGES | id << MESSAGE_DESTINATION_SHIFT;
}

void local_apic_acknowledge(void) {
  write_register(END_OF_INTERRUPT, 0);
}
