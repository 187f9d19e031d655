/** The calls of virtio-net: open, describe, transmit, reclaim, receive, release. [virtio-1.2 §5.1] */
import { Completion } from "../../abi/records";
import { NetInformation, NetOptions, NetStatistics, ReceivedBuffer, TransmitFrame } from "./abi";
import { Result } from "../../abi/results";
import { checkRecords, recordsFit } from "../../memory/records";
import {
  deviceInSlot,
  deviceOf,
  deviceOfType,
  isAnother,
  nothingTaken,
  refusal,
  registerDevice,
  runningResult,
} from "../../virtio/device";
import { FEATURES_BY_DEFAULT } from "../../virtio/initialization";
import { finishClosing, open } from "../../virtio/lifecycle";
import { describeCard } from "./configuration";
import { NET_DEVICE_BYTES, NetDevice } from "./device";
import { MINIMAL, NetDriver, OPTIONAL } from "./driver";
import { RECEIVE_OFFLOADS } from "./offloads";
import { receiveFrames, releaseBuffers } from "./receive";
import { addFrame, awaitAllSent, awaitRoom, reclaimFrames, reclaimStopped } from "./transmit";
import { transmitRun } from "./transmit-run";
import { VIRTIO_ID_NET } from "./wire";

/**
 * Opens the network card at a PCI address, or in the MMIO slot that the options name. Its registers must be granted;
 * interrupts are off until `enable_interrupts`.
 *
 * @param address of the function, as `PciFunction.address`; 0 with MMIO
 * @param options address of a NetOptions, or 0; read during the call only
 * @returns a handle greater than 0, or E_ARGUMENT, E_INITIALIZE, E_IN_USE, E_MEMORY, E_NOT_FOUND, E_NOT_VIRTIO, E_BAR,
 *   E_RESET_TIMEOUT, E_FEATURES, E_QUEUE_SIZE, E_QUEUE_LIVE, E_DMA_MEMORY, E_GONE
 */
export function net_open(address: u32, options: u32): i32 {
  // Only a caller that asks for them expects what they make of received frames.
  let allowed = isDefined(WITHOUT_NET_OFFLOADS) ? FEATURES_BY_DEFAULT : FEATURES_BY_DEFAULT & ~RECEIVE_OFFLOADS;
  let bufferCount: u32 = 0;
  let bufferBytes: u32 = 0;
  let debug: u32 = 0;
  if (options != 0) {
    if (!checkRecords(options, 1, offsetof<NetOptions>())) return Result.E_ARGUMENT;
    const given = changetype<NetOptions>(options);
    allowed = given.features;
    bufferCount = given.receive_buffers;
    bufferBytes = given.receive_buffer_bytes;
    if (!isDefined(WITHOUT_NET_DEBUG)) debug = given.debug;
  }
  const handle = registerDevice(address, VIRTIO_ID_NET, NET_DEVICE_BYTES, options);
  if (handle < 0) return handle;
  const device = changetype<NetDriver>(deviceOf(handle));
  device.bufferCountWanted = bufferCount;
  device.bufferBytesWanted = bufferBytes;
  if (!isDefined(WITHOUT_NET_DEBUG)) device.debugWanted = debug != 0;
  return open<NetDriver>(device, MINIMAL, OPTIONAL & allowed);
}

/**
 * Describes the card, from what its device said before: as long as there is a handle, in every state.
 *
 * @param record address of a NetInformation
 * @returns OK, E_HANDLE, E_ARGUMENT
 */
export function net_information(handle: u32, record: u32): i32 {
  const device = deviceOfType(handle, VIRTIO_ID_NET);
  if (!device) return Result.E_HANDLE;
  if (!checkRecords(record, 1, offsetof<NetInformation>())) return Result.E_ARGUMENT;
  describeCard(changetype<NetDevice>(device), changetype<NetInformation>(record));
  return Result.OK;
}

/**
 * Copies the card's counters, as long as there is a handle.
 *
 * @param record address of a NetStatistics
 * @returns OK, E_HANDLE, E_ARGUMENT
 */
export function net_statistics(handle: u32, record: u32): i32 {
  const device = changetype<NetDevice>(deviceOfType(handle, VIRTIO_ID_NET));
  if (!device) return Result.E_HANDLE;
  if (!checkRecords(record, 1, offsetof<NetStatistics>())) return Result.E_ARGUMENT;
  const statistics = device.statistics;
  statistics.transmit_notifications = device.transmitQueue.notifications;
  statistics.receive_notifications = device.receiveQueue.notifications;
  statistics.interrupts = device.interrupts;
  statistics.resets = device.resets;
  memory.copy(record, changetype<usize>(statistics), offsetof<NetStatistics>());
  return Result.OK;
}

/**
 * Gives frames to the card, in order, up to the first that is not accepted; its `result` says why. The accepted ones
 * are published together, with one notification at most. Their bytes are the device's until they complete.
 *
 * After E_FULL, take completions with `net_reclaim`; the event ROOM says when there are some, with an interrupt if
 * interrupts are enabled.
 *
 * @param frames address of an array of TransmitFrame
 * @returns number accepted, or E_HANDLE, E_ARGUMENT, E_BROKEN, E_GONE, E_SUSPENDED
 */
export function net_transmit(handle: u32, frames: u32, count: u32): i32 {
  const device = changetype<NetDevice>(deviceInSlot(handle));
  if (!device) return Result.E_HANDLE;
  if (isAnother(device, handle, VIRTIO_ID_NET) | device.state) return refusal(handle, VIRTIO_ID_NET);
  if (!recordsFit(frames, count, offsetof<TransmitFrame>())) return Result.E_ARGUMENT;
  const queue = device.transmitQueue;
  const end = frames + count * offsetof<TransmitFrame>();
  let at = frames;
  let result: i32 = Result.OK;
  while (true) {
    at = transmitRun(device, queue, at, end);
    if (at == end) break;
    const frame = changetype<TransmitFrame>(at);
    result = addFrame(device, queue, frame);
    frame.result = result;
    if (result != Result.OK) break;
    at += offsetof<TransmitFrame>();
  }
  const accepted = (at - frames) / offsetof<TransmitFrame>();
  queue.kick();
  if (result == Result.OK) return accepted;
  // Not before the frames are published: the device must have something to finish.
  if (result == Result.E_FULL) awaitRoom(device, queue);
  else device.statistics.transmit_refused++;
  return accepted;
}

/**
 * Takes back frames that have been sent, in the order in which the device finished.
 *
 * @param completions address of an array of Completion with room for `capacity`
 * @returns number taken; E_HANDLE, E_ARGUMENT; with nothing to take E_BROKEN, E_GONE, E_SUSPENDED
 */
export function net_reclaim(handle: u32, completions: u32, capacity: u32): i32 {
  const device = changetype<NetDevice>(deviceInSlot(handle));
  if (!device) return Result.E_HANDLE;
  if (isAnother(device, handle, VIRTIO_ID_NET)) return Result.E_HANDLE;
  if (!recordsFit(completions, capacity, offsetof<Completion>())) return Result.E_ARGUMENT;
  const queue = device.transmitQueue;
  if (device.state | (<u32>queue.draining)) return reclaimFromStopped(device, completions, capacity);
  const taken = reclaimFrames(device, queue, completions, capacity);
  return taken == 0 ? nothingTaken(device) : taken;
}

/** The same for a device that has been reset, closed or found broken: it uses nothing any more. */
function reclaimFromStopped(device: NetDevice, completions: u32, capacity: u32): i32 {
  const taken = reclaimStopped(device, device.transmitQueue, completions, capacity);
  const result = taken == 0 ? nothingTaken(device) : taken;
  finishClosing<NetDriver>(changetype<NetDriver>(device));
  return result;
}

/**
 * Asks for one interrupt, when all frames in flight have been sent. For a caller that waits for a frame to leave, or for
 * its memory; `enable_interrupts` and `disable_interrupts` speak of received frames, and the latter ends this, too. With
 * nothing in flight it comes when the next frame has been sent; without EVENT_IDX, after each. [virtio-1.2 §2.7.7.1]
 *
 * @returns 1 when all of them, or without EVENT_IDX any of them, can be reclaimed already, for which no interrupt may
 *   come; 0; E_HANDLE, E_BROKEN, E_GONE, E_SUSPENDED
 */
export function net_await_all(handle: u32): i32 {
  const device = changetype<NetDevice>(deviceOfType(handle, VIRTIO_ID_NET));
  const state = runningResult(device);
  return state == Result.OK ? awaitAllSent(device, device.transmitQueue) : state;
}

/**
 * Takes received frames, each whole or not at all. Their bytes stay where the device wrote them, and are the caller's
 * until `net_release`.
 *
 * @param records address of an array of ReceivedBuffer with room for `capacity`; `buffers_per_frame_max` always suffice
 * @returns number of records written; E_HANDLE, E_BROKEN, E_GONE, E_SUSPENDED; E_ARGUMENT also when the next frame needs
 *   more records
 */
export function net_receive(handle: u32, records: u32, capacity: u32): i32 {
  const device = changetype<NetDevice>(deviceInSlot(handle));
  if (!device) return Result.E_HANDLE;
  if (isAnother(device, handle, VIRTIO_ID_NET) | device.state) return refusal(handle, VIRTIO_ID_NET);
  if (!recordsFit(records, capacity, offsetof<ReceivedBuffer>())) return Result.E_ARGUMENT;
  const written = receiveFrames(device, device.receiveQueue, records, capacity);
  return written == 0 ? nothingTaken(device) : written;
}

/**
 * Gives receive buffers back, and with them the frames in them. On a broken device they wait for the reset.
 *
 * @param buffers address of an array of u32: `ReceivedBuffer.buffer` of each
 * @returns how many were given back, up to the first that is not in the caller's hands; E_BUFFER when that is the first;
 *   E_HANDLE, E_ARGUMENT
 */
export function net_release(handle: u32, buffers: u32, count: u32): i32 {
  const device = changetype<NetDevice>(deviceInSlot(handle));
  if (!device) return Result.E_HANDLE;
  if (isAnother(device, handle, VIRTIO_ID_NET)) return Result.E_HANDLE;
  if (!recordsFit(buffers, count, 4)) return Result.E_ARGUMENT;
  const released = releaseBuffers(device, device.receiveQueue, buffers, count);
  finishClosing<NetDriver>(changetype<NetDriver>(device));
  return released;
}
