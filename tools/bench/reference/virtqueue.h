/**
 * The driver's side of a split virtqueue, for the reference. [virtio-1.2 §2.7]
 *
 * The same rules as the driver stack's: what decides anything is in private memory, the used ring is checked against
 * it, and memory changes hands across an imported barrier only.
 */
#ifndef REFERENCE_VIRTQUEUE_H
#define REFERENCE_VIRTQUEUE_H

#include "device.h"

#define DESCRIPTOR_BYTES 16
enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4 };
#define USED_F_NO_NOTIFY 1

/** What the driver knows of each descriptor. */
struct descriptor_state {
  uint64_t token;
  /** Bytes that the device may write into the chain that begins here. */
  uint32_t writable;
  /** The next descriptor of the chain, or of the free list. */
  uint16_t next;
  /** Descriptors of the chain that begins here; 0: none begins here. */
  uint16_t length;
};

/** In `descriptor_state.writable`: the chain was added in a generation of this parity. */
#define GENERATION UINT32_C(0x80000000)

struct virtqueue {
  struct device *device;
  struct descriptor_state *states;
  uint32_t index, size;
  uint32_t descriptors, available, used;
  /** Indirect tables of `table_entries` descriptors, one for each descriptor; 0: none. */
  uint32_t tables, table_entries;
  uint64_t tables_address;
  bool event_index;
  uint16_t free_head;
  uint32_t free_count, outstanding;
  /** The parity of the present generation of chains, and how many of earlier ones are out: what time-outs need. */
  uint32_t generation, old;
  uint16_t available_index, published_index, used_index;
  uint64_t notifications;
};

/** A chain while it is put together; a local variable. */
struct chain {
  uint32_t table;
  uint64_t table_address;
  /** Where the next descriptor goes, and the last one went. */
  uint32_t next, last;
  uint32_t length, writable, last_flags;
};

int32_t virtqueue_open(struct virtqueue *queue, struct device *device, uint32_t index, uint32_t table_entries);

static inline uint32_t virtqueue_room(const struct virtqueue *queue) {
  if (queue->free_count == 0) return 0;
  return queue->tables != 0 ? queue->table_entries : queue->free_count;
}

static inline struct chain chain_begin(const struct virtqueue *queue) {
  const uint32_t offset = queue->free_head * queue->table_entries * DESCRIPTOR_BYTES;
  if (queue->tables == 0) return (struct chain){.table = queue->descriptors, .next = queue->free_head};
  return (struct chain){.table = queue->tables + offset, .table_address = queue->tables_address + offset};
}

static inline void write_descriptor(uint32_t at, uint64_t address, uint32_t length, uint32_t flags, uint32_t next) {
  write64(at, address);
  write32(at + 8, length);
  write32(at + 12, flags | next << 16);
}

static inline void chain_append(const struct virtqueue *queue, struct chain *chain, uint64_t address, uint32_t length,
                                uint32_t flags) {
  const uint32_t next = queue->tables != 0 ? chain->next + 1 : queue->states[chain->next].next;
  chain->last = chain->table + chain->next * DESCRIPTOR_BYTES;
  write_descriptor(chain->last, address, length, flags | DESC_F_NEXT, next);
  chain->next = next;
  chain->length++;
  chain->last_flags = flags;
  if (flags & DESC_F_WRITE) chain->writable += length;
}

/** Puts the chain into the available ring, not yet published. Returns its head. */
static inline uint32_t chain_add(struct virtqueue *queue, const struct chain *chain, uint64_t token) {
  const uint32_t head = queue->free_head;
  struct descriptor_state *state = &queue->states[head];
  uint32_t length = chain->length;
  write16(chain->last + 12, chain->last_flags);
  if (queue->tables != 0) {
    write_descriptor(queue->descriptors + head * DESCRIPTOR_BYTES, chain->table_address, length * DESCRIPTOR_BYTES,
                     DESC_F_INDIRECT, 0);
    length = 1;
    queue->free_head = state->next;
  } else {
    queue->free_head = (uint16_t)chain->next;
  }
  state->token = token;
  state->writable = (chain->writable < GENERATION ? chain->writable : GENERATION - 1) | queue->generation;
  state->length = (uint16_t)length;
  queue->free_count -= length;
  queue->outstanding++;
  write16(queue->available + 4 + 2 * (queue->available_index & (queue->size - 1)), head);
  queue->available_index++;
  return head;
}

/** Takes back the `count` chains added last, from `first_head` on. */
void virtqueue_undo(struct virtqueue *queue, uint32_t count, uint16_t first_head);

/** Publishes what was added, and notifies if the device wants that. [virtio-1.2 §2.7.13.3, §2.7.13.4] */
static inline void virtqueue_kick(struct virtqueue *queue) {
  const uint16_t before = queue->published_index, now = queue->available_index;
  if (now == before) return;
  kernel_wmb();
  write16(queue->available + 2, now);
  queue->published_index = now;
  kernel_mb();
  bool wanted;
  if (queue->event_index) {
    const uint16_t event = (uint16_t)read16(queue->used + 4 + 8 * queue->size);
    wanted = (uint16_t)(now - event - 1) < (uint16_t)(now - before);
  } else {
    wanted = (read16(queue->used) & USED_F_NO_NOTIFY) == 0;
  }
  if (!wanted) return;
  queue->notifications++;
  kernel_out16(queue->device->registers + QUEUE_NOTIFY, queue->index);
}

/** How many chains can be taken. */
static inline uint32_t virtqueue_pending(struct virtqueue *queue) {
  const uint16_t moved = (uint16_t)(read16(queue->used + 2) - queue->used_index);
  kernel_rmb();
  if (moved <= queue->outstanding) return moved;
  device_break(queue->device, VIRTIO_MESSAGE_BAD_USED_INDEX, queue->index);
  return 0;
}

/** What `virtqueue_take` takes. */
struct taken {
  uint64_t token;
  /** Bytes that the device says it wrote, never more than there was room for. */
  uint32_t length;
};

/** Takes the next chain that the device has used. Returns its head, or -1 from a device that is broken now. */
static inline int32_t virtqueue_take(struct virtqueue *queue, struct taken *taken) {
  const uint32_t element = queue->used + 4 + 8 * (queue->used_index & (queue->size - 1));
  const uint32_t head = read32(element), length = read32(element + 4);
  if (head >= queue->size || queue->states[head].length == 0) {
    device_break(queue->device, VIRTIO_MESSAGE_BAD_USED_ID, queue->index);
    return -1;
  }
  struct descriptor_state *state = &queue->states[head], *last = state;
  queue->used_index++;
  const uint32_t writable = state->writable & ~GENERATION;
  *taken = (struct taken){.token = state->token, .length = length < writable ? length : writable};
  for (uint32_t step = 1; step < state->length; step++) last = &queue->states[last->next];
  last->next = queue->free_head;
  queue->free_head = (uint16_t)head;
  queue->free_count += state->length;
  queue->outstanding--;
  if (((state->writable ^ queue->generation) & GENERATION) != 0) queue->old--;
  state->length = 0;
  return (int32_t)head;
}

#endif
