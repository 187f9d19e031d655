/** Sending: frames go out from the caller's memory, and stay there until the device is done. [virtio-1.2 §5.1.6.2] */
import { Completion, Segment, TransmitFrame } from "../abi/records";
import { Event, Result } from "../abi/results";
import { NO_ADDRESS } from "../kernel";
import { contiguousBytes, lookUpAddress, physicalAddress, pointerRangeFits } from "../memory/addresses";
import { allocatePrivate, freePrivate } from "../memory/arena";
import { allocatePages, freePages } from "../memory/pages";
import { recordsFit } from "../memory/records";
import { PAGE_BYTES } from "../memory/shared";
import { VIRTQ_DESC_F_NEXT } from "../virtio/vring";
import { HEADER_STRIDE, NetDevice } from "./device";
import { ETHERNET_HEADER_BYTES, TRANSMIT_QUEUE, writeHeader } from "./wire";

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
 * @returns OK, E_FULL, or why the frame was refused
 */
@inline
export function addFrame(device: NetDevice, frame: TransmitFrame): i32 {
  const segments = frame.segments;
  const segmentCount = frame.segment_count;
  if (!recordsFit(segments, segmentCount, offsetof<Segment>())) return Result.E_ARGUMENT;
  const segmentsEnd = segments + segmentCount * offsetof<Segment>();
  let bytes: u64 = 0;
  for (let segment = segments; segment != segmentsEnd; segment += offsetof<Segment>()) {
    const length = changetype<Segment>(segment).length;
    if (length == 0) return Result.E_SEGMENTS;
    if (!pointerRangeFits(changetype<Segment>(segment).pointer, length)) return Result.E_SEGMENTS;
    bytes += length;
  }
  // All that asks for offloads, from flags to csum_start in one.
  const offload = load<u64>(changetype<usize>(frame), offsetof<TransmitFrame>("flags"));
  if ((offload | frame.csum_offset) != 0) return Result.E_UNSUPPORTED;
  // Fewer than the smallest frame's make the largest number.
  if (bytes - ETHERNET_HEADER_BYTES > device.frameBytesMax - ETHERNET_HEADER_BYTES) return Result.E_FRAME_SIZE;

  const queue = device.transmitQueue;
  if (queue.draining) return Result.E_FULL;
  const room = queue.room(0);
  if (room == 0) return Result.E_FULL;
  const headerBytes = device.headerBytes;
  const headerOffset = queue.freeHead * HEADER_STRIDE;
  const table = queue.chainTable(0);
  let position = queue.chainStart(0);
  let count: u32 = 0;
  let segment = segments;
  let pointer = changetype<Segment>(segment).pointer;
  let length = changetype<Segment>(segment).length;
  let header = device.headers + headerOffset;
  if (frame.header_room >= headerBytes && headerJoins(device, pointer, headerBytes)) {
    pointer -= headerBytes;
    length += headerBytes;
    header = pointer;
  } else {
    const address = device.headersAddress + headerOffset;
    position = queue.append(0, table, position, address, headerBytes, VIRTQ_DESC_F_NEXT);
    count = 1;
  }
  segment += offsetof<Segment>();
  while (true) {
    if (count == room) return room == queue.size ? Result.E_SEGMENTS : Result.E_FULL;
    const address = lookUpAddress(pointer);
    if (address == NO_ADDRESS) return Result.E_ADDRESS;
    const run = contiguousBytes(pointer, length, address);
    count++;
    length -= run;
    if (length != 0) {
      pointer += run;
    } else if (segment != segmentsEnd) {
      pointer = changetype<Segment>(segment).pointer;
      length = changetype<Segment>(segment).length;
      segment += offsetof<Segment>();
    } else {
      position = queue.append(0, table, position, address, run, 0);
      break;
    }
    position = queue.append(0, table, position, address, run, VIRTQ_DESC_F_NEXT);
  }
  writeHeader(header, headerBytes, frame);
  const head = queue.add(0, frame.token, position, count, 0);
  store<u32>(device.frameLengths + head * 4, <u32>bytes);
  return Result.OK;
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
  device.wantsRoom = true;
  if (device.receiveQueue.callbacks) enableTransmitCallbacks(device);
}

/** Asks for an interrupt when most of what is in flight has been sent; raises the event if it has been already. */
export function enableTransmitCallbacks(device: NetDevice): void {
  const queue = device.transmitQueue;
  // The last quarter may still be under way; the ring never runs dry, and a full ring costs one interrupt.
  const delay = queue.outstanding - (queue.outstanding >> 2);
  if (queue.enableCallbacks(max(delay, 1) - 1)) announceRoom(device);
}

/** Tells the caller, if it waits for it, that completions can be taken. */
@inline
export function announceRoom(device: NetDevice): void {
  if (device.wantsRoom) raiseRoom(device);
}

function raiseRoom(device: NetDevice): void {
  device.wantsRoom = false;
  device.raise(Event.ROOM);
  if (device.transmitQueue.callbacks) device.transmitQueue.disableCallbacks();
}

/**
 * Hands finished frames back to the caller. The device is running, and its queue not being drained.
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
  for (let pending = queue.pending(); pending != 0; pending--) {
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
  const taken = (at - completions) / offsetof<Completion>();
  const statistics = device.statistics;
  statistics.frames_transmitted += taken;
  statistics.bytes_transmitted += bytes;
  if (taken != 0) announceRoom(device);
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
