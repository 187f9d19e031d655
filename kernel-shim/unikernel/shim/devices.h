/** The devices that this kernel lets the driver stack have. */
#ifndef SHIM_DEVICES_H
#define SHIM_DEVICES_H

#include "kernel.h"

struct w2c_virtio;

/** Grants the ports and lets through the interrupt lines of all virtio devices that the stack can drive. */
void devices_grant(struct w2c_virtio *stack, const struct w2c_kernel *kernel);

#endif
