/** The devices that this kernel lets the driver stack have. */
#ifndef SHIM_DEVICES_H
#define SHIM_DEVICES_H

#include <stdint.h>

#include "kernel.h"

struct w2c_virtio;

/** One of them, in the layout of `DeviceDescription` in `application/device.ts`. */
struct device {
  /** Physical address of the registers of a memory-mapped device; otherwise 0. */
  uint64_t mmio_base;
  uint32_t mmio_bytes;
  /** One of `enum virtio_transport_wanted`. */
  uint32_t transport;
  /** PCI address; 0 of a memory-mapped device. */
  uint32_t address;
  /** The virtio device type. */
  uint32_t type;
  /** Number of the interrupt that is its line; NO_INTERRUPT where it has none that can be used. */
  uint32_t line;
  /** Message vectors that are programmed; 0: only the line is there. */
  uint32_t vectors;
  /** Number of the first one's interrupt. */
  uint32_t first_message;
};

/**
 * Grants the registers and lets through the interrupt lines of all virtio devices that the stack can drive. Once, before
 * the application runs. A device that claims what is not its own is left out, with a report.
 */
void devices_grant(struct w2c_virtio *stack, const struct w2c_kernel *kernel);

/** The device with that number, counted from 0; null when there are not so many. */
const struct device *devices_get(uint32_t index);

#endif
