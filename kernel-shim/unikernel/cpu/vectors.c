/**
 * Segments, the task state segment and the interrupt descriptor table. [Intel SDM 3A §3.4.5, §6.14, §7.7]
 *
 * Exceptions get a stack of their own, because the exhaustion of the ordinary one is among what they report.
 */
#include "vectors.h"

#include "exceptions.h"
#include "interrupts.h"

#define CODE_SEGMENT 0x08
#define TASK_SEGMENT 0x18

static uint64_t segments[5] = {
    0,
    0x00af9b000000ffff, /* 64-bit code */
    0x00cf93000000ffff, /* data */
    0, 0,               /* task state segment, filled in below */
};

/** [Intel SDM 3A figure 7-11] */
static struct __attribute__((packed)) {
  uint32_t reserved0;
  uint64_t privilege_stacks[3];
  uint64_t reserved1;
  uint64_t interrupt_stacks[7];
  uint64_t reserved2;
  uint16_t reserved3;
  uint16_t port_map;
} task_state;

#define EXCEPTION_STACK 1
static _Alignas(16) uint8_t exception_stack[16384];

/** [Intel SDM 3A figure 6-8] */
static struct gate {
  uint16_t offset_low;
  uint16_t segment;
  uint8_t stack;
  uint8_t type;
  uint16_t offset_middle;
  uint32_t offset_high;
  uint32_t reserved;
} gates[VECTORS];

#define INTERRUPT_GATE 0x8e
#define TASK_STATE_AVAILABLE 0x89ull

struct __attribute__((packed)) table_pointer {
  uint16_t limit;
  uint64_t base;
};

void vectors_start(void) {
  task_state.interrupt_stacks[EXCEPTION_STACK - 1] = (uintptr_t)exception_stack + sizeof exception_stack;
  task_state.port_map = sizeof task_state;
  const uint64_t base = (uintptr_t)&task_state;
  segments[TASK_SEGMENT / 8] = (sizeof task_state - 1) | (base & 0xffffff) << 16 | TASK_STATE_AVAILABLE << 40 |
                               (base >> 24 & 0xff) << 56;
  segments[TASK_SEGMENT / 8 + 1] = base >> 32;

  for (unsigned vector = 0; vector < VECTORS; vector++) {
    const uint64_t entry = (uintptr_t)vector_entries + vector * 16;
    gates[vector] = (struct gate){
        .offset_low = (uint16_t)entry,
        .segment = CODE_SEGMENT,
        .stack = vector < FIRST_INTERRUPT_VECTOR ? EXCEPTION_STACK : 0,
        .type = INTERRUPT_GATE,
        .offset_middle = (uint16_t)(entry >> 16),
        .offset_high = (uint32_t)(entry >> 32),
    };
  }

  const struct table_pointer segments_pointer = {sizeof segments - 1, (uintptr_t)segments};
  const struct table_pointer gates_pointer = {sizeof gates - 1, (uintptr_t)gates};
  __asm__ volatile("lgdt %0" : : "m"(segments_pointer) : "memory");
  __asm__ volatile("ltr %w0" : : "r"(TASK_SEGMENT) : "memory");
  __asm__ volatile("lidt %0" : : "m"(gates_pointer) : "memory");
}

/** Called by `vectors.S`, with interrupts off. */
void vector_arrived(const struct registers *registers);

void vector_arrived(const struct registers *registers) {
  if (registers->vector < FIRST_INTERRUPT_VECTOR) exception_arrived(registers);
  interrupt_arrived((unsigned)(registers->vector - FIRST_INTERRUPT_VECTOR));
}
