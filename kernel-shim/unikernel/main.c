/** From the boot entry to the application's `main`, and its result to the end of the machine. */
#include <module.h>
#include <virtio-abi.h>

#include "boot/command-line.h"
#include "boot/start-information.h"
#include "console.h"
#include "cpu/clock.h"
#include "cpu/interrupts.h"
#include "cpu/local-apic.h"
#include "cpu/vectors.h"
#include "exit.h"
#include "memory/frames.h"
#include "memory/layout.h"
#include "memory/paging.h"
#include "shim/devices.h"
#include "shim/kernel.h"
#include "shim/sha256.h"
#include "wasm/runtime.h"

/** What the application may return. */
#define APPLICATION_STATUS_MAX (EXIT_KERNEL - 1)

/** The application and the driver stack, in one module. */
static w2c_virtio module;
static struct w2c_kernel kernel;
static struct w2c_unikernel unikernel;

static void run(void) {
  wasm2c_virtio_instantiate(&module, &kernel, &unikernel);
  kernel.memory = unikernel.memory = w2c_virtio_memory(&module);
  // The module's code may have been compiled for that place, and so no other module comes first.
  if ((uintptr_t)kernel.memory->data != LINEAR_MEMORIES) fail(EXIT_MACHINE, "the module's memory is in a wrong place");
  sha256_load();
  kernel.physical = linear_memory_physical(kernel.memory);
  devices_grant(&module, &kernel);
  const uint32_t status = w2c_virtio_main(&module);
  exit_machine(status <= APPLICATION_STATUS_MAX ? (int)status : APPLICATION_STATUS_MAX);
}

/** Called by `boot/entry.S`, with the first GiB of memory mapped one to one. */
_Noreturn void kernel_main(const struct start_information *information);

_Noreturn void kernel_main(const struct start_information *information) {
  console_start();
  vectors_start();
  if (information->magic != START_INFORMATION_MAGIC || information->version < 1) {
    fail(EXIT_MACHINE, "the boot loader says nothing about the machine");
  }
  command_line_start(information);
  frames_start(information);
  paging_start();
  paging_map(STACK_START, frames_take(STACK_BYTES), STACK_BYTES, ACCESS_WRITE);
  local_apic_start();
  interrupts_start();
  clock_start();
  run_on_stack((void *)(STACK_START + STACK_BYTES), run);
}
