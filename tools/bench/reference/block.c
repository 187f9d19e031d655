/** A disk driver in C with the stack's records, checks and barriers. [virtio-1.2 §5.2] */
#include "virtqueue.h"

#define TYPE_BLOCK 2
#define F_SEG_MAX (UINT64_C(1) << 2)
#define F_BLK_SIZE (UINT64_C(1) << 6)
#define F_FLUSH (UINT64_C(1) << 9)

/** Descriptors of an indirect table. */
#define TABLE_ENTRIES 32
/** Header and status. */
#define FRAMING 2

#define SECTOR_SHIFT 9
#define REQUEST_BYTES_MAX UINT32_C(0xff000000)
#define ID_BYTES 20

/* Header and status byte, side by side. */
#define HEADER_BYTES 16
#define STATUS_OFFSET 16
#define HEADER_STRIDE 32
enum { S_OK, S_IOERR, S_UNSUPP };

/** An accepted request, in one or more parts. */
struct request {
  uint64_t token;
  uint32_t length;
  int32_t result;
  uint32_t operation;
  uint16_t parts, next;
};

struct disk {
  struct device device;
  struct virtqueue queue;
  struct virtio_block_statistics statistics;
  struct request *requests;
  uint32_t free_request, in_flight;
  uint32_t headers;
  uint64_t headers_address;
  uint64_t capacity;
  uint32_t block_size, size_max, seg_max;
  bool read_only;
};

/** Where the next byte of payload comes from. */
struct position {
  const struct virtio_segment *segment;
  uint32_t offset;
};

int32_t EXPORT(block_open)(uint32_t address, uint32_t options) {
  (void)options;
  struct disk *disk = take_private(sizeof(struct disk));
  if (disk == NULL) return VIRTIO_RESULT_E_MEMORY;
  const int32_t handle = device_open(&disk->device, address, TYPE_BLOCK,
                                     F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_ANY_LAYOUT | F_INDIRECT_DESC | F_EVENT_IDX);
  if (handle < 0) return handle;
  const uint32_t configuration = disk->device.registers + CONFIG;
  disk->capacity = kernel_in32(configuration) | (uint64_t)kernel_in32(configuration + 4) << 32;
  disk->seg_max = (disk->device.features & F_SEG_MAX) != 0 ? kernel_in32(configuration + 12) : UINT32_MAX;
  disk->block_size = (disk->device.features & F_BLK_SIZE) != 0 ? kernel_in32(configuration + 20) : 512;
  disk->size_max = UINT32_MAX;
  const int32_t result = virtqueue_open(&disk->queue, &disk->device, 0, TABLE_ENTRIES);
  if (result != VIRTIO_RESULT_OK) return result;
  const uint32_t size = disk->queue.size;
  disk->requests = take_private(size * (uint32_t)sizeof(struct request));
  disk->headers = take_pages(size * HEADER_STRIDE);
  if (disk->requests == NULL || disk->headers == 0) return VIRTIO_RESULT_E_MEMORY;
  disk->headers_address = physical_address(disk->headers);
  for (uint32_t index = 0; index < size; index++) disk->requests[index].next = (uint16_t)(index + 1);
  device_run(&disk->device);
  return handle;
}

static uint64_t payload_bytes(const struct virtio_block_request *request) {
  const struct virtio_segment *segments = at(request->segments);
  uint64_t total = 0;
  for (uint32_t index = 0; index < request->segment_count; index++) {
    const struct virtio_segment segment = segments[index];
    if (segment.length == 0 || !pointer_range_fits(segment.pointer, segment.length)) return UINT64_MAX;
    total += segment.length;
    if (total > REQUEST_BYTES_MAX) return total;
  }
  return total;
}

static int32_t validate(const struct disk *disk, const struct virtio_block_request *request, uint64_t bytes) {
  if (bytes > REQUEST_BYTES_MAX) return VIRTIO_RESULT_E_SEGMENTS;
  switch (request->operation) {
    case VIRTIO_BLOCK_OPERATION_WRITE:
      if (disk->read_only) return VIRTIO_RESULT_E_READ_ONLY;
      // fall through
    case VIRTIO_BLOCK_OPERATION_READ: {
      if (bytes == 0) return VIRTIO_RESULT_E_SEGMENTS;
      if (((request->sector << SECTOR_SHIFT | bytes) & (disk->block_size - 1)) != 0) return VIRTIO_RESULT_E_ALIGNMENT;
      const uint64_t sectors = bytes >> SECTOR_SHIFT;
      const bool fits = sectors <= disk->capacity && request->sector <= disk->capacity - sectors;
      return fits ? VIRTIO_RESULT_OK : VIRTIO_RESULT_E_RANGE;
    }
    case VIRTIO_BLOCK_OPERATION_FLUSH:
      if ((disk->device.features & F_FLUSH) == 0) return VIRTIO_RESULT_E_UNSUPPORTED;
      return request->segment_count == 0 ? VIRTIO_RESULT_OK : VIRTIO_RESULT_E_SEGMENTS;
    case VIRTIO_BLOCK_OPERATION_GET_ID:
      return bytes == ID_BYTES ? VIRTIO_RESULT_OK : VIRTIO_RESULT_E_SEGMENTS;
    default:
      return VIRTIO_RESULT_E_ARGUMENT;
  }
}

/** Goes back by fewer bytes than the last step forward. */
static void retreat(struct position *position, uint32_t bytes) {
  if (position->offset == 0) {
    position->segment--;
    position->offset = position->segment->length;
  }
  position->offset -= bytes;
}

/** Puts as much of a request into the ring as goes into one chain; returns the bytes, or a negative result. */
static int64_t add_part(struct disk *disk, uint32_t operation, uint64_t sector, uint32_t left, uint32_t request,
                        struct position *position) {
  struct virtqueue *queue = &disk->queue;
  const uint32_t room = virtqueue_room(queue);
  if (room < FRAMING) return VIRTIO_RESULT_E_FULL;
  const uint32_t chain_max = (queue->tables != 0 ? queue->table_entries : queue->size) - FRAMING;
  const uint32_t data_max = disk->seg_max < chain_max ? disk->seg_max : chain_max;
  const uint32_t flags = operation == VIRTIO_BLOCK_OPERATION_WRITE ? 0 : DESC_F_WRITE;
  const uint32_t header_offset = queue->free_head * HEADER_STRIDE;
  const uint32_t header = disk->headers + header_offset;
  const uint64_t header_address = disk->headers_address + header_offset;

  struct chain chain = chain_begin(queue);
  chain_append(queue, &chain, header_address, HEADER_BYTES, 0);
  uint32_t bytes = 0, run = 0;
  for (uint32_t count = 0; bytes < left && count < data_max; count++) {
    if (count + FRAMING >= room) return VIRTIO_RESULT_E_FULL;
    const uint32_t pointer = position->segment->pointer + position->offset;
    const uint32_t length = position->segment->length - position->offset;
    const uint64_t address = physical_address(pointer);
    if (address == VIRTIO_NO_ADDRESS) return VIRTIO_RESULT_E_ADDRESS;
    run = contiguous_bytes(pointer, length, address);
    if (run > disk->size_max) run = disk->size_max;
    chain_append(queue, &chain, address, run, flags);
    bytes += run;
    position->offset += run;
    if (run == length) {
      position->segment++;
      position->offset = 0;
    }
  }
  if (bytes < left) {
    const uint32_t excess = bytes & (disk->block_size - 1);
    if (excess >= run) return VIRTIO_RESULT_E_SEGMENTS;
    if (excess != 0) {
      write32(chain.last + 8, run - excess);
      if (flags & DESC_F_WRITE) chain.writable -= excess;
      retreat(position, excess);
      bytes -= excess;
      if (bytes == 0) return VIRTIO_RESULT_E_SEGMENTS;
    }
  }
  chain_append(queue, &chain, header_address + STATUS_OFFSET, 1, DESC_F_WRITE);
  write32(header, operation);
  write32(header + 4, 0);
  write64(header + 8, sector);
  write32(header + STATUS_OFFSET, 0xff);
  chain_add(queue, &chain, request);
  return bytes;
}

static int32_t add_request(struct disk *disk, const struct virtio_block_request *request) {
  if (request->segment_count != 0 &&
      !records_fit(request->segments, request->segment_count, sizeof(struct virtio_segment))) {
    return VIRTIO_RESULT_E_ARGUMENT;
  }
  const uint64_t bytes = payload_bytes(request);
  const int32_t refusal = validate(disk, request, bytes);
  if (refusal != VIRTIO_RESULT_OK) return refusal;

  struct virtqueue *queue = &disk->queue;
  if (virtqueue_room(queue) == 0) return VIRTIO_RESULT_E_FULL;
  const uint32_t index = disk->free_request;
  const uint16_t first_head = queue->free_head;
  struct position position = {.segment = at(request->segments)};
  uint32_t left = (uint32_t)bytes, parts = 0;
  uint64_t sector = request->operation <= VIRTIO_BLOCK_OPERATION_WRITE ? request->sector : 0;
  do {
    const int64_t moved = add_part(disk, request->operation, sector, left, index, &position);
    if (moved < 0) {
      virtqueue_undo(queue, parts, first_head);
      const bool is_hopeless = moved == VIRTIO_RESULT_E_FULL && queue->outstanding == 0;
      return is_hopeless ? VIRTIO_RESULT_E_SEGMENTS : (int32_t)moved;
    }
    parts++;
    left -= (uint32_t)moved;
    sector += (uint64_t)moved >> SECTOR_SHIFT;
  } while (left != 0);

  struct request *state = &disk->requests[index];
  disk->free_request = state->next;
  disk->in_flight++;
  state->token = request->token;
  state->length = (uint32_t)bytes;
  state->result = VIRTIO_RESULT_OK;
  state->operation = request->operation;
  state->parts = (uint16_t)parts;
  return VIRTIO_RESULT_OK;
}

int32_t EXPORT(block_submit)(uint32_t handle, uint32_t requests, uint32_t count) {
  struct disk *disk = find_device(handle, TYPE_BLOCK);
  if (disk == NULL) return VIRTIO_RESULT_E_HANDLE;
  if (disk->device.state != DEVICE_RUNNING) return VIRTIO_RESULT_E_BROKEN;
  if (!records_fit(requests, count, sizeof(struct virtio_block_request))) return VIRTIO_RESULT_E_ARGUMENT;
  struct virtio_block_request *request = at(requests);
  uint32_t accepted = 0;
  for (; accepted < count; accepted++, request++) {
    const int32_t result = add_request(disk, request);
    request->result = result;
    if (result != VIRTIO_RESULT_OK) {
      if (result != VIRTIO_RESULT_E_FULL) disk->statistics.refused++;
      break;
    }
  }
  disk->statistics.requests += accepted;
  virtqueue_kick(&disk->queue);
  return (int32_t)accepted;
}

static int32_t part_result(const struct disk *disk, uint32_t head) {
  switch (read8(disk->headers + head * HEADER_STRIDE + STATUS_OFFSET)) {
    case S_OK:
      return VIRTIO_RESULT_OK;
    case S_IOERR:
      return VIRTIO_RESULT_E_IO;
    case S_UNSUPP:
      return VIRTIO_RESULT_E_UNSUPPORTED;
    default:
      return VIRTIO_RESULT_E_DEVICE_STATUS;
  }
}

static void write_completion(struct disk *disk, const struct request *request, struct virtio_completion *completion) {
  struct virtio_block_statistics *statistics = &disk->statistics;
  completion->token = request->token;
  completion->result = request->result;
  if (request->result != VIRTIO_RESULT_OK) {
    completion->length = 0;
    statistics->errors++;
    return;
  }
  completion->length = request->length;
  switch (request->operation) {
    case VIRTIO_BLOCK_OPERATION_READ:
      statistics->reads++;
      statistics->bytes_read += request->length;
      break;
    case VIRTIO_BLOCK_OPERATION_WRITE:
      statistics->writes++;
      statistics->bytes_written += request->length;
      break;
    case VIRTIO_BLOCK_OPERATION_FLUSH:
      statistics->flushes++;
      break;
    default:
      break;
  }
}

int32_t EXPORT(block_poll)(uint32_t handle, uint32_t completions, uint32_t capacity) {
  struct disk *disk = find_device(handle, TYPE_BLOCK);
  if (disk == NULL) return VIRTIO_RESULT_E_HANDLE;
  if (!records_fit(completions, capacity, sizeof(struct virtio_completion))) return VIRTIO_RESULT_E_ARGUMENT;
  if (disk->device.state != DEVICE_RUNNING) return VIRTIO_RESULT_E_BROKEN;
  struct virtio_completion *completion = at(completions);
  uint32_t count = 0;
  for (uint32_t pending = virtqueue_pending(&disk->queue); pending != 0 && count < capacity; pending--) {
    struct taken taken;
    const int32_t head = virtqueue_take(&disk->queue, &taken);
    if (head < 0) break;
    struct request *request = &disk->requests[(uint32_t)taken.token];
    const int32_t result = part_result(disk, (uint32_t)head);
    if (request->result == VIRTIO_RESULT_OK) request->result = result;
    if (--request->parts != 0) continue;
    request->next = (uint16_t)disk->free_request;
    disk->free_request = (uint32_t)taken.token;
    disk->in_flight--;
    write_completion(disk, request, completion++);
    count++;
  }
  return count == 0 && disk->device.state != DEVICE_RUNNING ? VIRTIO_RESULT_E_BROKEN : (int32_t)count;
}
