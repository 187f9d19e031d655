/**
 * The import module `unikernel`: what the application asks of the kernel beside what the driver stack asks. What each
 * function promises is written in `application/unikernel.ts`.
 */
#ifndef SHIM_APPLICATION_INTERFACE_H
#define SHIM_APPLICATION_INTERFACE_H

#include <stdint.h>

struct w2c_unikernel;

void w2c_unikernel_write(struct w2c_unikernel *unikernel, uint32_t text, uint32_t length);
uint32_t w2c_unikernel_command_line(struct w2c_unikernel *unikernel, uint32_t text, uint32_t capacity);
uint32_t w2c_unikernel_device(struct w2c_unikernel *unikernel, uint32_t index, uint32_t record);
uint64_t w2c_unikernel_wait(struct w2c_unikernel *unikernel, uint64_t deadline);
uint64_t w2c_unikernel_sleeps(struct w2c_unikernel *unikernel);
uint64_t w2c_unikernel_slept_ns(struct w2c_unikernel *unikernel);
void w2c_unikernel_sha256_start(struct w2c_unikernel *unikernel);
void w2c_unikernel_sha256_update(struct w2c_unikernel *unikernel, uint32_t bytes, uint32_t length);
void w2c_unikernel_sha256_finish(struct w2c_unikernel *unikernel, uint32_t digest);

#endif
