/** Sending: frames go out from the caller's memory, and stay there until the device is done. [virtio-1.2 §5.1.6.2] */
import { Completion, Segment, TransmitFrame } from "../../abi/records";
import { Event, Result } from "../../abi/results";
import { NO_ADDRESS } from "../../kernel";
import { contiguousBytes, lookUpAddress, physicalAddress, pointerRangeFits } from "../../memory/addresses";
import { allocatePrivate, freePrivate } from "../../memory/arena";
import { allocatePages, freePages } from "../../memory/pages";
import { recordsFit } from "../../memory/records";
import { NOT_SEGMENTS, segmentBytes } from "../../memory/segments";
import { PAGE_BYTES } from "../../memory/shared";
import { VIRTQ_DESC_F_NEXT } from "../../virtio/queue/layout";
import { HEADER_STRIDE, NetDevice, TransmitWish } from "./device";
import { clearHeader, ETHERNET_HEADER_BYTES, TRANSMIT_QUEUE } from "./wire";

/** A header and a frame that may not share a descriptor. */
const CHAIN_MIN: u32 = 2;

/** Takes memory for sending. OK, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY. */
export function allocateTransmit(device: NetDevice): i32 {
  const queue = device.transmitQueue;
  const result = queue.allocate(device, TRANSMIT_QUEUE, CHAIN_MIN, 0);
  if (result != Result.OK) return result;
  device.frameLengths = allocatePrivate(queue.size * 4);
  if (device.frameLengths == 0) return Result.E_MEMORY;
  device.headers = allocatePages(queue.size * HEADER_STRIDE);
  if (device.headers == 0) return Result.E_DMA_MEMORY;
  device.headersAddress = physicalAddress(device.headers);
  return Result.OK;
}

/** Gives back the memory for sending that the device could reach. */
export function freeTransmitShared(device: NetDevice): void {
  freePages(device.headers, device.transmitQueue.size * HEADER_STRIDE);
  device.headers = 0;
  device.transmitQueue.freeShared();
}

/** Gives back the private memory for sending. */
export function freeTransmitPrivate(device: NetDevice): void {
  device.transmitQueue.freePrivate();
  freePrivate(device.frameLengths);
}

/**
 * Checks a frame and puts it into the ring; `kick` is the caller's.
 *
 * The records may lie in memory that a device writes: each of their fields is read once.
 *
 * @returns OK, E_FULL, or why the frame was refused
 */
@inline
export function addFrame(device: NetDevice, frame: TransmitFrame): i32 {
  const segments = frame.segments;
  let segment = segments;
  const segmentCount = frame.segment_count;
  if (segmentCount == 0) return Result.E_SEGMENTS;
  if (!recordsFit(segment, segmentCount, offsetof<Segment>())) return Result.E_ARGUMENT;
  const segmentsEnd = segment + segmentCount * offsetof<Segment>();
  // All that asks for offloads, from flags to csum_start in one.
  const offload = load<u64>(changetype<usize>(frame), offsetof<TransmitFrame>("flags"));
  if ((offload | frame.csum_offset) != 0) return Result.E_UNSUPPORTED;

  const queue = device.transmitQueue;
  const room = queue.freeCount;
  if (room == 0) return fullResult(device, segments, segmentCount);
  const bytesMax = device.frameBytesMax;
  const headerBytes = device.headerBytes;
  const headerOffset = queue.freeHead * HEADER_STRIDE;
  const table = queue.chainTable(0);
  let position = queue.chainStart(0);
  let count: u32 = 0;
  let pointer = changetype<Segment>(segment).pointer;
  let rest = changetype<Segment>(segment).length;
  const refusal = validateSegment(pointer, rest, bytesMax);
  if (refusal != Result.OK) return refusal;
  let bytes = rest;
  let header = device.headers + headerOffset;
  if (frame.header_room >= headerBytes && headerJoins(device, pointer, headerBytes)) {
    pointer -= headerBytes;
    rest += headerBytes;
    header = pointer;
  } else {
    const address = device.headersAddress + headerOffset;
    position = queue.append(0, table, position, address, headerBytes, VIRTQ_DESC_F_NEXT);
    count = 1;
  }
  segment += offsetof<Segment>();
  while (true) {
    if (count == room) return room == queue.size ? Result.E_SEGMENTS : fullResult(device, segments, segmentCount);
    const address = lookUpAddress(pointer);
    if (address == NO_ADDRESS) return Result.E_ADDRESS;
    const run = contiguousBytes(pointer, rest, address);
    count++;
    rest -= run;
    if (rest != 0) {
      pointer += run;
    } else if (segment != segmentsEnd) {
      pointer = changetype<Segment>(segment).pointer;
      rest = changetype<Segment>(segment).length;
      const refusal = validateSegment(pointer, rest, bytesMax - bytes);
      if (refusal != Result.OK) return refusal;
      bytes += rest;
      segment += offsetof<Segment>();
    } else {
      position = queue.append(0, table, position, address, run, 0);
      break;
    }
    position = queue.append(0, table, position, address, run, VIRTQ_DESC_F_NEXT);
  }
  if (bytes < ETHERNET_HEADER_BYTES) return Result.E_FRAME_SIZE;
  clearHeader(header, headerBytes);
  const head = queue.add(0, frame.token, position, count, 0);
  store<u32>(device.frameLengths + head * 4, bytes);
  return Result.OK;
}

/** E_FULL, unless the frame is one that will never be accepted: of that, the caller hears at once. */
function fullResult(device: NetDevice, segments: u32, segmentCount: u32): i32 {
  const bytes = segmentBytes(segments, segmentCount);
  if (bytes == NOT_SEGMENTS) return Result.E_SEGMENTS;
  return bytes < ETHERNET_HEADER_BYTES || bytes > device.frameBytesMax ? Result.E_FRAME_SIZE : Result.E_FULL;
}

/** Why a segment cannot be part of a frame that has room for `bytesMax` more, or OK. */
@inline
function validateSegment(pointer: u32, length: u32, bytesMax: u32): i32 {
  if (length == 0) return Result.E_SEGMENTS;
  if (!pointerRangeFits(pointer, length)) return Result.E_SEGMENTS;
  return length > bytesMax ? Result.E_FRAME_SIZE : Result.OK;
}

/**
 * Whether the packet header goes directly before the frame, where there is room for it; otherwise it has a descriptor
 * of its own: the device wants that, or the header would begin in another page, which may lie anywhere.
 */
@inline
function headerJoins(device: NetDevice, pointer: u32, headerBytes: u32): bool {
  // Memory outside of linear memory is written in aligned words.
  if (isDefined(PORTED) && (pointer - headerBytes) & 3) return false;
  return device.anyLayout && (pointer & (PAGE_BYTES - 1)) >= headerBytes;
}

/** The transmit ring is full: the caller will be told when it is not. */
export function awaitRoom(device: NetDevice): void {
  device.statistics.transmit_full++;
  device.transmitWishes |= TransmitWish.ROOM;
  // Whoever has switched interrupts off hears of it from `events`, once `net_reclaim` or `interrupt` finds it out.
  if (device.receiveQueue.callbacks) armTransmit(device);
}

/** Asks for an interrupt when all that is in flight has been sent. Returns whether it has been, as `armTransmit`. */
export function awaitAllSent(device: NetDevice): bool {
  device.transmitWishes |= TransmitWish.ALL_SENT;
  return armTransmit(device);
}

/** The caller wants no interrupts: nobody waits for all to be sent. Room in the ring stays an event. */
export function disarmTransmit(device: NetDevice): void {
  device.transmitWishes &= TransmitWish.ROOM;
  device.transmitQueue.disableCallbacks();
}

/**
 * Asks for the interrupt of the wish that comes true first, which is room; raises the event if there is some already.
 *
 * @returns whether all has been sent, without EVENT_IDX any of it, when that is waited for and no interrupt may come
 */
export function armTransmit(device: NetDevice): bool {
  const queue = device.transmitQueue;
  if (device.transmitWishes & TransmitWish.ROOM) {
    // The last quarter may still be under way; the ring never runs dry, and a full ring costs one interrupt.
    const delay = queue.outstanding - (queue.outstanding >> 2);
    if (!queue.enableCallbacks(max(delay, 1) - 1)) return false;
    announceRoom(device);
  }
  if (device.transmitWishes != 0) return queue.enableCallbacks(max(queue.outstanding, 1) - 1);
  if (queue.callbacks) queue.disableCallbacks();
  return false;
}

function announceRoom(device: NetDevice): void {
  if (!(device.transmitWishes & TransmitWish.ROOM)) return;
  device.transmitWishes &= ~TransmitWish.ROOM;
  device.raise(Event.ROOM);
}

/**
 * Frames have been sent: tells the caller who waits for room, and asks for what is waited for still.
 *
 * @param pending how many of the frames in flight are known to be sent
 */
export function settleWishes(device: NetDevice, pending: u32): void {
  // Room comes before all: the device was asked for that, and not for what is waited for still.
  const hasMoved = device.transmitWishes & TransmitWish.ROOM;
  announceRoom(device);
  if (pending == device.transmitQueue.outstanding) device.transmitWishes = 0;
  if (hasMoved || device.transmitWishes == 0) armTransmit(device);
}

/**
 * Hands finished frames back to the caller. The device is running, and its queue not being drained. Looks for a time-out
 * when there are none.
 *
 * @param completions array with room for `capacity`
 * @returns how many
 */
@inline
export function reclaimFrames(device: NetDevice, completions: u32, capacity: u32): u32 {
  const queue = device.transmitQueue;
  const end = completions + capacity * offsetof<Completion>();
  let at = completions;
  let bytes: u64 = 0;
  const found = queue.pending();
  for (let pending = found; pending != 0; pending--) {
    if (at == end) break;
    const head = queue.take();
    if (head < 0) break;
    const length = load<u32>(device.frameLengths + head * 4);
    const completion = changetype<Completion>(at);
    completion.token = queue.tokenOf(head);
    completion.result = Result.OK;
    completion.length = length;
    bytes += length;
    at += offsetof<Completion>();
  }
  if (found == 0) queue.watch();
  const taken = (at - completions) / offsetof<Completion>();
  const statistics = device.statistics;
  statistics.frames_transmitted += taken;
  statistics.bytes_transmitted += bytes;
  if (device.transmitWishes != 0) {
    if (taken != 0) settleWishes(device, 0);
  }
  return taken;
}

/** Hands frames back to the caller that a reset or the end of the device caught in flight; returns how many. */
export function reclaimStopped(device: NetDevice, completions: u32, capacity: u32): u32 {
  const queue = device.transmitQueue;
  let taken: u32 = 0;
  while (queue.draining && taken < capacity) {
    const completion = changetype<Completion>(completions + taken * offsetof<Completion>());
    completion.token = queue.tokenOf(queue.drain());
    completion.result = Result.E_RESET;
    completion.length = 0;
    taken++;
  }
  device.statistics.transmit_errors += taken;
  if (taken != 0) announceRoom(device);
  return taken;
}
