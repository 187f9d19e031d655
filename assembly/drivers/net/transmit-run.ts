/**
 * Puts a run of frames into the ring and takes a run of them back, as fast as it goes. [virtio-1.2 §5.1.6.2]
 *
 * The loops call nothing, see `virtio/queue/run.ts`. What they leave, `transmit.ts` judges from the start.
 */
import { Completion, Segment } from "../../abi/records";
import { TransmitFrame } from "./abi";
import { Result } from "../../abi/results";
import { isRemembered, pointerRangeFits, rememberedAddress, rememberedRun } from "../../memory/addresses";
import { recordsFit } from "../../memory/records";
import { read32 } from "../../memory/shared";
import {
  DESCRIPTOR_BYTES,
  usedElement,
  VIRTQ_DESC_F_NEXT,
  writeAvailable,
  writeDescriptor,
} from "../../virtio/queue/layout";
import { CHAIN_IS_OLD } from "../../virtio/queue/chain-state";
import { following, freeAt, releaseAt, stateAt } from "../../virtio/queue/run";
import { NetDevice, TransmitQueue } from "./device";
import { asksForOffloads, headerJoins } from "./transmit";
import { clearHeader, ETHERNET_HEADER_BYTES } from "./wire";

/**
 * Adds frames up to the first that lies in memory whose addresses are not remembered, finds no room, or must be refused.
 * `kick` is the caller's.
 *
 * @param frames address of an array of TransmitFrame that ends at `end`
 * @returns address of the first frame that was not added, or `end`
 */
@inline
export function transmitRun(device: NetDevice, queue: TransmitQueue, frames: u32, end: u32): u32 {
  const mask = queue.size - 1;
  const freeStack = queue.freeStack;
  const descriptors = queue.descriptors;
  let room = queue.room;
  let available = queue.available;
  let at = frames;
  for (; at != end; at += offsetof<TransmitFrame>()) {
    const frame = changetype<TransmitFrame>(at);
    let segment = frame.segments;
    const segmentCount = frame.segment_count;
    if (segmentCount == 0) break;
    if (!recordsFit(segment, segmentCount, offsetof<Segment>())) break;
    if (asksForOffloads(frame)) break;
    if (room == 0) break;
    const segmentsEnd = segment + segmentCount * offsetof<Segment>();
    let pointer = changetype<Segment>(segment).pointer;
    let rest = changetype<Segment>(segment).length;
    // 0 becomes the largest number.
    if (rest - 1 >= device.frameBytesMax) break;
    if (!pointerRangeFits(pointer, rest)) break;
    segment += offsetof<Segment>();
    let bytes = rest;
    const head = freeAt(freeStack, room);
    let position = head;
    let count: u32 = 0;
    const headerBytes = device.headerBytes;
    if (frame.header_room >= headerBytes && headerJoins(device.anyLayout, pointer, headerBytes)) {
      // Nothing is written outside of memory that devices reach.
      if (!isRemembered(pointer)) break;
      pointer -= headerBytes;
      rest += headerBytes;
      clearHeader(pointer, headerBytes);
    } else {
      const slot = head * queue.slotBytes;
      clearHeader(queue.slots + slot, headerBytes);
      const address = queue.slotsAddress + slot;
      const next = following(false, head, queue.states, freeStack, room - 1);
      writeDescriptor(descriptors + head * DESCRIPTOR_BYTES, address, headerBytes, VIRTQ_DESC_F_NEXT, next);
      position = next;
      count = 1;
    }
    let isWhole = false;
    while (count != room) {
      if (!isRemembered(pointer)) break;
      count++;
      const address = rememberedAddress(pointer);
      const run = rememberedRun(pointer, rest, address);
      const descriptor = descriptors + position * DESCRIPTOR_BYTES;
      rest -= run;
      if (rest != 0) {
        pointer += run;
      } else if (segment != segmentsEnd) {
        pointer = changetype<Segment>(segment).pointer;
        rest = changetype<Segment>(segment).length;
        if (rest - 1 >= device.frameBytesMax - bytes) break;
        if (!pointerRangeFits(pointer, rest)) break;
        segment += offsetof<Segment>();
        bytes += rest;
      } else {
        writeDescriptor(descriptor, address, run, 0, 0);
        isWhole = true;
        break;
      }
      position = following(false, position, queue.states, freeStack, room - count);
      writeDescriptor(descriptor, address, run, VIRTQ_DESC_F_NEXT, position);
    }
    if (!isWhole) break;
    if (bytes < ETHERNET_HEADER_BYTES) break;
    writeAvailable(queue.availableRing, available & mask, head);
    const state = stateAt(queue.states, head);
    state.token = frame.token;
    state.bytes = bytes;
    state.count = count;
    frame.result = Result.OK;
    room -= count;
    available++;
  }
  queue.room = room;
  queue.outstanding += available - queue.available;
  queue.available = available & 0xffff;
  return at;
}

/**
 * Takes frames that have been sent, up to the first of which the device says something that makes no sense.
 *
 * @param completions address of an array of Completion
 * @param pending how many can be taken, and have room there
 * @returns how many were
 */
@inline
export function reclaimRun(device: NetDevice, queue: TransmitQueue, completions: u32, pending: u32): u32 {
  const mask = queue.size - 1;
  const freeStack = queue.freeStack;
  const usedRing = queue.usedRing;
  let used = queue.used;
  const usedEnd = used + pending;
  let room = queue.room;
  let bytes: u64 = 0;
  let at = completions;
  for (; used != usedEnd; used++) {
    const head = read32(usedElement(usedRing, used & mask));
    if (head > mask) break;
    const state = stateAt(queue.states, head);
    const count = state.count & ~CHAIN_IS_OLD;
    if (count == 0) break;
    state.count = 0;
    room = releaseAt(queue.states, head, count, freeStack, room);
    const completion = changetype<Completion>(at);
    const length = state.bytes;
    completion.token = state.token;
    completion.result = Result.OK;
    completion.length = length;
    bytes += length;
    at += offsetof<Completion>();
  }
  const taken = used - queue.used;
  queue.used = used & 0xffff;
  queue.room = room;
  queue.outstanding -= taken;
  const statistics = device.statistics;
  statistics.frames_transmitted += taken;
  statistics.bytes_transmitted += bytes;
  return taken;
}
