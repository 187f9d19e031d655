/** The devices that this kernel lets the driver stack have. */
#ifndef SHIM_DEVICES_H
#define SHIM_DEVICES_H

#include <stdbool.h>

#include "kernel.h"

struct w2c_virtio;

/**
 * Grants the ports and lets through the interrupt lines of all virtio devices that the stack can drive. Once, before
 * the application runs. A device that claims what is not its own is left out, with a report.
 */
void devices_grant(struct w2c_virtio *stack, const struct w2c_kernel *kernel);

/** Whether the function at that PCI address was granted. A driver of one that was not ends the machine. */
bool devices_is_granted(uint32_t address);

#endif
