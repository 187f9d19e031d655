/** How the machine ends, and what it tells the outside. */
#ifndef EXIT_H
#define EXIT_H

/**
 * Why the kernel itself ends the machine. What the application's `main` returns is below EXIT_KERNEL.
 * Statuses are 0 to 111: QEMU's is made of them as `exit_machine` says.
 */
enum exit_status {
  EXIT_KERNEL = 64,
  /** An access outside linear memory. */
  EXIT_OUT_OF_BOUNDS = 64,
  /** A port access outside of what was granted. */
  EXIT_PORT = 65,
  /** The stack is used up. */
  EXIT_STACK = 66,
  /** Any other trap of WebAssembly: `unreachable`, a division by zero. */
  EXIT_TRAP = 67,
  /** An exception of the processor that is none of the above: a mistake of the kernel. */
  EXIT_EXCEPTION = 68,
  /** The machine is not one that this kernel can work on. */
  EXIT_MACHINE = 69,
  /** `dma_free` of pages that no `dma_alloc` lent, or not that many at once. */
  EXIT_PAGES = 70,
  /** An access to registers in memory that are not mapped, or the end of a mapping that there is not. */
  EXIT_REGISTERS = 71,
};

/**
 * Ends the machine. With QEMU's `-device isa-debug-exit,iobase=0xf4,iosize=4` QEMU's own exit status is
 * 2 × (status + 16) + 1: never 0 or 1, which QEMU uses itself. Without that device the processor stops.
 */
_Noreturn void exit_machine(int status);

/** Prints why the kernel cannot go on, and ends the machine. */
_Noreturn void fail(enum exit_status status, const char *reason);

#endif
