/**
 * The kernel interface of the driver stack, in its order. What each function promises is written in `virtio-abi.h`, which
 * is made from the stack's source.
 */
#include <virtio-abi.h>

#include "../console.h"
#include "../cpu/clock.h"
#include "../cpu/ports.h"
#include "dma-pages.h"
#include "kernel.h"
#include "port-grants.h"
#include "register-grants.h"

uint32_t w2c_kernel_in8(struct w2c_kernel *kernel, uint32_t port) {
  (void)kernel;
  ports_check(port, 1);
  return port_in8((uint16_t)port);
}

uint32_t w2c_kernel_in16(struct w2c_kernel *kernel, uint32_t port) {
  (void)kernel;
  ports_check(port, 2);
  return port_in16((uint16_t)port);
}

uint32_t w2c_kernel_in32(struct w2c_kernel *kernel, uint32_t port) {
  (void)kernel;
  ports_check(port, 4);
  return port_in32((uint16_t)port);
}

void w2c_kernel_out8(struct w2c_kernel *kernel, uint32_t port, uint32_t value) {
  (void)kernel;
  ports_check(port, 1);
  port_out8((uint16_t)port, (uint8_t)value);
}

void w2c_kernel_out16(struct w2c_kernel *kernel, uint32_t port, uint32_t value) {
  (void)kernel;
  ports_check(port, 2);
  port_out16((uint16_t)port, (uint16_t)value);
}

void w2c_kernel_out32(struct w2c_kernel *kernel, uint32_t port, uint32_t value) {
  (void)kernel;
  ports_check(port, 4);
  port_out32((uint16_t)port, value);
}

uint32_t w2c_kernel_mmio_map(struct w2c_kernel *kernel, uint64_t address, uint32_t bytes) {
  (void)kernel;
  return registers_map(address, bytes);
}

void w2c_kernel_mmio_unmap(struct w2c_kernel *kernel, uint32_t window, uint32_t bytes) {
  (void)kernel;
  registers_unmap(window, bytes);
}

uint32_t w2c_kernel_mmio_read8(struct w2c_kernel *kernel, uint32_t pointer) {
  (void)kernel;
  return *(volatile uint8_t *)registers_at(pointer, 1);
}

uint32_t w2c_kernel_mmio_read16(struct w2c_kernel *kernel, uint32_t pointer) {
  (void)kernel;
  return *(volatile uint16_t *)registers_at(pointer, 2);
}

uint32_t w2c_kernel_mmio_read32(struct w2c_kernel *kernel, uint32_t pointer) {
  (void)kernel;
  return *(volatile uint32_t *)registers_at(pointer, 4);
}

void w2c_kernel_mmio_write8(struct w2c_kernel *kernel, uint32_t pointer, uint32_t value) {
  (void)kernel;
  *(volatile uint8_t *)registers_at(pointer, 1) = (uint8_t)value;
}

void w2c_kernel_mmio_write16(struct w2c_kernel *kernel, uint32_t pointer, uint32_t value) {
  (void)kernel;
  *(volatile uint16_t *)registers_at(pointer, 2) = (uint16_t)value;
}

void w2c_kernel_mmio_write32(struct w2c_kernel *kernel, uint32_t pointer, uint32_t value) {
  (void)kernel;
  *(volatile uint32_t *)registers_at(pointer, 4) = value;
}

uint32_t w2c_kernel_dma_alloc(struct w2c_kernel *kernel, uint32_t pages) {
  return dma_pages_take(kernel, pages);
}

void w2c_kernel_dma_free(struct w2c_kernel *kernel, uint32_t pointer, uint32_t pages) {
  (void)kernel;
  dma_pages_give_back(pointer, pages);
}

uint64_t w2c_kernel_dma_address(struct w2c_kernel *kernel, uint32_t pointer) {
  return dma_pages_address(kernel, pointer);
}

/* x86 keeps the order of writes among themselves and of reads among themselves, also as devices see them; only a
 * write and a later read of another place change places. [Intel SDM 3A §8.2.2] What remains is to stop the compiler,
 * which a call into another object file does. */

void w2c_kernel_wmb(struct w2c_kernel *kernel) {
  (void)kernel;
  __asm__ volatile("" : : : "memory");
}

void w2c_kernel_rmb(struct w2c_kernel *kernel) {
  (void)kernel;
  __asm__ volatile("" : : : "memory");
}

void w2c_kernel_mb(struct w2c_kernel *kernel) {
  (void)kernel;
  __asm__ volatile("mfence" : : : "memory");
}

void w2c_kernel_relax(struct w2c_kernel *kernel) {
  (void)kernel;
  __asm__ volatile("pause" : : : "memory");
}

uint64_t w2c_kernel_now_ns(struct w2c_kernel *kernel) {
  (void)kernel;
  return clock_now();
}

/** Without a default, so that the compiler notices a message that has no text. */
static const char *message_text(enum virtio_message message) {
  switch (message) {
    case VIRTIO_MESSAGE_BAD_USED_ID:
      return "a device completed what it was not given";
    case VIRTIO_MESSAGE_BAD_USED_INDEX:
      return "a device completed more than it was given";
    case VIRTIO_MESSAGE_BAD_BUFFER_COUNT:
      return "a received frame claims an impossible number of buffers";
    case VIRTIO_MESSAGE_DEVICE_FAILED:
      return "a device failed";
    case VIRTIO_MESSAGE_DEVICE_STUCK:
      return "a device does not reset";
    case VIRTIO_MESSAGE_TIMED_OUT:
      return "a device did not complete a request in time";
    case VIRTIO_MESSAGE_DEVICE_GONE:
      return "a device was removed";
    case VIRTIO_MESSAGE_NEEDS_RESET:
      return "a device found an error and needs a reset";
  }
  return "a message unknown to this kernel";
}

void w2c_kernel_log(struct w2c_kernel *kernel, uint32_t message, uint32_t first, uint32_t second) {
  (void)kernel;
  print("virtio: ");
  print(message_text((enum virtio_message)message));
  print(" (");
  print_decimal(message);
  print(": ");
  print_hexadecimal(first, 1);
  print(", ");
  print_hexadecimal(second, 1);
  print(")\n");
}
