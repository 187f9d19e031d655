/** A network card driver in C with the stack's records, checks and barriers. [virtio-1.2 §5.1] */
#include "virtqueue.h"

#define TYPE_NET 1
#define F_MAC (UINT64_C(1) << 5)
#define F_MRG_RXBUF (UINT64_C(1) << 15)
#define F_STATUS (UINT64_C(1) << 16)
enum { RECEIVE_QUEUE, TRANSMIT_QUEUE };

#define MTU 1500
#define ETHERNET_HEADER_BYTES 14
#define VLAN_TAG_BYTES 4
#define BUFFER_BYTES 2048
/** Most buffers of a frame: an IPv6 packet of 64 KiB in Ethernet with a tag. */
#define PIECES_MAX ((65535 + 40 + 14 + 4) / BUFFER_BYTES + 1)
#define HEADER_STRIDE 16

/* Packet header. [virtio-1.2 §5.1.6] */
enum { FLAGS = 0, GSO_TYPE = 1, HDR_LEN = 2, GSO_SIZE = 4, CSUM_START = 6, CSUM_OFFSET = 8, NUM_BUFFERS = 10 };
#define HEADER_BYTES 10
#define HEADER_BYTES_MERGEABLE 12

enum owner { OWNER_DRIVER, OWNER_DEVICE, OWNER_CALLER };

struct buffer {
  uint64_t address;
  uint32_t pointer;
  uint32_t owner;
};

struct piece {
  uint32_t buffer, length;
};

struct card {
  struct device device;
  struct virtqueue receive, transmit;
  struct virtio_net_statistics statistics;
  bool any_layout, mergeable, wants_room;
  uint32_t mtu, header_bytes;
  uint32_t headers;
  uint64_t headers_address;
  uint32_t *frame_lengths;
  struct buffer *buffers;
  uint32_t buffer_count, lent;
  uint32_t pieces_max, pieces_wanted, piece_count;
  struct piece pieces[PIECES_MAX];
};

/** Hands a buffer to the device, not yet published. */
static void post(struct card *card, uint32_t index) {
  struct buffer *buffer = &card->buffers[index];
  buffer->owner = OWNER_DEVICE;
  struct chain chain = chain_begin(&card->receive);
  if (card->any_layout) {
    chain_append(&card->receive, &chain, buffer->address, BUFFER_BYTES, DESC_F_WRITE);
  } else {
    const uint32_t header_bytes = card->header_bytes;
    chain_append(&card->receive, &chain, buffer->address, header_bytes, DESC_F_WRITE);
    chain_append(&card->receive, &chain, buffer->address + header_bytes, BUFFER_BYTES - header_bytes, DESC_F_WRITE);
  }
  chain_add(&card->receive, &chain, index);
}

int32_t EXPORT(net_open)(uint32_t address, uint32_t options) {
  (void)options;
  struct card *card = take_private(sizeof(struct card));
  if (card == NULL) return VIRTIO_RESULT_E_MEMORY;
  const int32_t handle = device_open(&card->device, address, TYPE_NET,
                                     F_MAC | F_MRG_RXBUF | F_STATUS | F_ANY_LAYOUT | F_EVENT_IDX);
  if (handle < 0) return handle;
  card->any_layout = (card->device.features & F_ANY_LAYOUT) != 0;
  card->mergeable = (card->device.features & F_MRG_RXBUF) != 0;
  card->mtu = MTU;
  card->header_bytes = card->mergeable ? HEADER_BYTES_MERGEABLE : HEADER_BYTES;
  int32_t result = virtqueue_open(&card->receive, &card->device, RECEIVE_QUEUE, 0);
  if (result == VIRTIO_RESULT_OK) result = virtqueue_open(&card->transmit, &card->device, TRANSMIT_QUEUE, 0);
  if (result != VIRTIO_RESULT_OK) return result;

  const uint32_t transmit_size = card->transmit.size;
  card->frame_lengths = take_private(transmit_size * (uint32_t)sizeof(uint32_t));
  card->headers = take_pages(transmit_size * HEADER_STRIDE);
  card->buffer_count = card->receive.size / (card->any_layout ? 1 : 2);
  card->buffers = take_private(card->buffer_count * (uint32_t)sizeof(struct buffer));
  const uint32_t pointer = take_pages(card->buffer_count * BUFFER_BYTES);
  if (card->frame_lengths == NULL || card->headers == 0 || card->buffers == NULL || pointer == 0) {
    return VIRTIO_RESULT_E_MEMORY;
  }
  card->headers_address = physical_address(card->headers);
  card->pieces_max = !card->mergeable ? 1 : card->buffer_count < PIECES_MAX ? card->buffer_count : PIECES_MAX;
  device_run(&card->device);
  for (uint32_t index = 0; index < card->buffer_count; index++) {
    card->buffers[index].pointer = pointer + index * BUFFER_BYTES;
    card->buffers[index].address = physical_address(pointer + index * BUFFER_BYTES);
    post(card, index);
  }
  virtqueue_kick(&card->receive);
  return handle;
}

// ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t validate(const struct card *card, const struct virtio_transmit_frame *frame, uint64_t bytes) {
  const uint32_t offload = frame->hdr_len | frame->gso_size | frame->csum_start | frame->csum_offset;
  if ((frame->flags | frame->gso_type) != 0 || offload != 0) return VIRTIO_RESULT_E_UNSUPPORTED;
  const uint32_t bytes_max = card->mtu + ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES;
  return bytes < ETHERNET_HEADER_BYTES || bytes > bytes_max ? VIRTIO_RESULT_E_FRAME_SIZE : VIRTIO_RESULT_OK;
}

static void write_header(uint32_t header, uint32_t header_bytes, const struct virtio_transmit_frame *frame) {
  const uint32_t offload = frame->flags | (uint32_t)frame->gso_type << 8 | (uint32_t)frame->hdr_len << 16;
  write64(header, offload | (uint64_t)frame->gso_size << 32 | (uint64_t)frame->csum_start << 48);
  if (header_bytes == HEADER_BYTES) write16(header + CSUM_OFFSET, frame->csum_offset);
  else write32(header + CSUM_OFFSET, frame->csum_offset);
}

/** Physical address for the header directly before the frame, or VIRTIO_NO_ADDRESS. */
static uint64_t header_room_address(const struct card *card, const struct virtio_transmit_frame *frame) {
  const uint32_t header_bytes = card->header_bytes;
  const uint32_t pointer = ((const struct virtio_segment *)at(frame->segments))->pointer;
  if (!card->any_layout || frame->header_room < header_bytes || pointer < header_bytes) return VIRTIO_NO_ADDRESS;
  const uint64_t address = physical_address(pointer - header_bytes);
  return address + header_bytes == physical_address(pointer) ? address : VIRTIO_NO_ADDRESS;
}

static int32_t add_frame(struct card *card, const struct virtio_transmit_frame *frame) {
  if (!records_fit(frame->segments, frame->segment_count, sizeof(struct virtio_segment))) {
    return VIRTIO_RESULT_E_ARGUMENT;
  }
  const struct virtio_segment *segments = at(frame->segments);
  uint64_t bytes = 0;
  for (uint32_t index = 0; index < frame->segment_count; index++) {
    const struct virtio_segment segment = segments[index];
    if (segment.length == 0 || !pointer_range_fits(segment.pointer, segment.length)) return VIRTIO_RESULT_E_SEGMENTS;
    bytes += segment.length;
  }
  const int32_t refusal = validate(card, frame, bytes);
  if (refusal != VIRTIO_RESULT_OK) return refusal;

  struct virtqueue *queue = &card->transmit;
  const uint32_t room = virtqueue_room(queue), header_bytes = card->header_bytes;
  if (room == 0) return VIRTIO_RESULT_E_FULL;
  struct chain chain = chain_begin(queue);
  uint32_t header = card->headers + queue->free_head * HEADER_STRIDE;
  const uint64_t joined = header_room_address(card, frame);
  if (joined != VIRTIO_NO_ADDRESS) header = segments[0].pointer - header_bytes;
  else chain_append(queue, &chain, card->headers_address + queue->free_head * HEADER_STRIDE, header_bytes, 0);
  for (uint32_t index = 0; index < frame->segment_count; index++) {
    uint32_t pointer = segments[index].pointer, length = segments[index].length;
    if (index == 0 && joined != VIRTIO_NO_ADDRESS) {
      pointer = header;
      length += header_bytes;
    }
    while (length != 0) {
      if (chain.length == room) return room == queue->size ? VIRTIO_RESULT_E_SEGMENTS : VIRTIO_RESULT_E_FULL;
      const uint64_t address = physical_address(pointer);
      if (address == VIRTIO_NO_ADDRESS) return VIRTIO_RESULT_E_ADDRESS;
      const uint32_t run = contiguous_bytes(pointer, length, address);
      chain_append(queue, &chain, address, run, 0);
      pointer += run;
      length -= run;
    }
  }
  write_header(header, header_bytes, frame);
  const uint32_t head = chain_add(queue, &chain, frame->token);
  card->frame_lengths[head] = (uint32_t)bytes;
  return VIRTIO_RESULT_OK;
}

int32_t EXPORT(net_transmit)(uint32_t handle, uint32_t frames, uint32_t count) {
  struct card *card = find_device(handle, TYPE_NET);
  if (card == NULL) return VIRTIO_RESULT_E_HANDLE;
  if (card->device.state != DEVICE_RUNNING) return VIRTIO_RESULT_E_BROKEN;
  if (!records_fit(frames, count, sizeof(struct virtio_transmit_frame))) return VIRTIO_RESULT_E_ARGUMENT;
  struct virtio_transmit_frame *frame = at(frames);
  int32_t result = VIRTIO_RESULT_OK;
  uint32_t accepted = 0;
  for (; accepted < count; accepted++, frame++) {
    result = add_frame(card, frame);
    frame->result = result;
    if (result != VIRTIO_RESULT_OK) break;
  }
  virtqueue_kick(&card->transmit);
  if (result == VIRTIO_RESULT_E_FULL) {
    card->statistics.transmit_full++;
    card->wants_room = true;
  } else if (result != VIRTIO_RESULT_OK) {
    card->statistics.transmit_refused++;
  }
  return (int32_t)accepted;
}

int32_t EXPORT(net_reclaim)(uint32_t handle, uint32_t completions, uint32_t capacity) {
  struct card *card = find_device(handle, TYPE_NET);
  if (card == NULL) return VIRTIO_RESULT_E_HANDLE;
  if (!records_fit(completions, capacity, sizeof(struct virtio_completion))) return VIRTIO_RESULT_E_ARGUMENT;
  if (card->device.state != DEVICE_RUNNING) return VIRTIO_RESULT_E_BROKEN;
  struct virtio_completion *completion = at(completions);
  uint32_t count = 0;
  for (uint32_t pending = virtqueue_pending(&card->transmit); pending != 0 && count < capacity; pending--) {
    struct taken taken;
    const int32_t head = virtqueue_take(&card->transmit, &taken);
    if (head < 0) break;
    const uint32_t length = card->frame_lengths[head];
    *completion++ = (struct virtio_completion){.token = taken.token, .result = VIRTIO_RESULT_OK, .length = length};
    card->statistics.frames_transmitted++;
    card->statistics.bytes_transmitted += length;
    count++;
  }
  if (count != 0 && card->wants_room) {
    card->wants_room = false;
    card->device.events |= VIRTIO_EVENT_ROOM;
  }
  return count == 0 && card->device.state != DEVICE_RUNNING ? VIRTIO_RESULT_E_BROKEN : (int32_t)count;
}

// ── receiving ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Every buffer of the frame has bytes of it, and together they are at least an Ethernet header. */
static bool frame_makes_sense(const struct card *card) {
  int32_t bytes = -(int32_t)card->header_bytes;
  for (uint32_t count = 0; count < card->piece_count; count++) {
    if (card->pieces[count].length == 0) return false;
    bytes += (int32_t)card->pieces[count].length;
  }
  return bytes >= ETHERNET_HEADER_BYTES;
}

/** Adds a buffer to the frame being put together; whether it is whole now. */
static bool add_piece(struct card *card, const struct taken *taken) {
  const uint32_t index = (uint32_t)taken->token;
  if (card->piece_count == 0) {
    const bool is_whole = taken->length >= card->header_bytes;
    const uint32_t wanted =
        card->mergeable && is_whole ? read16(card->buffers[index].pointer + NUM_BUFFERS) : 1;
    if (wanted == 0 || wanted > card->pieces_max) {
      device_break(&card->device, VIRTIO_MESSAGE_BAD_BUFFER_COUNT, wanted);
      return false;
    }
    card->pieces_wanted = wanted;
  }
  card->pieces[card->piece_count++] = (struct piece){.buffer = index, .length = taken->length};
  if (card->piece_count < card->pieces_wanted) return false;
  if (frame_makes_sense(card)) return true;
  card->statistics.receive_errors++;
  for (uint32_t count = 0; count < card->piece_count; count++) post(card, card->pieces[count].buffer);
  card->piece_count = 0;
  return false;
}

/** Lends the frame to the caller; returns how many records that took. */
static uint32_t deliver(struct card *card, struct virtio_received_buffer *record) {
  const uint32_t count = card->piece_count;
  for (uint32_t number = 0; number < count; number++, record++) {
    const struct piece piece = card->pieces[number];
    struct buffer *buffer = &card->buffers[piece.buffer];
    const uint32_t header = buffer->pointer;
    buffer->owner = OWNER_CALLER;
    if (number == 0) {
      *record = (struct virtio_received_buffer){
          .pointer = header + card->header_bytes,
          .length = piece.length - card->header_bytes,
          .buffer = piece.buffer,
          .buffer_count = (uint16_t)count,
          .flags = (uint8_t)read8(header + FLAGS),
          .gso_type = (uint8_t)read8(header + GSO_TYPE),
          .hdr_len = (uint16_t)read16(header + HDR_LEN),
          .gso_size = (uint16_t)read16(header + GSO_SIZE),
          .csum_start = (uint16_t)read16(header + CSUM_START),
          .csum_offset = (uint16_t)read16(header + CSUM_OFFSET),
      };
    } else {
      *record = (struct virtio_received_buffer){.pointer = header, .length = piece.length, .buffer = piece.buffer};
    }
    card->statistics.bytes_received += record->length;
  }
  card->statistics.frames_received++;
  card->lent += count;
  card->piece_count = 0;
  return count;
}

static int32_t receive_frames(struct card *card, struct virtio_received_buffer *records, uint32_t capacity) {
  uint32_t written = 0, pending = virtqueue_pending(&card->receive);
  while (written < capacity) {
    if (card->piece_count == 0 || card->piece_count < card->pieces_wanted) {
      if (pending == 0) break;
      pending--;
      struct taken taken;
      if (virtqueue_take(&card->receive, &taken) < 0) break;
      if (!add_piece(card, &taken)) {
        if (card->device.state != DEVICE_RUNNING) break;
        continue;
      }
    }
    if (card->pieces_wanted > capacity - written) {
      if (written == 0) return VIRTIO_RESULT_E_ARGUMENT;
      break;
    }
    written += deliver(card, records + written);
  }
  virtqueue_kick(&card->receive);
  return (int32_t)written;
}

int32_t EXPORT(net_receive)(uint32_t handle, uint32_t records, uint32_t capacity) {
  struct card *card = find_device(handle, TYPE_NET);
  if (card == NULL) return VIRTIO_RESULT_E_HANDLE;
  if (card->device.state != DEVICE_RUNNING) return VIRTIO_RESULT_E_BROKEN;
  if (!records_fit(records, capacity, sizeof(struct virtio_received_buffer))) return VIRTIO_RESULT_E_ARGUMENT;
  const int32_t written = receive_frames(card, at(records), capacity);
  return written == 0 && card->device.state != DEVICE_RUNNING ? VIRTIO_RESULT_E_BROKEN : written;
}

int32_t EXPORT(net_release)(uint32_t handle, uint32_t buffers, uint32_t count) {
  struct card *card = find_device(handle, TYPE_NET);
  if (card == NULL) return VIRTIO_RESULT_E_HANDLE;
  if (!records_fit(buffers, count, sizeof(uint32_t))) return VIRTIO_RESULT_E_ARGUMENT;
  const bool is_running = card->device.state == DEVICE_RUNNING;
  const uint32_t *identifiers = at(buffers);
  uint32_t released = 0;
  for (; released < count; released++) {
    const uint32_t index = identifiers[released];
    if (index >= card->buffer_count || card->buffers[index].owner != OWNER_CALLER) break;
    card->buffers[index].owner = OWNER_DRIVER;
    if (is_running) post(card, index);
  }
  card->lent -= released;
  if (is_running) virtqueue_kick(&card->receive);
  return released == 0 && count != 0 ? VIRTIO_RESULT_E_BUFFER : (int32_t)released;
}
