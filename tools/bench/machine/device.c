/**
 * Null devices with the legacy register file: they complete what they are given when they are told of it, and touch
 * as little as they can. [virtio-1.2 §2.7, §4.1.4.8]
 *
 * Where a request's status byte lies is found out once for each head, by following the chain. Built with COUNTED,
 * the device follows every chain, and counts what is not as it has to be.
 */
#include "device.h"

/* Legacy registers. [virtio-1.2 §4.1.4.8] */
enum {
  HOST_FEATURES = 0,
  GUEST_FEATURES = 4,
  QUEUE_PFN = 8,
  QUEUE_NUM = 12,
  QUEUE_SEL = 14,
  QUEUE_NOTIFY = 16,
  STATUS = 18,
  ISR = 19,
  CONFIG = 20,
};

enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4 };

#define SECTORS (UINT64_C(1) << 40)
#define SEG_MAX 126
#define BLOCK_BYTES 512
#define PAGE_SHIFT 12
#define NET_HEADER_NUM_BUFFERS 10
#define BLOCK_HEADER_BYTES 16
#define BLOCK_T_IN 0
#define USED_ELEMENT_BYTES 8

struct descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
};

struct available {
  uint16_t flags, index, ring[];
};

struct used {
  uint16_t flags, index;
  struct {
    uint32_t id, length;
  } ring[];
};

struct device devices[DEVICES_MAX];
uint32_t device_count;

#ifdef COUNTED
uint32_t counts[COUNT_COUNTERS];
#endif

uint32_t machine_count(enum count count) {
#ifdef COUNTED
  return counts[count];
#else
  (void)count;
  return 0;
#endif
}

static uint32_t pointer_of(uint64_t physical) {
  return (uint32_t)(physical - PHYSICAL_OFFSET);
}

static uint32_t read_configuration(const struct device *device, uint32_t offset, uint32_t bytes) {
  static const uint8_t card[8] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x01, 0x00};
  const struct {
    uint64_t sectors;
    uint32_t size_max, seg_max, geometry, block_bytes;
  } disk = {SECTORS, 0, SEG_MAX, 0, BLOCK_BYTES};
  const uint8_t *fields = device->type == TYPE_NET ? card : (const uint8_t *)&disk;
  const uint32_t end = device->type == TYPE_NET ? sizeof card : sizeof disk;
  uint32_t value = 0;
  for (uint32_t byte = 0; byte < bytes; byte++) {
    if (offset + byte < end) value |= (uint32_t)fields[offset + byte] << (8 * byte);
  }
  return value;
}

uint32_t device_read(struct device *device, uint32_t offset, uint32_t bytes) {
  const struct queue *queue = &device->queues[device->queue_select & (QUEUES_MAX - 1)];
  switch (offset) {
    case HOST_FEATURES:
      return device->host_features;
    case QUEUE_PFN:
      return queue->descriptors == 0 ? 0 : (uint32_t)((queue->descriptors + PHYSICAL_OFFSET) >> PAGE_SHIFT);
    case QUEUE_NUM:
      return device->queue_select < QUEUES_MAX ? queue->size : 0;
    case STATUS:
      return device->status;
    case ISR:
      return 0;
    default:
      return offset >= CONFIG ? read_configuration(device, offset - CONFIG, bytes) : 0;
  }
}

static void set_address(struct queue *queue, uint32_t page) {
  const uint32_t size = queue->size;
  queue->descriptors = pointer_of((uint64_t)page << PAGE_SHIFT);
  queue->available = queue->descriptors + size * (uint32_t)sizeof(struct descriptor);
  queue->used = (queue->available + 4 + 2 * size + 2 + 4095) & ~UINT32_C(4095);
  queue->taken = 0;
}

void device_write(struct device *device, uint32_t offset, uint32_t value) {
  switch (offset) {
    case GUEST_FEATURES:
      device->guest_features = value;
      break;
    case QUEUE_PFN:
      if (device->queue_select < QUEUES_MAX) set_address(&device->queues[device->queue_select], value);
      break;
    case QUEUE_SEL:
      device->queue_select = value;
      break;
    case QUEUE_NOTIFY:
      device_notified(device, value & (QUEUES_MAX - 1));
      break;
    case STATUS:
      device->status = value;
      if (value == 0) {
        for (uint32_t queue = 0; queue < QUEUES_MAX; queue++) device->queues[queue].descriptors = 0;
      }
      break;
    default:
      break;
  }
}

/** Where a chain's descriptors are. */
static const struct descriptor *table_of(const struct queue *queue, uint32_t *head) {
  const struct descriptor *table = AT(queue->descriptors);
  if (!(table[*head].flags & DESC_F_INDIRECT)) return table;
  table = AT(pointer_of(table[*head].address));
  *head = 0;
  return table;
}

/** Address of the last byte of a chain, where a disk puts its status. */
static uint32_t find_status(const struct queue *queue, uint32_t head) {
  const struct descriptor *table = table_of(queue, &head);
  while (table[head].flags & DESC_F_NEXT) head = table[head].next;
  return pointer_of(table[head].address) + table[head].length - 1;
}

#ifdef COUNTED
/** Follows a chain, and counts what is in it and what is wrong with it. */
static void inspect(const struct device *device, const struct queue *queue, uint32_t head) {
  const uint32_t is_receive = device->type == TYPE_NET && queue == &device->queues[0];
  const uint32_t is_indirect = (((const struct descriptor *)AT(queue->descriptors))[head].flags & DESC_F_INDIRECT) != 0;
  uint32_t entry = head, descriptors = is_indirect, readable = 0, writable = 0, mistakes = head >= queue->size;
  const struct descriptor *table = table_of(queue, &entry);
  const struct descriptor *first = &table[entry], *last = first;
  for (;;) {
    last = &table[entry];
    descriptors++;
    if (last->flags & DESC_F_WRITE) writable += last->length;
    else {
      readable += last->length;
      mistakes += writable != 0;
    }
    mistakes += last->length == 0 || descriptors > queue->size + 1;
    if (!(last->flags & DESC_F_NEXT) || descriptors > queue->size + 1) break;
    entry = last->next;
  }
  if (device->type == TYPE_BLOCK) {
    const uint32_t type = *(const uint32_t *)AT(pointer_of(first->address));
    const uint32_t status = ((const uint32_t *)AT(queue->status_bytes))[head];
    mistakes += first->length != BLOCK_HEADER_BYTES || readable != BLOCK_HEADER_BYTES || type != BLOCK_T_IN;
    mistakes += last->length != 1 || !(last->flags & DESC_F_WRITE) || writable != queue->used_length;
    mistakes += status != 0 && status != pointer_of(last->address);
  } else {
    mistakes += is_receive ? readable != 0 || writable < queue->used_length : writable != 0;
    mistakes += !is_receive && readable != queue->used_length;
  }
  COUNT(COUNT_CHAINS, 1);
  COUNT(COUNT_DESCRIPTORS, descriptors);
  COUNT(COUNT_MISTAKES, mistakes);
}
#else
#define inspect(device, queue, head) ((void)0)
#endif

/** Completes chains up to `end`, an index of the available ring. */
static void complete(struct device *device, struct queue *queue, uint16_t end) {
  const struct available *available = AT(queue->available);
  struct used *used = AT(queue->used);
  uint32_t *status_bytes = AT(queue->status_bytes);
  const uint32_t mask = queue->size - 1;
  const uint32_t length = device->type == TYPE_NET && queue == &device->queues[1] ? 0 : queue->used_length;
  uint16_t index = queue->taken;
  if (device->type == TYPE_BLOCK) {
    while (index != end) {
      const uint32_t head = available->ring[index & mask];
      inspect(device, queue, head);
      if (status_bytes[head] == 0) status_bytes[head] = find_status(queue, head);
      *(uint8_t *)AT(status_bytes[head]) = 0;
      used->ring[index & mask].id = head;
      used->ring[index & mask].length = length;
      index++;
    }
  } else {
    while (index != end) {
      const uint32_t head = available->ring[index & mask];
      inspect(device, queue, head);
      used->ring[index & mask].id = head;
      used->ring[index & mask].length = length;
      index++;
    }
  }
  queue->taken = index;
  used->index = index;
}

void device_notified(struct device *device, uint32_t number) {
  struct queue *queue = &device->queues[number];
  // Nobody needs to tell a card of receive buffers.
  if (device->type == TYPE_NET && number == 0) return;
  const struct available *available = AT(queue->available);
  complete(device, queue, available->index);
  // The available ring's event index, behind the used ring: notify with the next chain.
  *(uint16_t *)AT(queue->used + sizeof(struct used) + queue->size * USED_ELEMENT_BYTES) = queue->taken;
}

static struct device *device_at(uint32_t address) {
  return &devices[(address >> 3) - 1];
}

/** Every buffer posted says that its frame has no other; drivers leave that alone. [virtio-1.2 §5.1.6.1] */
static void prepare_buffers(const struct queue *queue) {
  const struct available *available = AT(queue->available);
  for (uint16_t index = queue->taken; index != available->index; index++) {
    uint32_t entry = available->ring[index & (queue->size - 1)];
    const struct descriptor *table = table_of(queue, &entry);
    uint8_t *header = AT(pointer_of(table[entry].address));
    *(uint16_t *)(header + NET_HEADER_NUM_BUFFERS) = 1;
  }
}

void machine_set_used_length(uint32_t address, uint32_t number, uint32_t bytes) {
  struct queue *queue = &device_at(address)->queues[number];
  queue->used_length = bytes;
  if (device_at(address)->type == TYPE_NET && number == 0) prepare_buffers(queue);
}

void machine_receive(uint32_t address, uint32_t count) {
  struct device *device = device_at(address);
  struct queue *queue = &device->queues[0];
  complete(device, queue, (uint16_t)(queue->taken + count));
}

void machine_offer(uint32_t address, uint32_t queue, uint32_t count) {
  struct available *available = AT(device_at(address)->queues[queue].available);
  available->index = (uint16_t)(available->index + count);
}

void machine_notify(uint32_t address, uint32_t queue) {
  device_notified(device_at(address), queue);
}

uint32_t machine_add(uint32_t type, uint32_t queue_size, uint32_t features) {
  struct device *device = &devices[device_count];
  machine_assign(device_count, DEVICE_PORTS + (device_count << DEVICE_PORTS_SHIFT));
  device_count++;
  device->type = type;
  device->host_features = features;
  for (uint32_t number = 0; number < (type == TYPE_NET ? 2 : 1); number++) {
    struct queue *queue = &device->queues[number];
    queue->size = queue_size;
    if (type == TYPE_BLOCK) queue->status_bytes = machine_take(queue_size * (uint32_t)sizeof(uint32_t));
  }
  return device_count << 3;
}
