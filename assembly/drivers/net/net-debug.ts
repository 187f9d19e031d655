/**
 * Sending and receiving single frames when nothing else can be relied on: from a crash handler, or a debugger.
 *
 * The calls may be made at any instruction, also inside another call into the stack that was interrupted and will not go
 * on. They take the card over: the first one resets it and gives it rings and buffers that were put aside when it was
 * opened, so that nothing which the interrupted call was about to change is believed. From then on the calls that move
 * frames answer E_BROKEN; the frames of others stay where they are until `reset` gives the card back to them. Nothing is
 * allocated, no interrupt is asked for, nothing is logged while the card answers, and every wait ends. A build leaves them
 * out with `WITHOUT_NET_DEBUG`. [virtio-1.2 §5.1.6]
 */
import { Event, Result } from "../../abi/results";
import { now_ns, relax } from "../../kernel";
import { physicalAddress } from "../../memory/addresses";
import { allocatePrivate, freePrivate } from "../../memory/arena";
import { allocatePages, freePages } from "../../memory/pages";
import { checkRecords } from "../../memory/records";
import { copyIn, copyOut, PAGE_BYTES } from "../../memory/shared";
import { Device, DeviceState, deviceOfType, QUEUE_BYTES, runningResult } from "../../virtio/device";
import { fail } from "../../virtio/ending";
import { VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_ANY_LAYOUT, VIRTIO_F_VERSION_1 } from "../../virtio/features";
import { negotiate, start } from "../../virtio/initialization";
import { VIRTQ_DESC_F_WRITE } from "../../virtio/queue/layout";
import { Virtqueue } from "../../virtio/queue/virtqueue";
import { addStatus, deviceIsGone, STANDSTILL_POLLS, Status } from "../../virtio/transport/transport";
import { NetDevice } from "./device";
import {
  clearHeader,
  ETHERNET_HEADER_BYTES,
  MTU_DEFAULT,
  NET_HEADER_BYTES,
  NET_HEADER_BYTES_MERGEABLE,
  RECEIVE_QUEUE,
  TRANSMIT_QUEUE,
  VIRTIO_ID_NET,
  VLAN_TAG_BYTES,
} from "./wire";

/** What is kept of what was negotiated: how memory is named. Frames then fit one buffer each. */
const FEATURES: u64 = VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ANY_LAYOUT;

const FRAME_BYTES_MAX: u32 = MTU_DEFAULT + ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES;
/** Header and frame lie apart, as any device takes them. [virtio-1.2 §5.1.6.6] */
const CHAIN_DESCRIPTORS: u32 = 2;
/** Where the frame begins in a buffer. */
const FRAME_OFFSET: u32 = NET_HEADER_BYTES_MERGEABLE;

/** One to send in, the others to receive in; each has room for header and frame. */
const BUFFERS: u32 = 8;
const BUFFER_BYTES: u32 = PAGE_BYTES / 2;
const RECEIVE_BUFFERS: u32 = BUFFERS - 1;
/** Number of the one to send in. */
const TRANSMIT_BUFFER: u32 = RECEIVE_BUFFERS;

/** What is put aside for it. Private memory. */
@unmanaged
class NetDebug {
  /** Pointer to the buffers, and their physical address. */
  buffers: u32;
  buffersAddress: u64;
  /** Of the packet header, as it is while the card is taken over. */
  headerBytes: u32;
  isTakenOver: bool;

  // The queues follow this object.

  get receiveQueue(): Virtqueue {
    return changetype<Virtqueue>(changetype<usize>(this) + QUEUES_OFFSET);
  }

  get transmitQueue(): Virtqueue {
    return changetype<Virtqueue>(changetype<usize>(this) + QUEUES_OFFSET + QUEUE_BYTES);
  }

  /** Pointer to a buffer. */
  buffer(index: u32): u32 {
    return this.buffers + index * BUFFER_BYTES;
  }

  bufferAddress(index: u32): u64 {
    return this.buffersAddress + index * BUFFER_BYTES;
  }
}

const QUEUES_OFFSET: u32 = (offsetof<NetDebug>() + 7) & ~7;


@inline
function debugOf(device: NetDevice): NetDebug {
  return changetype<NetDebug>(device.debug);
}

/** Puts aside what the calls need, when the card is opened: OK, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY. */
export function allocateDebug(device: NetDevice): i32 {
  device.debug = allocatePrivate(QUEUES_OFFSET + 2 * QUEUE_BYTES);
  if (device.debug == 0) return Result.E_MEMORY;
  const debug = debugOf(device);
  debug.buffers = allocatePages(BUFFERS * BUFFER_BYTES);
  if (debug.buffers == 0) return Result.E_DMA_MEMORY;
  debug.buffersAddress = physicalAddress(debug.buffers);
  const result = allocateQueue(device, debug.receiveQueue, RECEIVE_QUEUE);
  return result == Result.OK ? allocateQueue(device, debug.transmitQueue, TRANSMIT_QUEUE) : result;
}

function allocateQueue(device: NetDevice, queue: Virtqueue, index: u32): i32 {
  const result = queue.allocate(device, index, CHAIN_DESCRIPTORS, 0, 0);
  // The feature is not accepted when the card is taken over.
  queue.eventIndex = false;
  return result;
}

/** Gives it back; the device has been reset. */
export function freeDebug(device: NetDevice): void {
  if (device.debug == 0) return;
  const debug = debugOf(device);
  freePages(debug.buffers, BUFFERS * BUFFER_BYTES);
  freeQueue(debug.receiveQueue);
  freeQueue(debug.transmitQueue);
  freePrivate(device.debug);
}

function freeQueue(queue: Virtqueue): void {
  queue.freeShared();
  queue.freePrivate();
}

/** The device was reset for others. */
export function endDebug(device: NetDevice): void {
  if (device.debug != 0) debugOf(device).isTakenOver = false;
}

/**
 * Sends one frame, from a copy, and waits until the device has it.
 *
 * @param frame address of the frame in linear memory, in both builds: Ethernet header and payload
 * @param bytes of it, 14 to 1518
 * @param timeout_us microseconds to wait at most
 * @returns OK; E_TIMEOUT: this frame, or the one before, has not left in time, and this one was not sent in the second case;
 *   E_FRAME_SIZE; E_ARGUMENT; E_UNSUPPORTED when the card was opened without `debug`; E_HANDLE, E_GONE, E_SUSPENDED;
 *   E_BROKEN when the device breaks the rules, and the next call takes it over anew; or why it could not be taken over, as
 *   `reset`
 */
export function net_debug_transmit(handle: u32, frame: u32, bytes: u32, timeout_us: u32): i32 {
  const device = changetype<NetDevice>(deviceOfType(handle, VIRTIO_ID_NET));
  const ready = readiness(device);
  if (ready != Result.OK) return ready;
  if (bytes < ETHERNET_HEADER_BYTES || bytes > FRAME_BYTES_MAX) return Result.E_FRAME_SIZE;
  if (!checkRecords(frame, 1, bytes)) return Result.E_ARGUMENT;
  const debug = debugOf(device);
  if (!debug.isTakenOver) {
    const result = takeOver(device, debug);
    if (result != Result.OK) return result;
  }
  const since = now_ns();
  const before = finishTransmission(device, debug, since, timeout_us);
  if (before != Result.OK) return before;
  const buffer = debug.buffer(TRANSMIT_BUFFER);
  clearHeader(buffer, debug.headerBytes);
  copyIn(buffer + FRAME_OFFSET, frame, bytes);
  const queue = debug.transmitQueue;
  const address = debug.bufferAddress(TRANSMIT_BUFFER);
  queue.begin(false);
  queue.append(address, debug.headerBytes, 0);
  queue.append(address + FRAME_OFFSET, bytes, 0);
  queue.commit(0, 0);
  queue.kickRarely();
  return finishTransmission(device, debug, since, timeout_us);
}

/**
 * Receives one frame.
 *
 * @param frame address in linear memory, in both builds, where the frame is copied to
 * @param capacity bytes of room there, 1518 at least
 * @param timeout_us microseconds to wait at most
 * @returns bytes of the frame; 0: none came; otherwise as `net_debug_transmit`
 */
export function net_debug_receive(handle: u32, frame: u32, capacity: u32, timeout_us: u32): i32 {
  const device = changetype<NetDevice>(deviceOfType(handle, VIRTIO_ID_NET));
  const ready = readiness(device);
  if (ready != Result.OK) return ready;
  if (capacity < FRAME_BYTES_MAX || !checkRecords(frame, 1, capacity)) return Result.E_ARGUMENT;
  const debug = debugOf(device);
  if (!debug.isTakenOver) {
    const result = takeOver(device, debug);
    if (result != Result.OK) return result;
  }
  const queue = debug.receiveQueue;
  const since = now_ns();
  for (let dropped: u32 = 0; dropped < RECEIVE_BUFFERS; dropped++) {
    if (!waitFor(queue, since, timeout_us)) return silence(device, debug, queue);
    const head = queue.take();
    if (head < 0) return giveBack(debug);
    const index = <u32>queue.state(head).token;
    const length = queue.writtenInto(head);
    queue.release(head, queue.takenCount);
    const isFrame = length >= debug.headerBytes + ETHERNET_HEADER_BYTES;
    if (isFrame) copyOut(frame, debug.buffer(index) + FRAME_OFFSET, length - debug.headerBytes);
    post(debug, index);
    queue.kickRarely();
    if (isFrame) return length - debug.headerBytes;
  }
  return 0;
}

/** Whether there is such a card that can be taken over: OK, E_HANDLE, E_GONE, E_SUSPENDED, E_UNSUPPORTED. */
function readiness(device: NetDevice): i32 {
  const result = runningResult(changetype<Device>(device));
  if (result != Result.OK && result != Result.E_BROKEN) return result;
  return device.debug == 0 ? <i32>Result.E_UNSUPPORTED : Result.OK;
}

/** Resets the card and gives it the rings and buffers that were put aside. OK, or why it did not come back, as `reset`. */
function takeOver(device: NetDevice, debug: NetDebug): i32 {
  if (device.state == DeviceState.RUNNING) {
    device.state = DeviceState.BROKEN;
    device.raise(Event.BROKEN);
  }
  const accepted = device.featuresAccepted;
  let result = start(device);
  if (result == Result.OK) result = negotiate(device, accepted & FEATURES, 0);
  debug.headerBytes = device.accepted(VIRTIO_F_VERSION_1) ? NET_HEADER_BYTES_MERGEABLE : NET_HEADER_BYTES;
  // What `reset` will ask for again.
  device.featuresAccepted = accepted;
  if (result == Result.OK) result = activate(debug.receiveQueue);
  if (result == Result.OK) result = activate(debug.transmitQueue);
  if (result != Result.OK) return fail(device, result);
  const fit = debug.receiveQueue.size / CHAIN_DESCRIPTORS;
  for (let index: u32 = 0; index < min(RECEIVE_BUFFERS, fit); index++) post(debug, index);
  addStatus(device, Status.DRIVER_OK);
  debug.receiveQueue.kickRarely();
  debug.isTakenOver = true;
  return Result.OK;
}

function activate(queue: Virtqueue): i32 {
  queue.forget();
  return queue.activate();
}

/** Gives the device a buffer to receive in; `kick` is the caller's. */
function post(debug: NetDebug, index: u32): void {
  const queue = debug.receiveQueue;
  const address = debug.bufferAddress(index);
  queue.begin(false);
  queue.append(address, debug.headerBytes, VIRTQ_DESC_F_WRITE);
  queue.append(address + FRAME_OFFSET, FRAME_BYTES_MAX, VIRTQ_DESC_F_WRITE);
  queue.commit(index, debug.headerBytes + FRAME_BYTES_MAX);
}

/** Waits until the frame under way, if there is one, has left: OK, E_TIMEOUT, E_BROKEN, E_GONE. */
function finishTransmission(device: NetDevice, debug: NetDebug, since: u64, timeout: u32): i32 {
  const queue = debug.transmitQueue;
  if (queue.outstanding == 0) return Result.OK;
  if (!waitFor(queue, since, timeout)) {
    const reason = silence(device, debug, queue);
    return reason == Result.OK ? <i32>Result.E_TIMEOUT : reason;
  }
  const head = queue.take();
  if (head < 0) return giveBack(debug);
  queue.release(head, queue.takenCount);
  return Result.OK;
}

/** The device makes no sense. */
function giveBack(debug: NetDebug): i32 {
  debug.isTakenOver = false;
  return Result.E_BROKEN;
}

/** Why the device has used nothing: OK when it has just not done so, E_BROKEN, E_GONE. */
function silence(device: NetDevice, debug: NetDebug, queue: Virtqueue): i32 {
  if (deviceIsGone(device)) {
    device.vanish();
    return Result.E_GONE;
  }
  return queue.hasImpossibleIndex() ? giveBack(debug) : <i32>Result.OK;
}

/** Whether the device has used a chain, once so many microseconds have passed at most. */
function waitFor(queue: Virtqueue, since: u64, timeout: u32): bool {
  for (let polls: u32 = 0; polls < STANDSTILL_POLLS && queue.waiting() == 0; polls++) {
    if (now_ns() - since > <u64>timeout * 1000) break;
    relax();
  }
  return queue.waiting() != 0;
}
