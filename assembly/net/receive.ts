/**
 * Receiving: the device writes into the driver's buffers, the caller reads there and gives them back.
 * [virtio-1.2 §5.1.6.3, §5.1.6.4]
 *
 * A buffer is the device's, the caller's or nobody's, and only changes hands here:
 *
 *     nobody's ──post──▶ device's ──take──▶ piece of a frame ──deliver──▶ caller's
 *        ▲  ▲                                   │ the frame makes no sense    │
 *        │  └───────────────────────────────────┘                             │
 *        └───────────────────────── release ──────────────────────────────────┘
 */
import { ReceivedBuffer } from "../abi/records";
import { Message, Result } from "../abi/results";
import { physicalAddress } from "../memory/addresses";
import { allocatePrivate, freePrivate } from "../memory/arena";
import { allocatePages, freePages } from "../memory/pages";
import { PAGE_BYTES, read16, read8 } from "../memory/shared";
import { DeviceState } from "../virtio/device";
import { VIRTQ_DESC_F_WRITE } from "../virtio/vring";
import { FramePiece, NetDevice, Owner, ReceiveBuffer } from "./device";
import {
  ETHERNET_HEADER_BYTES,
  HEADER_CSUM_OFFSET,
  HEADER_CSUM_START,
  HEADER_FLAGS,
  HEADER_GSO_SIZE,
  HEADER_GSO_TYPE,
  HEADER_HDR_LEN,
  HEADER_NUM_BUFFERS,
  RECEIVE_BUFFER_BYTES_MIN,
  RECEIVE_QUEUE,
  VLAN_TAG_BYTES,
} from "./wire";

/** Bytes of a buffer where nothing asks for more: two a page, and an ordinary frame fits. */
const BUFFER_BYTES_DEFAULT: u32 = 2048;
const BUFFER_BYTES_UNIT: u32 = 64;
/** Holds the largest frame there is, 64 KiB and headers. */
const BUFFER_BYTES_MAX: u32 = 65536 + 64;
/** Largest frame put together from several buffers: an IPv6 packet, its Ethernet header and a VLAN tag. */
const FRAME_BYTES_MAX: u32 = 65535 + 40 + 14 + 4;

/**
 * Takes memory for receiving.
 *
 * @param bufferCount buffers to post, 0: as many as the ring holds
 * @param bufferBytes size of each, 0: the default
 * @returns OK, E_ARGUMENT, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY
 */
export function allocateReceive(device: NetDevice, bufferCount: u32, bufferBytes: u32): i32 {
  const bytesMin = bufferBytesMin(device);
  if (bufferBytes == 0) {
    const rounded = (bytesMin + BUFFER_BYTES_UNIT - 1) & ~(BUFFER_BYTES_UNIT - 1);
    bufferBytes = max(BUFFER_BYTES_DEFAULT, rounded);
  }
  if (bufferBytes < bytesMin || bufferBytes > BUFFER_BYTES_MAX || bufferBytes & (BUFFER_BYTES_UNIT - 1)) {
    return Result.E_ARGUMENT;
  }
  device.bufferBytes = bufferBytes;
  const descriptors: u32 = device.anyLayout ? 1 : 2;
  const queue = device.receiveQueue;
  const result = queue.allocate(device, RECEIVE_QUEUE, descriptors, 0);
  if (result != Result.OK) return result;
  const fit = queue.size / descriptors;
  device.bufferCount = bufferCount == 0 ? fit : min(bufferCount, fit);
  device.piecesMax = device.mergeable ? min(FRAME_BYTES_MAX / bufferBytes + 1, device.bufferCount) : 1;
  device.pieces = allocatePrivate(device.piecesMax * offsetof<FramePiece>());
  device.buffers = allocatePrivate(device.bufferCount * offsetof<ReceiveBuffer>());
  if (device.pieces == 0 || device.buffers == 0) return Result.E_MEMORY;
  return allocateBuffers(device);
}

/** Smallest buffer that the device may be given. */
function bufferBytesMin(device: NetDevice): u32 {
  if (device.mergeable) return BUFFER_BYTES_UNIT;
  const frameMax = device.headerBytes + ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES + device.mtu;
  return max(RECEIVE_BUFFER_BYTES_MIN, frameMax);
}

/** Whether the buffers taken before a reset still do after it. */
export function receiveBuffersFit(device: NetDevice): bool {
  return device.bufferBytes >= bufferBytesMin(device);
}

/** Small buffers share a page, so that none crosses one; a large one has pages of its own. */
function buffersPerPage(device: NetDevice): u32 {
  return max(PAGE_BYTES / device.bufferBytes, 1);
}

function allocateBuffers(device: NetDevice): i32 {
  const perPage = buffersPerPage(device);
  for (let index: u32 = 0; index < device.bufferCount; index++) {
    const buffer = device.buffer(index);
    const place = index % perPage;
    if (place == 0) {
      buffer.pointer = allocatePages(device.bufferBytes);
      if (buffer.pointer == 0) return Result.E_DMA_MEMORY;
      buffer.address = physicalAddress(buffer.pointer);
    } else {
      const first = device.buffer(index - place);
      buffer.pointer = first.pointer + place * device.bufferBytes;
      buffer.address = first.address + place * device.bufferBytes;
    }
  }
  return Result.OK;
}

/** Gives back the receive buffers; neither the device nor the caller may have one any more. */
export function freeBuffers(device: NetDevice): void {
  if (device.buffers != 0) {
    const perPage = buffersPerPage(device);
    for (let index: u32 = 0; index < device.bufferCount; index += perPage) {
      freePages(device.buffer(index).pointer, device.bufferBytes);
    }
  }
  freePrivate(device.buffers);
  freePrivate(device.pieces);
  device.receiveQueue.freePrivate();
}

/** After a reset: the device has none of the buffers any more; those in the caller's hands stay there. */
export function recallBuffers(device: NetDevice): void {
  device.receiveQueue.forget();
  device.pieceCount = 0;
  for (let index: u32 = 0; index < device.bufferCount; index++) {
    const buffer = device.buffer(index);
    if (buffer.owner == Owner.DEVICE) buffer.owner = Owner.DRIVER;
  }
}

/** Posts all buffers that are nobody's; `kick` is the caller's. */
export function postBuffers(device: NetDevice): void {
  for (let index: u32 = 0; index < device.bufferCount; index++) {
    if (device.buffer(index).owner == Owner.DRIVER) post(device, index);
  }
}

/** Hands a buffer to the device; there are never more buffers than the ring has room for. */
function post(device: NetDevice, index: u32): void {
  const queue = device.receiveQueue;
  const buffer = device.buffer(index);
  buffer.owner = Owner.DEVICE;
  queue.beginChain();
  if (device.anyLayout) {
    queue.append(buffer.address, device.bufferBytes, VIRTQ_DESC_F_WRITE);
  } else {
    // The header alone in the first descriptor; in memory the frame follows it all the same. [virtio-1.2 §5.1.6.6]
    const headerBytes = device.headerBytes;
    queue.append(buffer.address, headerBytes, VIRTQ_DESC_F_WRITE);
    queue.append(buffer.address + headerBytes, device.bufferBytes - headerBytes, VIRTQ_DESC_F_WRITE);
  }
  queue.add(index);
}

/**
 * Hands received frames to the caller, each whole or not at all.
 *
 * @param records array of ReceivedBuffer with room for `capacity`
 * @returns records written; E_ARGUMENT when the next frame alone has more buffers than that
 */
export function receiveFrames(device: NetDevice, records: u32, capacity: u32): i32 {
  const queue = device.receiveQueue;
  let written: u32 = 0;
  let pending = queue.pending();
  while (written < capacity) {
    if (device.pieceCount == 0 || device.pieceCount < device.piecesWanted) {
      if (pending == 0) break;
      pending--;
      if (queue.take() < 0) break;
      if (!addPiece(device)) {
        if (device.state != DeviceState.RUNNING) break;
        continue;
      }
    }
    if (device.piecesWanted > capacity - written) {
      if (written == 0) return Result.E_ARGUMENT;
      break;
    }
    written += deliver(device, records + written * offsetof<ReceivedBuffer>());
  }
  queue.kick();
  return written;
}

/** Whether a whole frame was taken from the ring for which the caller had no room. */
export function frameIsHeldBack(device: NetDevice): bool {
  return device.pieceCount != 0 && device.pieceCount == device.piecesWanted;
}

/**
 * Adds the buffer that was taken last to the frame being put together.
 *
 * @returns whether the frame is whole now
 */
function addPiece(device: NetDevice): bool {
  const queue = device.receiveQueue;
  const index = <u32>queue.takenToken;
  const length = queue.takenLength;
  if (device.pieceCount == 0) {
    // Behind a header that was not written, the number of buffers would be the one of an earlier frame.
    const isWhole = length >= device.headerBytes;
    const wanted = device.mergeable && isWhole ? read16(device.buffer(index).pointer + HEADER_NUM_BUFFERS) : 1;
    if (wanted == 0 || wanted > device.piecesMax) {
      device.break(Message.BAD_BUFFER_COUNT, wanted);
      return false;
    }
    device.piecesWanted = wanted;
  }
  const piece = device.piece(device.pieceCount++);
  piece.buffer = index;
  piece.length = length;
  if (device.pieceCount < device.piecesWanted) return false;
  if (frameMakesSense(device)) return true;
  device.statistics.receive_errors++;
  for (let count: u32 = 0; count < device.pieceCount; count++) post(device, device.piece(count).buffer);
  device.pieceCount = 0;
  return false;
}

/** Every buffer of a frame has bytes of it, and together they are at least an Ethernet header. */
function frameMakesSense(device: NetDevice): bool {
  let bytes = -(<i32>device.headerBytes);
  for (let count: u32 = 0; count < device.pieceCount; count++) {
    const length = device.piece(count).length;
    if (length == 0) return false;
    bytes += length;
  }
  return bytes >= <i32>ETHERNET_HEADER_BYTES;
}

/** Lends the buffers of the whole frame to the caller; returns how many records they took. */
function deliver(device: NetDevice, records: u32): u32 {
  const count = device.pieceCount;
  const statistics = device.statistics;
  for (let number: u32 = 0; number < count; number++) {
    const record = changetype<ReceivedBuffer>(records + number * offsetof<ReceivedBuffer>());
    const piece = device.piece(number);
    const buffer = device.buffer(piece.buffer);
    buffer.owner = Owner.CALLER;
    record.buffer = piece.buffer;
    if (number == 0) {
      describeFrame(record, buffer.pointer, device.headerBytes, count);
      record.length = piece.length - device.headerBytes;
    } else {
      memory.fill(changetype<usize>(record), 0, offsetof<ReceivedBuffer>());
      record.buffer = piece.buffer;
      record.pointer = buffer.pointer;
      record.length = piece.length;
    }
    statistics.bytes_received += record.length;
  }
  statistics.frames_received++;
  device.lent += count;
  device.pieceCount = 0;
  return count;
}

function describeFrame(record: ReceivedBuffer, header: u32, headerBytes: u32, count: u32): void {
  record.pointer = header + headerBytes;
  record.buffer_count = <u16>count;
  record.flags = <u8>read8(header + HEADER_FLAGS);
  record.gso_type = <u8>read8(header + HEADER_GSO_TYPE);
  record.hdr_len = <u16>read16(header + HEADER_HDR_LEN);
  record.gso_size = <u16>read16(header + HEADER_GSO_SIZE);
  record.csum_start = <u16>read16(header + HEADER_CSUM_START);
  record.csum_offset = <u16>read16(header + HEADER_CSUM_OFFSET);
}

/**
 * Takes buffers back from the caller and posts them again, with one publish and at most one notification.
 *
 * @param ids array of u32
 * @param running whether the device takes buffers; otherwise they wait for a reset
 * @returns how many, up to the first that the caller does not have; E_BUFFER when that is the first
 */
export function releaseBuffers(device: NetDevice, ids: u32, count: u32, running: bool): i32 {
  let released: u32 = 0;
  for (; released < count; released++) {
    const index = load<u32>(ids + released * 4);
    if (index >= device.bufferCount || device.buffer(index).owner != Owner.CALLER) break;
    device.buffer(index).owner = Owner.DRIVER;
    if (running) post(device, index);
  }
  device.lent -= released;
  if (running) device.receiveQueue.kick();
  return released == 0 && count != 0 ? Result.E_BUFFER : <i32>released;
}
