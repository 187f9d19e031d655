/** Exceptions and interrupts, on their way from the processor to the code that deals with them. */
#ifndef CPU_VECTORS_H
#define CPU_VECTORS_H

#include <stdint.h>

/** What `vectors.S` saves; the last five are pushed by the processor. [Intel SDM 3A §6.14.2] */
struct registers {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  uint64_t vector, error_code;
  uint64_t rip, cs, rflags, rsp, ss;
};

/**
 * Number of entries: 32 exceptions, and one for each interrupt; the last is the local APIC's, for what was taken back too
 * early. Its vector ends with 15, as it does on old processors.
 */
#define VECTORS 96
#define FIRST_INTERRUPT_VECTOR 32
#define SPURIOUS_VECTOR 95

/** The entry of vector n begins n × 16 bytes behind this. */
extern const char vector_entries[];

/** Loads segments and the interrupt descriptor table. Interrupts stay off. */
void vectors_start(void);

/** Goes on in `function` with the stack that ends at `end`. */
_Noreturn void run_on_stack(void *end, void (*function)(void));

#endif
