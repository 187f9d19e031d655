/*
 * Where exceptions and interrupts come in: 96 entries of 16 bytes each, all alike but for the number that they push,
 * and the way from there to `vector_arrived` and back. [Intel SDM 3A §6.14]
 */

/* The exceptions for which the processor pushes an error code itself. [Intel SDM 3A table 6-1] */
#define HAS_ERROR_CODE(vector) ((1 << (vector)) & 0x60227d00)

  .text
  .balign 16
  .globl vector_entries
vector_entries:
  .set vector, 0
  .rept 96
  .balign 16
  .if vector >= 32 || !HAS_ERROR_CODE(vector)
  pushq $0
  .endif
  pushq $vector
  jmp save_registers
  .set vector, vector + 1
  .endr

/* The order is that of `struct registers` in vectors.h, from its end. The processor has aligned the stack. */
save_registers:
  push %rax
  push %rbx
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %rbp
  push %r8
  push %r9
  push %r10
  push %r11
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, %rdi
  cld
  call vector_arrived
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rbp
  pop %rdi
  pop %rsi
  pop %rdx
  pop %rcx
  pop %rbx
  pop %rax
  add $16, %rsp
  iretq

/* void run_on_stack(void *end, void (*function)(void)): goes on with another stack, for good. */
  .globl run_on_stack
run_on_stack:
  mov %rdi, %rsp
  xor %ebp, %ebp
  call *%rsi
  ud2

  .section .note.GNU-stack, "", @progbits
