/** Virtqueues of the reference: what happens off the data path. */
#include "virtqueue.h"

int32_t virtqueue_open(struct virtqueue *queue, struct device *device, uint32_t index, uint32_t table_entries) {
  kernel_out16(device->registers + QUEUE_SEL, index);
  const uint32_t size = kernel_in16(device->registers + QUEUE_NUM);
  if (size == 0 || size > 32768 || (size & (size - 1)) != 0) return VIRTIO_RESULT_E_QUEUE_SIZE;
  queue->device = device;
  queue->index = index;
  queue->size = size;
  queue->event_index = (device->features & F_EVENT_IDX) != 0;
  queue->states = take_private(size * (uint32_t)sizeof(struct descriptor_state));
  const uint32_t used = (size * DESCRIPTOR_BYTES + 6 + 2 * size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
  queue->descriptors = take_pages(used + 6 + 8 * size);
  queue->available = queue->descriptors + size * DESCRIPTOR_BYTES;
  queue->used = queue->descriptors + used;
  if (queue->states == NULL || queue->descriptors == 0) return VIRTIO_RESULT_E_MEMORY;
  if (table_entries != 0 && (device->features & F_INDIRECT_DESC) != 0) {
    queue->table_entries = table_entries < size ? table_entries : size;
    queue->tables = take_pages(size * queue->table_entries * DESCRIPTOR_BYTES);
    if (queue->tables == 0) return VIRTIO_RESULT_E_DMA_MEMORY;
    queue->tables_address = physical_address(queue->tables);
  }
  for (uint32_t entry = 0; entry < size; entry++) queue->states[entry].next = (uint16_t)(entry + 1);
  queue->free_count = size;
  kernel_out32(device->registers + QUEUE_PFN, (uint32_t)(physical_address(queue->descriptors) >> PAGE_SHIFT));
  // No interrupts: the event index as far ahead as it goes, or the flag.
  if (queue->event_index) write16(queue->available + 4 + 2 * size, 0xffff);
  else write16(queue->available, 1);
  return VIRTIO_RESULT_OK;
}

void virtqueue_undo(struct virtqueue *queue, uint32_t count, uint16_t first_head) {
  uint32_t head = first_head;
  for (uint32_t undone = 0; undone < count; undone++) {
    struct descriptor_state *state = &queue->states[head], *last = state;
    for (uint32_t step = 1; step < state->length; step++) last = &queue->states[last->next];
    queue->free_count += state->length;
    state->length = 0;
    head = last->next;
  }
  queue->free_head = first_head;
  queue->outstanding -= count;
  queue->available_index = (uint16_t)(queue->available_index - count);
}
