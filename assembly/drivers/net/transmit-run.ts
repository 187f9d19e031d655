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
  const states = queue.states;
  const freeStack = queue.freeStack;
  const availableRing = queue.availableRing;
  const descriptors = queue.descriptors;
  const slots = queue.slots;
  const slotsAddress = queue.slotsAddress;
  const slotBytes = queue.slotBytes;
  const headerBytes = device.headerBytes;
  const anyLayout = device.anyLayout;
  const bytesMax = device.frameBytesMax;
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
    if (rest - 1 >= bytesMax) break;
    if (!pointerRangeFits(pointer, rest)) break;
    segment += offsetof<Segment>();
    let bytes = rest;
    const head = freeAt(freeStack, room);
    let position = head;
    let count: u32 = 0;
    let header = slots + head * slotBytes;
    if (frame.header_room >= headerBytes && headerJoins(anyLayout, pointer, headerBytes)) {
      pointer -= headerBytes;
      rest += headerBytes;
      header = pointer;
    } else {
      const address = slotsAddress + head * slotBytes;
      const next = following(false, head, states, freeStack, room - 1);
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
        if (rest - 1 >= bytesMax - bytes) break;
        if (!pointerRangeFits(pointer, rest)) break;
        segment += offsetof<Segment>();
        bytes += rest;
      } else {
        writeDescriptor(descriptor, address, run, 0, 0);
        isWhole = true;
        break;
      }
      position = following(false, position, states, freeStack, room - count);
      writeDescriptor(descriptor, address, run, VIRTQ_DESC_F_NEXT, position);
    }
    if (!isWhole) break;
    if (bytes < ETHERNET_HEADER_BYTES) break;
    clearHeader(header, headerBytes);
    writeAvailable(availableRing, available & mask, head);
    const state = stateAt(states, head);
    state.token = frame.token;
    state.bytes = bytes;
    state.count = count;
    frame.result = Result.OK;
    room -= count;
    available++;
  }
  queue.room = room;
  queue.available = available & 0xffff;
  queue.outstanding += (at - frames) / offsetof<TransmitFrame>();
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
  const states = queue.states;
  const freeStack = queue.freeStack;
  const usedRing = queue.usedRing;
  let used = queue.used;
  let room = queue.room;
  let bytes: u64 = 0;
  let taken: u32 = 0;
  let at = completions;
  for (; taken != pending; taken++) {
    const head = read32(usedElement(usedRing, used & mask));
    if (head > mask) break;
    const state = stateAt(states, head);
    const count = state.count & ~CHAIN_IS_OLD;
    if (count == 0) break;
    state.count = 0;
    used++;
    room = releaseAt(states, head, count, freeStack, room);
    const completion = changetype<Completion>(at);
    completion.token = state.token;
    completion.result = Result.OK;
    completion.length = state.bytes;
    bytes += state.bytes;
    at += offsetof<Completion>();
  }
  queue.used = used & 0xffff;
  queue.room = room;
  queue.outstanding -= taken;
  const statistics = device.statistics;
  statistics.frames_transmitted += taken;
  statistics.bytes_transmitted += bytes;
  return taken;
}
