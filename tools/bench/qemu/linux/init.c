/**
 * The only program of the Linux guest: process 1 of an initial file system. It loads the modules of the virtio drivers,
 * does the block requests that `../application/block.ts` does, times them with the same clock, and turns the machine off.
 *
 * Requests go to the device without the page cache: one at a time with pread and pwrite, in batches with io_submit and
 * io_getevents. [open(2) O_DIRECT] [io_submit(2)] No C library is needed: what Linux is asked for is in `system.h`.
 *
 * The kernel's command line, behind `--`: `single=N` and `batched=N` requests for each point of the table.
 */
#include "system.h"

#define BATCH 32
#define SMALLEST_BYTES 4096
#define LARGEST_BYTES 65536
#define RANDOM_SEED 2463534242u

static const char *const modules[] = {
    "/virtio_ring.ko",
    "/virtio.ko",
    "/virtio_pci_legacy_dev.ko",
    "/virtio_pci_modern_dev.ko",
    "/virtio_pci.ko",
    "/virtio_blk.ko",
};

static _Alignas(4096) char buffers[BATCH][LARGEST_BYTES];

static int disk;
static uint64_t disk_bytes;
static unsigned long contexts;

static void print(const char *text) {
  size_t length = 0;
  while (text[length] != 0) length++;
  system_call(SYSTEM_WRITE, 1, (long)text, (long)length, 0, 0);
}

static void print_number(uint64_t number) {
  char text[21];
  char *at = text + sizeof text - 1;
  *at = 0;
  do *--at = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  print(at);
}

/** What has been printed has left the serial port when this returns. [tcdrain(3), TCSBRK in ioctl_tty(2)] */
static void drain_console(void) {
  system_call(SYSTEM_IOCTL, 1, TCSBRK, 1, 0, 0);
}

static _Noreturn void power_off(void) {
  drain_console();
  system_call(SYSTEM_REBOOT, REBOOT_MAGIC_1, REBOOT_MAGIC_2, REBOOT_POWER_OFF, 0, 0);
  for (;;) system_call(SYSTEM_PAUSE, 0, 0, 0, 0, 0);
}

/** Returns what a system call returned; ends the machine if that is an error. */
static long must(const char *what, long result) {
  if (result >= 0) return result;
  print("failed ");
  print(what);
  print(" ");
  print_number((uint64_t)-result);
  print("\n");
  power_off();
}

static uint64_t now_ns(void) {
  struct time_of_clock time;
  system_call(SYSTEM_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&time, 0, 0, 0);
  return (uint64_t)time.seconds * 1000000000u + (uint64_t)time.nanoseconds;
}

static void load_modules(void) {
  for (size_t index = 0; index < sizeof modules / sizeof *modules; index++) {
    const long file = must(modules[index], system_call(SYSTEM_OPEN, (long)modules[index], O_RDONLY, 0, 0, 0));
    must(modules[index], system_call(SYSTEM_FINIT_MODULE, file, (long)"", 0, 0, 0));
    system_call(SYSTEM_CLOSE, file, 0, 0, 0, 0);
  }
}

static void open_disk(void) {
  must("devtmpfs", system_call(SYSTEM_MOUNT, (long)"dev", (long)"/dev", (long)"devtmpfs", 0, 0));
  disk = (int)must("disk", system_call(SYSTEM_OPEN, (long)"/dev/vda", O_RDWR | O_DIRECT, 0, 0, 0));
  must("size", system_call(SYSTEM_IOCTL, disk, BLKGETSIZE64, (long)&disk_bytes, 0, 0));
  must("io_setup", system_call(SYSTEM_IO_SETUP, BATCH, (long)&contexts, 0, 0, 0));
}

/** Where the next request goes: one behind the other, or anywhere. The same sequence as in `../application/places.ts`. */
struct places {
  bool are_random;
  uint32_t bytes, next, state;
};

static uint64_t next_place(struct places *places) {
  const uint32_t count = (uint32_t)(disk_bytes / places->bytes);
  if (!places->are_random) return (uint64_t)(places->next++ % count) * places->bytes;
  uint32_t state = places->state;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  places->state = state;
  return (uint64_t)(state % count) * places->bytes;
}

/** One request after the other. */
static void work_singly(bool is_write, struct places *places, uint32_t requests) {
  const long call = is_write ? SYSTEM_PWRITE64 : SYSTEM_PREAD64;
  for (uint32_t request = 0; request < requests; request++) {
    const long done = system_call(call, disk, (long)buffers[0], places->bytes, (long)next_place(places), 0);
    if (done != (long)places->bytes) must("request", done < 0 ? done : -1);
  }
}

/** All of a batch at once, and the next when all of them are done. */
static void work_in_batches(bool is_write, struct places *places, uint32_t requests) {
  static struct io_request batch[BATCH];
  static struct io_request *pointers[BATCH];
  static struct io_event events[BATCH];
  for (uint32_t done = 0; done < requests; done += BATCH) {
    for (uint32_t index = 0; index < BATCH; index++) {
      batch[index] = (struct io_request){
          .operation = is_write ? IO_PWRITE : IO_PREAD,
          .file = (uint32_t)disk,
          .buffer = (uint64_t)buffers[index],
          .bytes = places->bytes,
          .offset = next_place(places),
      };
      pointers[index] = &batch[index];
    }
    const long accepted = must("io_submit", system_call(SYSTEM_IO_SUBMIT, (long)contexts, BATCH, (long)pointers, 0, 0));
    if (accepted != BATCH) must("io_submit", -1);
    must("io_getevents", system_call(SYSTEM_IO_GETEVENTS, (long)contexts, BATCH, BATCH, (long)events, 0));
    for (uint32_t index = 0; index < BATCH; index++) {
      if (events[index].result != (int64_t)places->bytes) must("request of a batch", -1);
    }
  }
}

static void print_point(const char *what, bool is_write, const struct places *places, uint32_t depth) {
  print(what);
  print(is_write ? " write " : " read ");
  print(places->are_random ? "random " : "sequential ");
  print_number(places->bytes);
  print(" ");
  print_number(depth);
  print(" sleep");
}

static void measure(bool is_write, bool are_random, uint32_t bytes, uint32_t depth, uint32_t requests) {
  struct places places = {.are_random = are_random, .bytes = bytes, .state = RANDOM_SEED};
  print_point("begin", is_write, &places, depth);
  print("\n");
  drain_console();
  const uint64_t start = now_ns();
  if (depth == 1) work_singly(is_write, &places, requests);
  else work_in_batches(is_write, &places, requests);
  const uint64_t duration = now_ns() - start;
  print_point("end", is_write, &places, depth);
  print(" ");
  print_number(requests);
  print(" ");
  print_number(duration);
  print("\n");
  drain_console();
}

/** Goes through all points of one depth. */
static void measure_depth(uint32_t depth, uint32_t requests) {
  for (int is_write = 0; is_write < 2; is_write++) {
    for (int are_random = 0; are_random < 2; are_random++) {
      for (uint32_t bytes = SMALLEST_BYTES; bytes <= LARGEST_BYTES; bytes *= LARGEST_BYTES / SMALLEST_BYTES) {
        measure(is_write, are_random, bytes, depth, requests);
      }
    }
  }
}

/** The number behind `name=` among the arguments; 0 when there is none. */
static uint32_t option(char *const *arguments, const char *name) {
  for (; *arguments != 0; arguments++) {
    const char *at = *arguments;
    const char *wanted = name;
    while (*wanted != 0 && *at == *wanted) at++, wanted++;
    if (*wanted != 0 || *at++ != '=') continue;
    uint32_t number = 0;
    while (*at >= '0' && *at <= '9') number = number * 10 + (uint32_t)(*at++ - '0');
    return number;
  }
  return 0;
}

_Noreturn void start(long *stack);

/** Called by the entry in `system.h`: the number of arguments, the arguments. [System V ABI for x86-64 §3.4.1] */
_Noreturn void start(long *stack) {
  char *const *arguments = (char *const *)(stack + 1);
  print("started\n");
  load_modules();
  open_disk();
  measure_depth(1, option(arguments, "single"));
  measure_depth(BATCH, option(arguments, "batched"));
  print("done\n");
  power_off();
}
