/**
 * The measured loops: what an application does with a disk or a card, in batches, as fast as it can.
 *
 * Records are written once; every turn of a loop submits the same ones again. `*_alone` is the same turn with the
 * driver left out: what the device and the loop take by themselves.
 */
#define BENCH_LOOPS
#include "machine.h"

#include <virtio-abi.h>

#if defined(__wasm__)
#define DRIVER(name) __attribute__((import_module("driver"), import_name(#name))) driver_##name
#define LOOP(name) __attribute__((export_name(#name))) name
#define CALL(name, ...) driver_##name(__VA_ARGS__)
#elif defined(TRANSLATED)
#define LOOP(name) name
extern struct w2c_virtio *driver;
#define CALL(name, ...) (int32_t) w2c_virtio_##name(driver, __VA_ARGS__)
#else
#define DRIVER(name) driver_##name
#define LOOP(name) name
#define CALL(name, ...) driver_##name(__VA_ARGS__)
#endif

#ifndef TRANSLATED
int32_t DRIVER(initialize)(uint32_t arena, uint32_t bytes);
int32_t DRIVER(block_open)(uint32_t address, uint32_t options);
int32_t DRIVER(block_submit)(uint32_t handle, uint32_t requests, uint32_t count);
int32_t DRIVER(block_poll)(uint32_t handle, uint32_t completions, uint32_t capacity);
int32_t DRIVER(net_open)(uint32_t address, uint32_t options);
int32_t DRIVER(net_transmit)(uint32_t handle, uint32_t frames, uint32_t count);
int32_t DRIVER(net_reclaim)(uint32_t handle, uint32_t completions, uint32_t capacity);
int32_t DRIVER(net_receive)(uint32_t handle, uint32_t records, uint32_t capacity);
int32_t DRIVER(net_release)(uint32_t handle, uint32_t buffers, uint32_t count);
#endif

#define BATCH_MAX 128
#define SEGMENTS_MAX 16
#define DEVICES_MAX 32

#define SECTOR_BYTES 512
#define NET_HEADER_BYTES 12

/** Everything that crosses the boundary, in linear memory. */
struct records {
  struct virtio_block_request requests[BATCH_MAX];
  struct virtio_transmit_frame frames[BATCH_MAX];
  struct virtio_received_buffer received[BATCH_MAX];
  struct virtio_completion completions[BATCH_MAX];
  struct virtio_segment segments[BATCH_MAX * SEGMENTS_MAX];
  uint32_t buffers[BATCH_MAX];
};

static uint32_t records_address;
static uint32_t addresses[DEVICES_MAX], handles[DEVICES_MAX];
static uint32_t devices, mistakes;

#define RECORD(member) (records_address + (uint32_t)offsetof(struct records, member))
#define RECORDS ((struct records *)AT(records_address))

/** Says where the records go. Returns how many bytes they take. */
uint32_t LOOP(loops_initialize)(uint32_t address) {
  records_address = address;
  return sizeof(struct records);
}

/** Gives the driver its private memory. */
int32_t LOOP(loops_give)(uint32_t arena, uint32_t bytes) {
  return CALL(initialize, arena, bytes);
}

/** Plugs in a device and opens it. Returns the driver's answer. */
int32_t LOOP(loops_open)(uint32_t type, uint32_t queue_size, uint32_t features) {
  const uint32_t address = machine_add(type, queue_size, features);
  const int32_t handle = type == TYPE_NET ? CALL(net_open, address, 0) : CALL(block_open, address, 0);
  addresses[devices] = address;
  handles[devices++] = (uint32_t)handle;
  return handle;
}

/** Batches that did not go through as they should. */
uint32_t LOOP(loops_mistakes)(void) {
  return mistakes;
}

static void write_segments(uint32_t count, uint32_t size, uint32_t segments) {
  for (uint32_t index = 0; index < count * segments; index++) {
    // Each at the start of a page.
    RECORDS->segments[index].pointer = PAYLOAD + index * ((size / segments + 4095) & ~UINT32_C(4095));
    RECORDS->segments[index].length = size / segments;
  }
}

/** Reads of `size` bytes into `segments` segments. */
void LOOP(block_prepare)(uint32_t size, uint32_t segments) {
  write_segments(BATCH_MAX, size, segments);
  for (uint32_t index = 0; index < BATCH_MAX; index++) {
    RECORDS->requests[index] = (struct virtio_block_request){
        .token = index,
        .sector = (uint64_t)index * size / SECTOR_BYTES,
        .operation = VIRTIO_BLOCK_OPERATION_READ,
        .segments = RECORD(segments) + index * segments * (uint32_t)sizeof(struct virtio_segment),
        .segment_count = segments,
    };
  }
  for (uint32_t device = 0; device < devices; device++) machine_set_used_length(addresses[device], 0, size + 1);
}

void LOOP(block_run)(uint32_t turns, uint32_t batch) {
  while (turns-- != 0) {
    for (uint32_t device = 0; device < devices; device++) {
      const uint32_t handle = handles[device];
      mistakes += CALL(block_submit, handle, RECORD(requests), batch) != (int32_t)batch;
      mistakes += CALL(block_poll, handle, RECORD(completions), batch) != (int32_t)batch;
    }
  }
}

void LOOP(block_alone)(uint32_t turns, uint32_t batch) {
  while (turns-- != 0) {
    for (uint32_t device = 0; device < devices; device++) {
      machine_offer(addresses[device], 0, batch);
      machine_notify(addresses[device], 0);
    }
  }
}

/** Frames of `size` bytes to send, without room for a header. */
void LOOP(transmit_prepare)(uint32_t size, uint32_t segments) {
  write_segments(BATCH_MAX, size, segments);
  for (uint32_t index = 0; index < BATCH_MAX; index++) {
    RECORDS->frames[index] = (struct virtio_transmit_frame){
        .token = index,
        .segments = RECORD(segments) + index * segments * (uint32_t)sizeof(struct virtio_segment),
        .segment_count = segments,
    };
  }
  for (uint32_t device = 0; device < devices; device++) {
    machine_set_used_length(addresses[device], 1, size + NET_HEADER_BYTES);
  }
}

void LOOP(transmit_run)(uint32_t turns, uint32_t batch) {
  while (turns-- != 0) {
    for (uint32_t device = 0; device < devices; device++) {
      const uint32_t handle = handles[device];
      mistakes += CALL(net_transmit, handle, RECORD(frames), batch) != (int32_t)batch;
      mistakes += CALL(net_reclaim, handle, RECORD(completions), batch) != (int32_t)batch;
    }
  }
}

void LOOP(transmit_alone)(uint32_t turns, uint32_t batch) {
  while (turns-- != 0) {
    for (uint32_t device = 0; device < devices; device++) {
      machine_offer(addresses[device], 1, batch);
      machine_notify(addresses[device], 1);
    }
  }
}

/** Frames of `size` bytes to receive. */
void LOOP(receive_prepare)(uint32_t size, uint32_t segments) {
  (void)segments;
  for (uint32_t device = 0; device < devices; device++) {
    machine_set_used_length(addresses[device], 0, size + NET_HEADER_BYTES);
  }
}

static void gather(uint32_t batch) {
  for (uint32_t index = 0; index < batch; index++) RECORDS->buffers[index] = RECORDS->received[index].buffer;
}

void LOOP(receive_run)(uint32_t turns, uint32_t batch) {
  while (turns-- != 0) {
    for (uint32_t device = 0; device < devices; device++) {
      const uint32_t handle = handles[device];
      machine_receive(addresses[device], batch);
      mistakes += CALL(net_receive, handle, RECORD(received), batch) != (int32_t)batch;
      gather(batch);
      mistakes += CALL(net_release, handle, RECORD(buffers), batch) != (int32_t)batch;
    }
  }
}

void LOOP(receive_alone)(uint32_t turns, uint32_t batch) {
  while (turns-- != 0) {
    for (uint32_t device = 0; device < devices; device++) {
      machine_receive(addresses[device], batch);
      gather(batch);
      machine_offer(addresses[device], 0, batch);
    }
  }
}
