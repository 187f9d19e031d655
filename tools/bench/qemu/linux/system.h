/**
 * What the program asks Linux for: system calls of x86-64 by their numbers, and the structures that they take.
 * [syscalls(2)] Written out, so that a compiler without a C library and without kernel headers is enough.
 */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum system_call_number {
  SYSTEM_WRITE = 1,
  SYSTEM_OPEN = 2,
  SYSTEM_CLOSE = 3,
  SYSTEM_IOCTL = 16,
  SYSTEM_PREAD64 = 17,
  SYSTEM_PWRITE64 = 18,
  SYSTEM_PAUSE = 34,
  SYSTEM_MOUNT = 165,
  SYSTEM_REBOOT = 169,
  SYSTEM_IO_SETUP = 206,
  SYSTEM_IO_GETEVENTS = 208,
  SYSTEM_IO_SUBMIT = 209,
  SYSTEM_CLOCK_GETTIME = 228,
  SYSTEM_FINIT_MODULE = 313,
};

/** [open(2)] */
#define O_RDONLY 0
#define O_RDWR 2
#define O_DIRECT 040000

/** [ioctl_tty(2)] [<linux/fs.h>: _IOR(0x12, 114, size_t)] */
#define TCSBRK 0x5409
#define BLKGETSIZE64 0x80081272

/** [reboot(2)] */
#define REBOOT_MAGIC_1 0xfee1dead
#define REBOOT_MAGIC_2 672274793
#define REBOOT_POWER_OFF 0x4321fedc

#define CLOCK_MONOTONIC 1

/** [clock_gettime(2)] */
struct time_of_clock {
  int64_t seconds, nanoseconds;
};

/** [io_submit(2): IOCB_CMD_*] */
enum io_operation { IO_PREAD = 0, IO_PWRITE = 1 };

/** [io_submit(2): struct iocb] */
struct io_request {
  uint64_t data;
  uint32_t key;
  uint32_t flags_of_request;
  uint16_t operation;
  int16_t priority;
  uint32_t file;
  uint64_t buffer;
  uint64_t bytes;
  int64_t offset;
  uint64_t reserved;
  uint32_t flags;
  uint32_t event_file;
};

/** [io_getevents(2): struct io_event] */
struct io_event {
  uint64_t data;
  uint64_t request;
  int64_t result;
  int64_t second_result;
};

_Static_assert(sizeof(struct io_request) == 64 && sizeof(struct io_event) == 32, "as Linux has them");

/** Returns what the kernel returns: a negative number is an error. [syscall(2)] */
static inline long system_call(long number, long first, long second, long third, long fourth, long fifth) {
  register long r10 __asm__("r10") = fourth;
  register long r8 __asm__("r8") = fifth;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}

/** Where Linux begins: the stack pointer, aligned as calls require, goes to `start`. */
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n");

#endif
