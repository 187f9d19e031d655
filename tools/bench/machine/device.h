/** The null devices, for the kernel's ports to reach. */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

#include "machine.h"

#define DEVICES_MAX 32
#define QUEUES_MAX 2
/** Ports of the first device, and how far apart the devices are; 64 of them are the device's. */
#define DEVICE_PORTS 0x1000
#define DEVICE_PORTS_SHIFT 7

struct queue {
  uint32_t size;
  /** Addresses of the ring's parts; 0 until the driver says where they are. */
  uint32_t descriptors, available, used;
  /** How far the available ring has been taken, which is how far the used ring has been filled. */
  uint16_t taken;
  uint32_t used_length;
  /** Of an array of u32 with one entry for each head: where its status byte lies, 0 while that is not known. */
  uint32_t status_bytes;
};

struct device {
  uint32_t type;
  uint32_t host_features, guest_features;
  uint32_t queue_select;
  uint32_t status;
  struct queue queues[QUEUES_MAX];
};

extern struct device devices[DEVICES_MAX];
extern uint32_t device_count;

/** Takes `bytes` of the memory that the machine has for itself; returns the address. */
uint32_t machine_take(uint32_t bytes);

/** Says where the registers of a device lie, as firmware does. */
void machine_assign(uint32_t index, uint32_t ports);

uint32_t device_read(struct device *device, uint32_t offset, uint32_t bytes);
void device_write(struct device *device, uint32_t offset, uint32_t value);
void device_notified(struct device *device, uint32_t queue);

#ifdef COUNTED
extern uint32_t counts[COUNT_COUNTERS];
#define COUNT(what, more) (counts[what] += (more))
#else
#define COUNT(what, more) ((void)0)
#endif

#endif
