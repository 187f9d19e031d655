/**
 * Where things are in virtual memory. What is not named here is not mapped.
 *
 *     2 MiB     the image: code, constants, variables
 *     256 GiB   the stack, in the middle of a window that is otherwise empty
 *     1 TiB     linear memories, each at the start of a window that is otherwise empty
 *     2 TiB     registers of devices: those that WebAssembly reaches, then the kernel's own
 */
#ifndef MEMORY_LAYOUT_H
#define MEMORY_LAYOUT_H

#define PAGE_BYTES 4096ull

#define STACK_WINDOW 0x4000000000ull
#define STACK_WINDOW_END (STACK_WINDOW + 0x200000ull)
#define STACK_BYTES 0x40000ull
/** Far from both ends of the window, so that even a large frame of C does not step over what is unmapped. */
#define STACK_START (STACK_WINDOW + 0x100000ull)

/**
 * An access of WebAssembly adds two 32-bit numbers, an index and a constant, and reads up to 16 bytes there. A window
 * of 16 GiB holds all sums; with nothing mapped behind the memory, each access outside ends in a page fault. The first
 * memory is the one that the driver stack and the application share.
 */
#define LINEAR_MEMORIES 0x10000000000ull
#define LINEAR_MEMORY_WINDOW 0x400000000ull
#define LINEAR_MEMORIES_MAX 4
#define LINEAR_MEMORIES_END (LINEAR_MEMORIES + LINEAR_MEMORIES_MAX * LINEAR_MEMORY_WINDOW)

/** The number of a register in WebAssembly is its distance from here, which is never 0. */
#define DEVICE_REGISTERS 0x20000000000ull
/** Each mapping lies within a window of its own, and nothing else does. A larger one is refused. */
#define REGISTER_WINDOW 0x10000ull
#define REGISTER_WINDOWS 64
#define KERNEL_REGISTERS (DEVICE_REGISTERS + (REGISTER_WINDOWS + 1) * REGISTER_WINDOW)

#endif
