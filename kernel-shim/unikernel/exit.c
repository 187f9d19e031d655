/** How the machine ends. [QEMU hw/misc/debugexit.c] */
#include "exit.h"

#include "console.h"
#include "cpu/ports.h"

#define ISA_DEBUG_EXIT 0xf4
#define STATUS_OFFSET 16

_Noreturn void exit_machine(int status) {
  // The machine ends at once, with what the port has not sent yet.
  console_flush();
  port_out32(ISA_DEBUG_EXIT, (uint32_t)(status + STATUS_OFFSET));
  for (;;) __asm__ volatile("cli\n\thlt");
}

_Noreturn void fail(enum exit_status status, const char *reason) {
  print("kernel: ");
  print(reason);
  print("\n");
  exit_machine(status);
}
