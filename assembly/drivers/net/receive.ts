/**
 * Receiving: the device writes into the driver's buffers, the caller reads there and gives them back.
 * [virtio-1.2 §5.1.6.3, §5.1.6.4]
 *
 * A buffer is the device's, the caller's or nobody's, and only changes hands here:
 *
 *     nobody's ──post──▶ device's ──take──▶ piece of a frame ──deliver──▶ caller's
 *        ▲  ▲                                   │ drop                        │
 *        │  └───────────────────────────────────┘                             │
 *        └───────────────────────── release ──────────────────────────────────┘
 *
 * What is dropped is posted again after the last take of a call: a buffer that the device was not told of is never one
 * that it can have used.
 */
import { ReceivedBuffer } from "./abi";
import { Message, Result } from "../../abi/results";
import { physicalAddress } from "../../memory/addresses";
import { allocatePrivate, freePrivate } from "../../memory/arena";
import { allocatePages, freePages } from "../../memory/pages";
import { PAGE_BYTES, read16 } from "../../memory/shared";
import { DeviceState } from "../../virtio/device";
import { VIRTQ_DESC_F_WRITE } from "../../virtio/queue/layout";
import { FramePiece, NetDevice, Owner, ReceiveBuffer, ReceiveQueue } from "./device";
import { headerMakesSense, receivesLarge } from "./offloads";
import { receiveRun, releaseRun } from "./receive-run";
import {
  ETHERNET_HEADER_BYTES,
  HEADER_NUM_BUFFERS,
  LARGE_FRAME_BYTES_MAX,
  LARGE_RECEIVE_BUFFER_BYTES_MIN,
  RECEIVE_BUFFER_BYTES_MIN,
  RECEIVE_QUEUE,
} from "./wire";

/** Bytes of a buffer where nothing asks for more: two a page, and an ordinary frame fits. */
const BUFFER_BYTES_DEFAULT: u32 = 2048;
const BUFFER_BYTES_UNIT: u32 = 64;
/** Buffers posted where each must hold the largest frame, unless the caller wants another number: 2 MiB. */
const LARGE_BUFFERS_DEFAULT: u32 = 32;
/**
 * Largest frame that a host is known to deliver, whatever the MTU says: QEMU reads as much from a socket. With MRG_RXBUF
 * it waits until there are buffers for all of it, and for ever where there are never enough.
 */
const DELIVERED_BYTES_MAX: u32 = 69632;
/** Holds one of those and its header. */
const BUFFER_BYTES_MAX: u32 = DELIVERED_BYTES_MAX + BUFFER_BYTES_UNIT;

/**
 * Takes memory for receiving.
 *
 * @param bufferCount buffers to post, 0: as many as the ring holds
 * @param bufferBytes size of each, 0: the default
 * @returns OK, E_ARGUMENT, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY
 */
export function allocateReceive(device: NetDevice, queue: ReceiveQueue, bufferCount: u32, bufferBytes: u32): i32 {
  const descriptors: u32 = device.anyLayout ? 1 : 2;
  const result = queue.allocate(device, RECEIVE_QUEUE, descriptors, 0, 0);
  if (result != Result.OK) return result;
  const fit = queue.size / descriptors;
  queue.bufferCount = bufferCount == 0 ? min(fit, buffersByDefault(device)) : min(bufferCount, fit);
  queue.bufferBytes = bufferBytes == 0 ? defaultBufferBytes(device, queue) : bufferBytes;
  if (!receiveBuffersFit(device, queue)) return Result.E_ARGUMENT;
  bufferBytes = queue.bufferBytes;
  if (bufferBytes > BUFFER_BYTES_MAX || bufferBytes & (BUFFER_BYTES_UNIT - 1)) return Result.E_ARGUMENT;
  queue.piecesMax = device.mergeable
    ? min(divideUp(LARGE_FRAME_BYTES_MAX + device.headerBytes, bufferBytes), queue.bufferCount)
    : 1;
  queue.piecesWanted = 1;
  queue.pieces = allocatePrivate(queue.piecesMax * offsetof<FramePiece>());
  queue.buffers = allocatePrivate(queue.bufferCount * offsetof<ReceiveBuffer>());
  if (queue.pieces == 0 || queue.buffers == 0) return Result.E_MEMORY;
  return allocateBuffers(queue);
}

/** How many parts of `part` bytes it takes for `bytes`. */
function divideUp(bytes: u32, part: u32): u32 {
  return (bytes + part - 1) / part;
}

/** Two buffers a page, or larger ones where there are few or the device needs them. */
function defaultBufferBytes(device: NetDevice, queue: ReceiveQueue): u32 {
  const share = divideUp(allBytesMin(device), queue.bufferCount);
  const bytes = max(BUFFER_BYTES_DEFAULT, max(share, bufferBytesMin(device)));
  return (bytes + BUFFER_BYTES_UNIT - 1) & ~(BUFFER_BYTES_UNIT - 1);
}

/** Whether each buffer must hold a frame that no segment of the MTU holds. */
@inline
function buffersAreLarge(device: NetDevice): bool {
  return !isDefined(WITHOUT_NET_OFFLOADS) && !device.mergeable && receivesLarge(device);
}


@inline
function buffersByDefault(device: NetDevice): u32 {
  return buffersAreLarge(device) ? LARGE_BUFFERS_DEFAULT : u32.MAX_VALUE;
}

/** Smallest buffer that the device may be given. [virtio-1.2 §5.1.6.3.1] */
function bufferBytesMin(device: NetDevice): u32 {
  if (buffersAreLarge(device)) return LARGE_RECEIVE_BUFFER_BYTES_MIN;
  const frameBytes = device.headerBytes + device.frameBytesMax;
  return device.mergeable ? BUFFER_BYTES_UNIT : max(RECEIVE_BUFFER_BYTES_MIN, frameBytes);
}

/** Bytes that all buffers together must have, so that the device never waits for more. */
function allBytesMin(device: NetDevice): u32 {
  return device.mergeable ? DELIVERED_BYTES_MAX + device.headerBytes : 0;
}

/** Whether the buffers do for the device, also after a reset. */
export function receiveBuffersFit(device: NetDevice, queue: ReceiveQueue): bool {
  return (
    queue.bufferBytes >= bufferBytesMin(device) && <u64>queue.bufferBytes * queue.bufferCount >= allBytesMin(device)
  );
}

/** Small buffers share a page, so that none crosses one; a large one has pages of its own. */
function buffersPerPage(queue: ReceiveQueue): u32 {
  return max(PAGE_BYTES / queue.bufferBytes, 1);
}

function allocateBuffers(queue: ReceiveQueue): i32 {
  const perPage = buffersPerPage(queue);
  for (let index: u32 = 0; index < queue.bufferCount; index++) {
    const buffer = queue.buffer(index);
    const place = index % perPage;
    if (place == 0) {
      buffer.pointer = allocatePages(queue.bufferBytes);
      if (buffer.pointer == 0) return Result.E_DMA_MEMORY;
      buffer.address = physicalAddress(buffer.pointer);
    } else {
      const first = queue.buffer(index - place);
      buffer.pointer = first.pointer + place * queue.bufferBytes;
      buffer.address = first.address + place * queue.bufferBytes;
    }
  }
  return Result.OK;
}

/** Gives back the receive buffers; neither the device nor the caller may have one any more. */
export function freeBuffers(queue: ReceiveQueue): void {
  if (queue.buffers != 0) {
    const perPage = buffersPerPage(queue);
    for (let index: u32 = 0; index < queue.bufferCount; index += perPage) {
      freePages(queue.buffer(index).pointer, queue.bufferBytes);
    }
  }
  freePrivate(queue.buffers);
  freePrivate(queue.pieces);
}

/**
 * After a reset: the device has none of the buffers any more; those in the caller's hands stay there. Frames that it had
 * received are lost, and counted.
 */
export function recallBuffers(device: NetDevice, queue: ReceiveQueue): void {
  discardFrames(device, queue);
  queue.forget();
  queue.pieceCount = 0;
  queue.lent = 0;
  for (let index: u32 = 0; index < queue.bufferCount; index++) {
    const buffer = queue.buffer(index);
    if (buffer.owner == Owner.DEVICE) buffer.owner = Owner.DRIVER;
    // Counted anew, as in `Virtqueue.stop`.
    else if (buffer.owner == Owner.CALLER) queue.lent++;
  }
}

/** Counts the frames that the device had received whole. */
function discardFrames(device: NetDevice, queue: ReceiveQueue): void {
  if (frameIsHeldBack(queue)) {
    device.statistics.receive_discarded++;
    queue.pieceCount = 0;
  }
  // After a reset that failed, the ring is empty.
  if (queue.draining) return;
  for (let pending = queue.waiting(); pending != 0; pending--) {
    const head = queue.take();
    if (head < 0) return;
    if (queue.pieceCount == 0) {
      const wanted = frameBuffers(device, queue, <u32>queue.state(head).token, queue.writtenInto(head));
      if (wanted == 0) return;
      queue.piecesWanted = wanted;
    }
    if (++queue.pieceCount < queue.piecesWanted) continue;
    device.statistics.receive_discarded++;
    queue.pieceCount = 0;
  }
}

/** Posts all buffers that are nobody's; `kick` is the caller's. */
export function postBuffers(device: NetDevice, queue: ReceiveQueue): void {
  queue.dropped = 0;
  for (let index: u32 = 0; index < queue.bufferCount; index++) {
    if (queue.buffer(index).owner == Owner.DRIVER) post(device, queue, index);
  }
}

/** Hands a buffer to the device; there are never more buffers than the ring has room for. */
function post(device: NetDevice, queue: ReceiveQueue, index: u32): void {
  const buffer = queue.buffer(index);
  buffer.owner = Owner.DEVICE;
  const bytes = queue.bufferBytes;
  const apart = headerApart(device);
  queue.begin(false);
  if (apart != 0) queue.append(buffer.address, apart, VIRTQ_DESC_F_WRITE);
  queue.append(buffer.address + apart, bytes - apart, VIRTQ_DESC_F_WRITE);
  queue.commit(index, bytes);
}

/**
 * Bytes of a buffer that the packet header has a descriptor of its own for, 0 where it needs none; in memory the frame
 * follows it all the same. [virtio-1.2 §5.1.6.6]
 */
@inline
export function headerApart(device: NetDevice): u32 {
  return device.anyLayout ? 0 : device.headerBytes;
}

/**
 * Hands received frames to the caller, each whole or not at all.
 *
 * @param records array of ReceivedBuffer with room for `capacity`
 * @returns records written; E_ARGUMENT when the next frame alone has more buffers than that
 */
export function receiveFrames(device: NetDevice, queue: ReceiveQueue, records: u32, capacity: u32): i32 {
  let result: i32 = Result.OK;
  let written: u32 = 0;
  for (let pending = queue.pending(); written < capacity;) {
    if (queue.pieceCount == 0) {
      const taken = receiveRun(
        device,
        queue,
        records + written * offsetof<ReceivedBuffer>(),
        min(pending, capacity - written),
      );
      written += taken;
      pending -= taken;
      if (written == capacity) break;
    }
    if (!frameIsHeldBack(queue)) {
      if (pending == 0) break;
      pending--;
      const head = queue.take();
      if (head < 0) break;
      queue.release(head, queue.takenCount);
      const index = <u32>queue.state(head).token;
      const length = queue.writtenInto(head);
      if (queue.pieceCount == 0) {
        const wanted = frameBuffers(device, queue, index, length);
        if (wanted == 0) break;
        queue.piecesWanted = wanted;
      }
      if (!addPiece(device, queue, index, length)) continue;
    }
    const count = queue.pieceCount;
    if (count > capacity - written) {
      if (written == 0) result = Result.E_ARGUMENT;
      break;
    }
    deliver(device, queue, records + written * offsetof<ReceivedBuffer>(), count);
    written += count;
  }
  queue.lent += written;
  if (queue.dropped != 0) repostDropped(device, queue);
  return result == Result.OK ? written : result;
}

/** Gives the device the buffers back of frames that were dropped. */
function repostDropped(device: NetDevice, queue: ReceiveQueue): void {
  if (device.state != DeviceState.RUNNING) return;
  postBuffers(device, queue);
  queue.kickRarely();
}

/**
 * How many buffers the frame has that begins in this one, which may be more than the largest frame needs; 0 when that is
 * impossible, and the device broken.
 */
function frameBuffers(device: NetDevice, queue: ReceiveQueue, index: u32, length: u32): u32 {
  // Behind a header that was not written, the number of buffers would be the one of an earlier frame.
  if (!device.mergeable) return 1;
  if (length < device.headerBytes) return 1;
  const wanted = read16(queue.buffer(index).pointer + HEADER_NUM_BUFFERS);
  if (wanted != 0) {
    if (wanted <= queue.bufferCount) return wanted;
  }
  device.break(Message.BAD_BUFFER_COUNT, wanted);
  return 0;
}

/** Whether a whole frame was taken from the ring for which the caller had no room. */
export function frameIsHeldBack(queue: ReceiveQueue): bool {
  return queue.pieceCount == queue.piecesWanted;
}

/**
 * Adds a buffer to the frame being put together.
 *
 * @returns whether the frame is whole now
 */
function addPiece(device: NetDevice, queue: ReceiveQueue, index: u32, length: u32): bool {
  const number = queue.pieceCount++;
  const isTooLarge = queue.piecesWanted > queue.piecesMax;
  if (isTooLarge) {
    drop(queue, index);
  } else {
    const piece = queue.piece(number);
    piece.buffer = index;
    piece.length = length;
  }
  if (queue.pieceCount < queue.piecesWanted) return false;
  if (!isTooLarge) {
    if (frameMakesSense(device, queue)) return true;
    for (let count: u32 = 0; count < queue.pieceCount; count++) drop(queue, queue.piece(count).buffer);
  }
  device.statistics.receive_errors++;
  queue.pieceCount = 0;
  return false;
}

/** The buffer is nobody's, until `repostDropped`. */
function drop(queue: ReceiveQueue, index: u32): void {
  queue.buffer(index).owner = Owner.DRIVER;
  queue.dropped++;
}

/** Every buffer of a frame has bytes of it, together they are at least an Ethernet header, and the packet header fits. */
function frameMakesSense(device: NetDevice, queue: ReceiveQueue): bool {
  let bytes = -(<i32>device.headerBytes);
  for (let count: u32 = 0; count < queue.pieceCount; count++) {
    const length = queue.piece(count).length;
    if (length == 0) return false;
    bytes += length;
  }
  if (bytes < <i32>ETHERNET_HEADER_BYTES) return false;
  if (isDefined(WITHOUT_NET_OFFLOADS)) return true;
  return headerMakesSense(device, queue, queue.buffer(queue.piece(0).buffer).pointer, bytes);
}

/** Lends the buffers of the frame that is whole to the caller. */
function deliver(device: NetDevice, queue: ReceiveQueue, records: u32, count: u32): void {
  const headerBytes = device.headerBytes;
  let bytes: u32 = 0;
  for (let number: u32 = 0; number < count; number++) {
    const piece = queue.piece(number);
    const record = records + number * offsetof<ReceivedBuffer>();
    const isFirst = number == 0;
    const buffer = queue.buffer(piece.buffer);
    bytes += lend(buffer, record, piece.buffer, piece.length, isFirst ? count : 0, isFirst ? headerBytes : 0, 0);
  }
  if (!isDefined(WITHOUT_NET_OFFLOADS)) {
    store<u64>(records, queue.headerFields, offsetof<ReceivedBuffer>("flags"));
    changetype<ReceivedBuffer>(records).csum_offset = <u16>queue.headerCsumOffset;
  }
  queue.pieceCount = 0;
  device.statistics.frames_received++;
  device.statistics.bytes_received += bytes;
}

/**
 * Lends one buffer to the caller.
 *
 * @param buffer the one with this index
 * @param length bytes that the device wrote there
 * @param count buffers of the frame that begins there, 0 when none does
 * @param headerBytes of the packet header that begins there
 * @param fields what the caller is told of that header, all but csum_offset, which is 0
 * @returns bytes of the frame in it
 */
@inline
export function lend(
  buffer: ReceiveBuffer,
  record: u32,
  index: u32,
  length: u32,
  count: u32,
  headerBytes: u32,
  fields: u64,
): u32 {
  const received = changetype<ReceivedBuffer>(record);
  const pointer = buffer.pointer;
  buffer.owner = Owner.CALLER;
  received.pointer = pointer + headerBytes;
  received.length = length - headerBytes;
  received.buffer = index;
  received.buffer_count = <u16>count;
  // The record has the fields of the header in the order of the wire.
  store<u64>(record, fields, offsetof<ReceivedBuffer>("flags"));
  received.csum_offset = 0;
  return length - headerBytes;
}

/**
 * Takes buffers back from the caller and posts them again, with one publish and at most one notification; where the
 * device takes none, they wait for a reset.
 *
 * @param ids array of u32
 * @returns how many, up to the first that the caller does not have; E_BUFFER when that is the first
 */
export function releaseBuffers(device: NetDevice, queue: ReceiveQueue, ids: u32, count: u32): i32 {
  let released: u32 = 0;
  if (device.state == DeviceState.RUNNING) {
    released = releaseRun(device, queue, ids, count);
    queue.kick();
  } else {
    for (; released < count; released++) {
      const index = load<u32>(ids + released * 4);
      if (index >= queue.bufferCount || queue.buffer(index).owner != Owner.CALLER) break;
      queue.buffer(index).owner = Owner.DRIVER;
    }
  }
  queue.lent -= released;
  return released == 0 && count != 0 ? Result.E_BUFFER : <i32>released;
}
