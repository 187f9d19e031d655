/** What the application asks of the kernel beside what the driver stack asks: the import module `unikernel`. */
#include "application-interface.h"

#include "../boot/command-line.h"
#include "../console.h"
#include "../cpu/interrupts.h"
#include "../memory/bytes.h"
#include "devices.h"
#include "kernel.h"
#include "sha256.h"

void *linear_memory_at(const wasm_rt_memory_t *memory, uint32_t pointer, uint32_t length) {
  if ((uint64_t)pointer + length > memory->size) wasm_rt_trap(WASM_RT_TRAP_OOB);
  return memory->data + pointer;
}

void w2c_unikernel_write(struct w2c_unikernel *unikernel, uint32_t text, uint32_t length) {
  console_write(linear_memory_at(unikernel->memory, text, length), length);
}

uint32_t w2c_unikernel_command_line(struct w2c_unikernel *unikernel, uint32_t text, uint32_t capacity) {
  uint32_t length = 0;
  while (length < capacity && command_line()[length] != 0) length++;
  memcpy(linear_memory_at(unikernel->memory, text, length), command_line(), length);
  return length;
}

uint32_t w2c_unikernel_device(struct w2c_unikernel *unikernel, uint32_t index, uint32_t record) {
  const struct device *device = devices_get(index);
  if (device == NULL) return 0;
  memcpy(linear_memory_at(unikernel->memory, record, sizeof *device), device, sizeof *device);
  return 1;
}

uint64_t w2c_unikernel_wait(struct w2c_unikernel *unikernel, uint64_t deadline) {
  (void)unikernel;
  return interrupts_wait(deadline);
}

uint64_t w2c_unikernel_sleeps(struct w2c_unikernel *unikernel) {
  (void)unikernel;
  return interrupts_sleeps();
}

uint64_t w2c_unikernel_slept_ns(struct w2c_unikernel *unikernel) {
  (void)unikernel;
  return interrupts_slept_ns();
}

void w2c_unikernel_sha256_start(struct w2c_unikernel *unikernel) {
  (void)unikernel;
  sha256_start();
}

void w2c_unikernel_sha256_update(struct w2c_unikernel *unikernel, uint32_t bytes, uint32_t length) {
  sha256_update(linear_memory_at(unikernel->memory, bytes, length), length);
}

void w2c_unikernel_sha256_finish(struct w2c_unikernel *unikernel, uint32_t digest) {
  sha256_finish(linear_memory_at(unikernel->memory, digest, SHA256_BYTES));
}
