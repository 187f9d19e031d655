/** A device of the reference: what disks and cards have in common. */
#ifndef REFERENCE_DEVICE_H
#define REFERENCE_DEVICE_H

#include "memory.h"

#define DEVICES_MAX 256

enum device_state { DEVICE_RUNNING, DEVICE_BROKEN };

/* Legacy registers. [virtio-1.2 §4.1.4.8] */
enum { HOST_FEATURES = 0, GUEST_FEATURES = 4, QUEUE_PFN = 8, QUEUE_NUM = 12, QUEUE_SEL = 14, QUEUE_NOTIFY = 16 };
enum { STATUS = 18, CONFIG = 20 };

#define F_ANY_LAYOUT (UINT64_C(1) << 27)
#define F_INDIRECT_DESC (UINT64_C(1) << 28)
#define F_EVENT_IDX (UINT64_C(1) << 29)

struct device {
  uint32_t handle;
  uint32_t type;
  enum device_state state;
  uint32_t registers;
  uint64_t features;
  uint32_t events;
};

extern struct device *open_devices[DEVICES_MAX];

/** The open device of that type, or NULL. */
static inline void *find_device(uint32_t handle, uint32_t type) {
  struct device *device = open_devices[handle % DEVICES_MAX];
  return device != NULL && device->handle == handle && device->type == type ? device : NULL;
}

/** Resets the device at a PCI address and accepts `features` of it; the handle, or a negative result. */
int32_t device_open(struct device *device, uint32_t address, uint32_t type, uint64_t features);
void device_run(struct device *device);
/** Refuses further work: the device does not keep the rules. */
void device_break(struct device *device, uint32_t message, uint32_t detail);

#endif
