/** Opens a device of the reference, as quickly as that goes: this part is not measured. */
#include "device.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define CONFIG_ENABLE UINT32_C(0x80000000)
#define COMMAND 0x04
#define COMMAND_PORTS_AND_BUS_MASTER 5
#define BAR0 0x10
#define BAR_FLAGS 3
/** ACKNOWLEDGE and DRIVER. [virtio-1.2 §2.1] */
#define STATUS_FOUND 3
#define STATUS_DRIVER_OK 4

struct device *open_devices[DEVICES_MAX];

int32_t device_open(struct device *device, uint32_t address, uint32_t type, uint64_t features) {
  uint32_t slot = 0;
  while (slot < DEVICES_MAX && open_devices[slot] != NULL) slot++;
  if (slot == DEVICES_MAX) return VIRTIO_RESULT_E_IN_USE;
  kernel_out32(CONFIG_ADDRESS, CONFIG_ENABLE | address << 8 | COMMAND);
  kernel_out16(CONFIG_DATA, COMMAND_PORTS_AND_BUS_MASTER);
  kernel_out32(CONFIG_ADDRESS, CONFIG_ENABLE | address << 8 | BAR0);
  device->registers = kernel_in32(CONFIG_DATA) & ~(uint32_t)BAR_FLAGS;
  device->type = type;
  device->handle = DEVICES_MAX + slot;
  kernel_out8(device->registers + STATUS, 0);
  kernel_out8(device->registers + STATUS, STATUS_FOUND);
  device->features = kernel_in32(device->registers + HOST_FEATURES) & features;
  kernel_out32(device->registers + GUEST_FEATURES, (uint32_t)device->features);
  open_devices[slot] = device;
  return (int32_t)device->handle;
}

void device_run(struct device *device) {
  kernel_out8(device->registers + STATUS, STATUS_FOUND | STATUS_DRIVER_OK);
}

void device_break(struct device *device, uint32_t message, uint32_t detail) {
  if (device->state != DEVICE_RUNNING) return;
  device->state = DEVICE_BROKEN;
  device->events |= VIRTIO_EVENT_BROKEN;
  kernel_log(message, device->handle, detail);
}
