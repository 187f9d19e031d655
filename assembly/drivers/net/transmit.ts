/** Sending: frames go out from the caller's memory, and stay there until the device is done. [virtio-1.2 §5.1.6.2] */
import { Completion, Segment } from "../../abi/records";
import { TransmitFrame } from "./abi";
import { Event, Result } from "../../abi/results";
import { recordsFit } from "../../memory/records";
import { NOT_SEGMENTS, segmentBytes } from "../../memory/segments";
import { PAGE_BYTES } from "../../memory/shared";
import {
  beginWalk,
  enterSegment,
  includeBefore,
  runAddress,
  runBytes,
  takeRun,
  walkIsOver,
  walkPointer,
  walkRest,
} from "../../memory/walker";
import { NetDevice, TransmitQueue, TransmitWish } from "./device";
import { bytesMaxOf, fieldsOf, goesIntoTable, offloadResult, tableEntries } from "./offloads";
import { reclaimRun } from "./transmit-run";
import { ETHERNET_HEADER_BYTES, TRANSMIT_QUEUE, writeHeader } from "./wire";

/** A header and a frame that may not share a descriptor. */
const CHAIN_MIN: u32 = 2;

/** What the slot of a chain holds: the packet header of a frame without room for one, and padding. */
const SLOT_BYTES: u32 = 16;

/** Takes memory for sending. OK, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY. */
export function allocateTransmit(device: NetDevice, queue: TransmitQueue): i32 {
  const entries = isDefined(WITHOUT_NET_OFFLOADS) ? 0 : tableEntries(device);
  return queue.allocate(device, TRANSMIT_QUEUE, CHAIN_MIN, SLOT_BYTES, entries);
}

/**
 * Checks a frame, whatever it looks like, and puts it into the ring; `kick` is the caller's. `transmitRun` does the same
 * for most frames, a run of them at a time.
 *
 * The records may lie in memory that a device writes: each of their fields is read once.
 *
 * @returns OK, E_FULL, or why the frame was refused
 */
export function addFrame(device: NetDevice, queue: TransmitQueue, frame: TransmitFrame): i32 {
  const segments = frame.segments;
  const segmentCount = frame.segment_count;
  if (segmentCount == 0) return Result.E_SEGMENTS;
  if (!recordsFit(segments, segmentCount, offsetof<Segment>())) return Result.E_ARGUMENT;
  if (isDefined(WITHOUT_NET_OFFLOADS) && asksForOffloads(frame)) return Result.E_UNSUPPORTED;
  const fields: u64 = isDefined(WITHOUT_NET_OFFLOADS) ? 0 : fieldsOf(frame);
  const csumOffset: u32 = isDefined(WITHOUT_NET_OFFLOADS) ? 0 : frame.csum_offset;

  if (queue.room == 0) return fullResult(device, segments, segmentCount, fields, csumOffset);
  const headerBytes = device.headerBytes;
  const bytesMax = isDefined(WITHOUT_NET_OFFLOADS) ? device.frameBytesMax : bytesMaxOf(device, fields);
  const inTable = !isDefined(WITHOUT_NET_OFFLOADS) && goesIntoTable(queue, fields, segments, segmentCount);
  const head = queue.begin(inTable);
  const room = isDefined(WITHOUT_NET_OFFLOADS) ? queue.room : queue.chainMax;
  let header = queue.header(head);
  let left = bytesMax;
  let count: u32 = 0;
  beginWalk(segments, segmentCount);
  let result = enterSegment();
  if (result != Result.OK) return result;
  let bytes = walkRest();
  if (frame.header_room >= headerBytes && headerJoins(device.anyLayout, walkPointer(), headerBytes)) {
    includeBefore(headerBytes);
    header = walkPointer();
  } else {
    queue.append(queue.headerAddress(head), headerBytes, 0);
    count = 1;
  }
  while (true) {
    if (bytes > left) return Result.E_FRAME_SIZE;
    left -= bytes;
    do {
      if (count == room) {
        if (room == queue.size) return Result.E_SEGMENTS;
        return fullResult(device, segments, segmentCount, fields, csumOffset);
      }
      result = takeRun(u32.MAX_VALUE);
      if (result != Result.OK) return result;
      queue.append(runAddress, runBytes, 0);
      count++;
    } while (walkRest() != 0);
    if (walkIsOver()) break;
    result = enterSegment();
    if (result != Result.OK) return result;
    bytes = walkRest();
  }
  bytes = bytesMax - left;
  if (bytes < ETHERNET_HEADER_BYTES) return Result.E_FRAME_SIZE;
  if (!isDefined(WITHOUT_NET_OFFLOADS)) {
    result = offloadResult(device, fields, csumOffset, bytes);
    if (result != Result.OK) return result;
  }
  writeHeader(header, headerBytes, fields, csumOffset);
  queue.commit(frame.token, bytes);
  return Result.OK;
}

/** Whether any field of the packet header is not 0. */
@inline
export function asksForOffloads(frame: TransmitFrame): bool {
  return (fieldsOf(frame) | frame.csum_offset) != 0;
}

/** E_FULL, unless the frame is one that will never be accepted: of that, the caller hears at once. */
function fullResult(device: NetDevice, segments: u32, segmentCount: u32, fields: u64, csumOffset: u32): i32 {
  const bytes = segmentBytes(segments, segmentCount);
  if (bytes == NOT_SEGMENTS) return Result.E_SEGMENTS;
  const bytesMax = isDefined(WITHOUT_NET_OFFLOADS) ? device.frameBytesMax : bytesMaxOf(device, fields);
  if (bytes < ETHERNET_HEADER_BYTES || bytes > bytesMax) return Result.E_FRAME_SIZE;
  if (!isDefined(WITHOUT_NET_OFFLOADS)) {
    const result = offloadResult(device, fields, csumOffset, <u32>bytes);
    if (result != Result.OK) return result;
  }
  return Result.E_FULL;
}

/**
 * Whether the packet header goes directly before the frame, where there is room for it; otherwise it has a descriptor
 * of its own: the device wants that, or the header would begin in another page, which may lie anywhere.
 */
@inline
export function headerJoins(anyLayout: bool, pointer: u32, headerBytes: u32): bool {
  // Memory outside of linear memory is written in aligned words.
  if (isDefined(PORTED) && (pointer - headerBytes) & 3) return false;
  return anyLayout && (pointer & (PAGE_BYTES - 1)) >= headerBytes;
}

/** The transmit ring is full: the caller will be told when it is not. */
export function awaitRoom(device: NetDevice, queue: TransmitQueue): void {
  device.statistics.transmit_full++;
  queue.wishes |= TransmitWish.ROOM;
  // Whoever has switched interrupts off hears of it from `events`, once `net_reclaim` or `interrupt` finds it out.
  if (device.receiveQueue.callbacks) armTransmit(device, queue);
}

/** Asks for an interrupt when all that is in flight has been sent. Returns whether it has been, as `armTransmit`. */
export function awaitAllSent(device: NetDevice, queue: TransmitQueue): bool {
  queue.wishes |= TransmitWish.ALL_SENT;
  return armTransmit(device, queue);
}

/** The caller wants no interrupts: nobody waits for all to be sent. Room in the ring stays an event. */
export function disarmTransmit(queue: TransmitQueue): void {
  queue.wishes &= TransmitWish.ROOM;
  queue.disableCallbacks();
}

/**
 * Asks for the interrupt of the wish that comes true first, which is room; raises the event if there is some already.
 *
 * @returns whether all has been sent, without EVENT_IDX any of it, when that is waited for and no interrupt may come
 */
export function armTransmit(device: NetDevice, queue: TransmitQueue): bool {
  if (queue.wishes & TransmitWish.ROOM) {
    // The last quarter may still be under way; the ring never runs dry, and a full ring costs one interrupt.
    const delay = queue.outstanding - (queue.outstanding >> 2);
    if (!queue.enableCallbacks(max(delay, 1) - 1)) return false;
    announceRoom(device, queue);
  }
  if (queue.wishes != 0) return queue.enableCallbacks(max(queue.outstanding, 1) - 1);
  if (queue.callbacks) queue.disableCallbacks();
  return false;
}

function announceRoom(device: NetDevice, queue: TransmitQueue): void {
  if (!(queue.wishes & TransmitWish.ROOM)) return;
  queue.wishes &= ~TransmitWish.ROOM;
  device.raise(Event.ROOM);
}

/**
 * Frames have been sent: tells the caller who waits for room, and asks for what is waited for still.
 *
 * @param pending how many of the frames in flight are known to be sent
 */
export function settleWishes(device: NetDevice, queue: TransmitQueue, pending: u32): void {
  // Room comes before all: the device was asked for that, and not for what is waited for still.
  const hasMoved = queue.wishes & TransmitWish.ROOM;
  announceRoom(device, queue);
  if (pending == queue.outstanding) queue.wishes = 0;
  if (hasMoved || queue.wishes == 0) armTransmit(device, queue);
}

/**
 * Hands finished frames back to the caller. The device is running, and its queue not being drained. Looks for a time-out
 * when there are none.
 *
 * @param completions array with room for `capacity`
 * @returns how many
 */
export function reclaimFrames(device: NetDevice, queue: TransmitQueue, completions: u32, capacity: u32): u32 {
  const pending = queue.pending();
  const limit = min(pending, capacity);
  const taken = reclaimRun(device, queue, completions, limit);
  if (taken != limit) queue.refuse();
  if (pending == 0) queue.watch();
  else if (queue.wishes != 0 && taken != 0) settleWishes(device, queue, 0);
  return taken;
}

/** Hands frames back to the caller that a reset or the end of the device caught in flight; returns how many. */
export function reclaimStopped(device: NetDevice, queue: TransmitQueue, completions: u32, capacity: u32): u32 {
  let taken: u32 = 0;
  while (queue.draining && taken < capacity) {
    const completion = changetype<Completion>(completions + taken * offsetof<Completion>());
    completion.token = queue.state(queue.drain()).token;
    completion.result = Result.E_RESET;
    completion.length = 0;
    taken++;
  }
  device.statistics.transmit_errors += taken;
  if (taken != 0) announceRoom(device, queue);
  return taken;
}
