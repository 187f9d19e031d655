/** Sending: frames go out from the caller's memory, and stay there until the device is done. [virtio-1.2 §5.1.6.2] */
import { Completion, Segment, TransmitFrame } from "../abi/records";
import { Event, Result } from "../abi/results";
import { NO_ADDRESS } from "../kernel";
import { contiguousBytes, physicalAddress, pointerRangeFits } from "../memory/addresses";
import { allocatePrivate, freePrivate } from "../memory/arena";
import { allocatePages, freePages } from "../memory/pages";
import { checkRecords } from "../memory/records";
import { HEADER_STRIDE, NetDevice } from "./device";
import { ETHERNET_HEADER_BYTES, TRANSMIT_QUEUE, VLAN_TAG_BYTES, writeHeader } from "./wire";

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

/** Why the frame must not reach the device, or OK; `bytes` is the sum of its segments. */
function validate(device: NetDevice, frame: TransmitFrame, bytes: u64): i32 {
  const offload = (<u32>frame.hdr_len) | frame.gso_size | frame.csum_start | frame.csum_offset;
  if (frame.flags | frame.gso_type || offload != 0) return Result.E_UNSUPPORTED;
  const bytesMax = device.mtu + ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES;
  return bytes < ETHERNET_HEADER_BYTES || bytes > bytesMax ? Result.E_FRAME_SIZE : Result.OK;
}

/**
 * Checks a frame and puts it into the ring; `kick` is the caller's.
 *
 * @returns OK, E_FULL, or why the frame was refused
 */
export function addFrame(device: NetDevice, frame: TransmitFrame): i32 {
  if (!checkRecords(frame.segments, frame.segment_count, offsetof<Segment>())) return Result.E_ARGUMENT;
  let bytes: u64 = 0;
  for (let index: u32 = 0; index < frame.segment_count; index++) {
    const segment = changetype<Segment>(frame.segments + index * offsetof<Segment>());
    if (segment.length == 0 || !pointerRangeFits(segment.pointer, segment.length)) return Result.E_SEGMENTS;
    bytes += segment.length;
  }
  const refusal = validate(device, frame, bytes);
  if (refusal != Result.OK) return refusal;

  const queue = device.transmitQueue;
  const room = queue.room;
  if (room == 0) return Result.E_FULL;
  let header = device.headers + queue.freeHead * HEADER_STRIDE;
  let headerAddress = device.headersAddress + queue.freeHead * HEADER_STRIDE;
  queue.beginChain();
  const joined = headerRoomAddress(device, frame);
  if (joined != NO_ADDRESS) {
    header = changetype<Segment>(frame.segments).pointer - device.headerBytes;
    headerAddress = joined;
  } else {
    queue.append(headerAddress, device.headerBytes, 0);
  }
  for (let index: u32 = 0; index < frame.segment_count; index++) {
    const segment = changetype<Segment>(frame.segments + index * offsetof<Segment>());
    let pointer = segment.pointer;
    let length = segment.length;
    if (index == 0 && joined != NO_ADDRESS) {
      pointer = header;
      length += device.headerBytes;
    }
    while (length != 0) {
      if (queue.chainLength == room) return room == queue.size ? Result.E_SEGMENTS : Result.E_FULL;
      const address = physicalAddress(pointer);
      if (address == NO_ADDRESS) return Result.E_ADDRESS;
      const run = contiguousBytes(pointer, length, address);
      queue.append(address, run, 0);
      pointer += run;
      length -= run;
    }
  }
  writeHeader(header, device.headerBytes, frame);
  const head = queue.add(frame.token);
  store<u32>(device.frameLengths + head * 4, <u32>bytes);
  return Result.OK;
}

/**
 * Physical address for the packet header directly before the frame, or NO_ADDRESS where it has to have a descriptor
 * of its own: the device wants that, or there is no room, or not in one piece.
 */
function headerRoomAddress(device: NetDevice, frame: TransmitFrame): u64 {
  const headerBytes = device.headerBytes;
  const pointer = changetype<Segment>(frame.segments).pointer;
  if (!device.anyLayout || frame.header_room < headerBytes || pointer < headerBytes) return NO_ADDRESS;
  // Memory outside of linear memory is written in aligned words.
  if (isDefined(PORTED) && (pointer - headerBytes) & 3) return NO_ADDRESS;
  const address = physicalAddress(pointer - headerBytes);
  return address + headerBytes == physicalAddress(pointer) ? address : NO_ADDRESS;
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
export function announceRoom(device: NetDevice): void {
  if (!device.wantsRoom) return;
  device.wantsRoom = false;
  device.raise(Event.ROOM);
  if (device.transmitQueue.callbacks) device.transmitQueue.disableCallbacks();
}

/**
 * Hands finished frames back to the caller.
 *
 * @param completions array with room for `capacity`
 * @returns how many
 */
export function reclaimFrames(device: NetDevice, completions: u32, capacity: u32): u32 {
  const queue = device.transmitQueue;
  const statistics = device.statistics;
  let taken: u32 = 0;
  for (let pending = queue.pending(); pending != 0 && taken < capacity; pending--) {
    const reset = queue.draining;
    const head = queue.take();
    if (head < 0) break;
    const completion = changetype<Completion>(completions + taken * offsetof<Completion>());
    taken++;
    completion.token = queue.takenToken;
    if (reset) {
      completion.result = Result.E_RESET;
      completion.length = 0;
      statistics.transmit_errors++;
    } else {
      const length = load<u32>(device.frameLengths + head * 4);
      completion.result = Result.OK;
      completion.length = length;
      statistics.frames_transmitted++;
      statistics.bytes_transmitted += length;
    }
  }
  if (taken != 0) announceRoom(device);
  return taken;
}
