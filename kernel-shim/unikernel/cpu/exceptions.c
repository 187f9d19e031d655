/**
 * Exceptions of the processor. [Intel SDM 3A §6.15]
 *
 * A page fault is how an access outside linear memory, and a stack that is used up, are noticed: what surrounds both
 * is not mapped.
 */
#include "exceptions.h"

#include "../console.h"
#include "../exit.h"
#include "../memory/layout.h"

enum { PAGE_FAULT = 14 };

static const char *const names[FIRST_INTERRUPT_VECTOR] = {
    "division error",       "debug exception",      "non-maskable interrupt",
    "breakpoint",           "overflow",             "bound range exceeded",
    "invalid opcode",       "device not available", "double fault",
    "coprocessor overrun",  "invalid TSS",          "segment not present",
    "stack-segment fault",  "general protection",   "page fault",
    "reserved exception",   "x87 error",            "alignment check",
    "machine check",        "SIMD error",           "virtualization exception",
    "control protection",
};

static uint64_t fault_address(void) {
  uint64_t address;
  __asm__ volatile("mov %%cr2, %0" : "=r"(address));
  return address;
}

static void print_registers(const struct registers *registers) {
  const struct {
    const char *name;
    uint64_t value;
  } lines[] = {
      {"rip", registers->rip}, {"rsp", registers->rsp}, {"rflags", registers->rflags}, {"error", registers->error_code},
      {"rax", registers->rax}, {"rbx", registers->rbx}, {"rcx", registers->rcx},       {"rdx", registers->rdx},
      {"rsi", registers->rsi}, {"rdi", registers->rdi}, {"rbp", registers->rbp},       {"cr2", fault_address()},
      {"r8", registers->r8},   {"r9", registers->r9},   {"r10", registers->r10},       {"r11", registers->r11},
      {"r12", registers->r12}, {"r13", registers->r13}, {"r14", registers->r14},       {"r15", registers->r15},
  };
  for (unsigned index = 0; index < sizeof lines / sizeof lines[0]; index++) {
    print(index % 4 == 0 ? "  " : " ");
    print(lines[index].name);
    print(" ");
    print_hexadecimal(lines[index].value, 16);
    if (index % 4 == 3) print("\n");
  }
}

_Noreturn void exception_arrived(const struct registers *registers) {
  const uint64_t address = fault_address();
  const int is_page_fault = registers->vector == PAGE_FAULT;
  print("kernel: exception ");
  print_decimal(registers->vector);
  print(", ");
  print(names[registers->vector] != 0 ? names[registers->vector] : "reserved exception");
  print("\n");
  print_registers(registers);
  if (is_page_fault && address >= LINEAR_MEMORIES && address < LINEAR_MEMORIES_END) {
    print("kernel: index ");
    print_hexadecimal((address - LINEAR_MEMORIES) % LINEAR_MEMORY_WINDOW, 1);
    print(" is outside\n");
    fail(EXIT_OUT_OF_BOUNDS, "WebAssembly trap: out of bounds memory access");
  }
  if (is_page_fault && address >= STACK_WINDOW && address < STACK_WINDOW_END) {
    fail(EXIT_STACK, "WebAssembly trap: call stack exhausted");
  }
  exit_machine(EXIT_EXCEPTION);
}
