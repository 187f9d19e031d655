/** The virtio-net driver: open, describe, transmit, reclaim, receive, release. [virtio-1.2 §5.1] */
import {
  Completion,
  NetInformation,
  NetOptions,
  NetStatistics,
  ReceivedBuffer,
  TransmitFrame,
} from "../../abi/records";
import { Interrupt, Result } from "../../abi/results";
import { checkRecords, recordsFit } from "../../memory/records";
import {
  Device,
  deviceOf,
  deviceInSlot,
  deviceOfType,
  DeviceState,
  isAnother,
  registerDevice,
  unregisterDevice,
} from "../../virtio/device";
import { VIRTIO_F_ANY_LAYOUT, VIRTIO_F_EVENT_IDX } from "../../virtio/features";
import { failOpening, negotiate, nothingTaken, refusal, run, runningResult, start } from "../../virtio/lifecycle";
import { announceLink, describeCard, readConfiguration, statedMtu, updateLink } from "./configuration";
import { NET_DEVICE_BYTES, NetDevice, TransmitWish } from "./device";
import {
  allocateReceive,
  frameIsHeldBack,
  freeBuffers,
  postBuffers,
  recallBuffers,
  receiveBuffersFit,
  receiveFrames,
  releaseBuffers,
} from "./receive";
import {
  addFrame,
  allocateTransmit,
  armTransmit,
  awaitAllSent,
  awaitRoom,
  disarmTransmit,
  reclaimFrames,
  reclaimStopped,
  settleWishes,
} from "./transmit";
import { transmitRun } from "./transmit-run";
import { VIRTIO_ID_NET, VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU, VIRTIO_NET_F_STATUS } from "./wire";

/** The driver needs nothing beyond sending and receiving. */
const MINIMAL: u64 = 0;
const OPTIONAL: u64 =
  VIRTIO_NET_F_MTU |
  VIRTIO_NET_F_MAC |
  VIRTIO_NET_F_MRG_RXBUF |
  VIRTIO_NET_F_STATUS |
  VIRTIO_F_ANY_LAYOUT |
  VIRTIO_F_EVENT_IDX;

/**
 * Opens the network card at a PCI address. Its ports must be granted; interrupts are off until `enable_interrupts`.
 *
 * @param address of the function, as `PciFunction.address`
 * @param options address of a NetOptions, or 0; read during the call only
 * @returns a handle greater than 0, or E_ARGUMENT, E_INITIALIZE, E_IN_USE, E_MEMORY, E_NOT_FOUND, E_NOT_VIRTIO, E_BAR,
 *   E_RESET_TIMEOUT, E_FEATURES, E_QUEUE_SIZE, E_QUEUE_LIVE, E_DMA_MEMORY, E_GONE
 */
export function net_open(address: u32, options: u32): i32 {
  let allowed = u64.MAX_VALUE;
  let timeout: u64 = 0;
  let bufferCount: u32 = 0;
  let bufferBytes: u32 = 0;
  if (options != 0) {
    if (!checkRecords(options, 1, offsetof<NetOptions>())) return Result.E_ARGUMENT;
    const given = changetype<NetOptions>(options);
    allowed = given.features;
    timeout = given.timeout_ns;
    bufferCount = given.receive_buffers;
    bufferBytes = given.receive_buffer_bytes;
  }
  const handle = registerDevice(address, VIRTIO_ID_NET, NET_DEVICE_BYTES);
  if (handle < 0) return handle;
  const device = changetype<NetDevice>(deviceOf(handle));
  device.transmitQueue.timeout = timeout;
  let result = negotiateNet(device, MINIMAL, OPTIONAL & allowed);
  if (result == Result.OK) result = allocateReceive(device, bufferCount, bufferBytes);
  if (result == Result.OK) result = allocateTransmit(device);
  if (result == Result.OK) result = activate(device, false);
  if (result == Result.OK) return handle;
  const reason = failOpening(device, result);
  freeShared(device);
  freeBuffers(device);
  finishClose(device);
  return reason;
}

/** From a reset to the accepted features and what follows from them. */
function negotiateNet(device: NetDevice, minimal: u64, optional: u64): i32 {
  let result = start(device);
  if (result != Result.OK) return result;
  // A driver that accepts MTU keeps to it, so an MTU that cannot be is not accepted. [virtio-1.2 §5.1.4.2]
  const mtu = statedMtu(device);
  if (mtu == 0 && (minimal & VIRTIO_NET_F_MTU) != 0) return Result.E_CONFIGURATION;
  result = negotiate(device, minimal, mtu == 0 ? optional & ~VIRTIO_NET_F_MTU : optional);
  if (result == Result.OK) readConfiguration(device, mtu);
  return result;
}

/**
 * From the rings to a live device with its receive ring full.
 *
 * @param callbacks whether it interrupts for received frames, the first one included
 */
function activate(device: NetDevice, callbacks: bool): i32 {
  let result = device.receiveQueue.activate();
  if (result == Result.OK) result = device.transmitQueue.activate();
  if (result != Result.OK) return result;
  if (callbacks) device.receiveQueue.enableCallbacks(0);
  postBuffers(device);
  run(device);
  // Not before DRIVER_OK: until then a device is not told of buffers. [virtio-1.2 §3.1.1]
  device.receiveQueue.kick();
  return Result.OK;
}

/** Gives back the rings and headers; receive buffers may be in the caller's hands. */
function freeShared(device: NetDevice): void {
  device.transmitQueue.freeShared();
  device.receiveQueue.freeShared();
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
 * @returns number accepted, or E_HANDLE, E_ARGUMENT, E_BROKEN, E_GONE
 */
export function net_transmit(handle: u32, frames: u32, count: u32): i32 {
  const device = changetype<NetDevice>(deviceInSlot(handle));
  if (!device) return Result.E_HANDLE;
  if (isAnother(device, handle, VIRTIO_ID_NET) | device.state) return refusal(handle, VIRTIO_ID_NET);
  if (!recordsFit(frames, count, offsetof<TransmitFrame>())) return Result.E_ARGUMENT;
  const end = frames + count * offsetof<TransmitFrame>();
  let at = frames;
  let result: i32 = Result.OK;
  while (true) {
    at = transmitRun(device, at, end);
    if (at == end) break;
    const frame = changetype<TransmitFrame>(at);
    result = addFrame(device, frame);
    frame.result = result;
    if (result != Result.OK) break;
    at += offsetof<TransmitFrame>();
  }
  const accepted = (at - frames) / offsetof<TransmitFrame>();
  device.transmitQueue.kick();
  if (result == Result.OK) return accepted;
  // Not before the frames are published: the device must have something to finish.
  if (result == Result.E_FULL) awaitRoom(device);
  else device.statistics.transmit_refused++;
  return accepted;
}

/**
 * Takes back frames that have been sent, in the order in which the device finished.
 *
 * @param completions address of an array of Completion with room for `capacity`
 * @returns number taken; E_HANDLE, E_ARGUMENT; with nothing to take E_BROKEN, E_GONE
 */
export function net_reclaim(handle: u32, completions: u32, capacity: u32): i32 {
  const device = changetype<NetDevice>(deviceInSlot(handle));
  if (!device) return Result.E_HANDLE;
  if (isAnother(device, handle, VIRTIO_ID_NET)) return Result.E_HANDLE;
  if (!recordsFit(completions, capacity, offsetof<Completion>())) return Result.E_ARGUMENT;
  if (device.state | (<u32>device.transmitQueue.draining)) return reclaimFromStopped(device, completions, capacity);
  const taken = reclaimFrames(device, completions, capacity);
  return taken == 0 ? nothingTaken(device) : taken;
}

/** The same for a device that has been reset, closed or found broken: it uses nothing any more. */
function reclaimFromStopped(device: NetDevice, completions: u32, capacity: u32): i32 {
  const taken = reclaimStopped(device, completions, capacity);
  const result = taken == 0 ? nothingTaken(device) : taken;
  if (device.state == DeviceState.CLOSING) finishCloseIfNothingIsOut(device);
  return result;
}

/**
 * Asks for one interrupt, when all frames in flight have been sent. For a caller that waits for a frame to leave, or for
 * its memory; `enable_interrupts` and `disable_interrupts` speak of received frames, and the latter ends this, too. With
 * nothing in flight it comes when the next frame has been sent; without EVENT_IDX, after each. [virtio-1.2 §2.7.7.1]
 *
 * @returns 1 when all of them, or without EVENT_IDX any of them, can be reclaimed already, for which no interrupt may
 *   come; 0; E_HANDLE, E_BROKEN, E_GONE
 */
export function net_await_all(handle: u32): i32 {
  const device = changetype<NetDevice>(deviceOfType(handle, VIRTIO_ID_NET));
  const state = runningResult(device);
  return state == Result.OK ? awaitAllSent(device) : state;
}

/**
 * Takes received frames, each whole or not at all. Their bytes stay where the device wrote them, and are the caller's
 * until `net_release`.
 *
 * @param records address of an array of ReceivedBuffer with room for `capacity`; `buffers_per_frame_max` always suffice
 * @returns number of records written; E_HANDLE, E_BROKEN, E_GONE; E_ARGUMENT also when the next frame needs more records
 */
export function net_receive(handle: u32, records: u32, capacity: u32): i32 {
  const device = changetype<NetDevice>(deviceInSlot(handle));
  if (!device) return Result.E_HANDLE;
  if (isAnother(device, handle, VIRTIO_ID_NET) | device.state) return refusal(handle, VIRTIO_ID_NET);
  if (!recordsFit(records, capacity, offsetof<ReceivedBuffer>())) return Result.E_ARGUMENT;
  const written = receiveFrames(device, records, capacity);
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
  const released = releaseBuffers(device, buffers, count);
  if (device.state == DeviceState.CLOSING) finishCloseIfNothingIsOut(device);
  return released;
}

/** What a card does with the interrupt bits of its device. */
export function interruptNet(device: Device, bits: u32): void {
  const net = changetype<NetDevice>(device);
  if (bits & Interrupt.CONFIGURATION) updateLink(net);
  if (net.transmitWishes == 0 || net.state != DeviceState.RUNNING) return;
  const pending = net.transmitQueue.pending();
  if (pending != 0) settleWishes(net, pending);
}

/** `enable_interrupts` for a card: for received frames, and for room in the transmit ring while the caller waits. */
export function enableNetInterrupts(device: Device): bool {
  const net = changetype<NetDevice>(device);
  if (net.transmitWishes & TransmitWish.ROOM) armTransmit(net);
  return net.receiveQueue.enableCallbacks(0) || frameIsHeldBack(net);
}

/** `disable_interrupts` for a card. */
export function disableNetInterrupts(device: Device): void {
  const net = changetype<NetDevice>(device);
  net.receiveQueue.disableCallbacks();
  disarmTransmit(net);
}

/** `reset` for a card: the same features, queues and buffers, or nothing. */
export function resetNet(device: Device): i32 {
  const net = changetype<NetDevice>(device);
  const callbacks = net.receiveQueue.callbacks;
  let result = negotiateNet(net, device.featuresAccepted, 0);
  // The reset made the device forget the interrupt that would have told of a change.
  if (result == Result.OK) announceLink(net);
  if (result == Result.OK && !receiveBuffersFit(net)) result = Result.E_CONFIGURATION;
  recallBuffers(net);
  // All that was in flight can be reclaimed now.
  net.transmitWishes &= TransmitWish.ROOM;
  if (result == Result.OK) result = activate(net, callbacks);
  if (result != Result.OK) {
    net.transmitQueue.stop();
    // What the caller asked for holds after the reset that succeeds.
    net.receiveQueue.callbacks = callbacks;
  }
  return result;
}

/** `close` for a card whose device has been cut off: how many completions and buffers are still out. */
export function closeNet(device: Device): u32 {
  const net = changetype<NetDevice>(device);
  recallBuffers(net);
  net.transmitQueue.stop();
  // Whoever waits for room waits in vain, and what tells the device of it would be written to a ring that is gone.
  net.transmitWishes = 0;
  freeShared(net);
  const out = net.transmitQueue.outstanding + net.lent;
  finishCloseIfNothingIsOut(net);
  return out;
}

function finishCloseIfNothingIsOut(device: NetDevice): void {
  if (device.transmitQueue.outstanding + device.lent != 0) return;
  freeBuffers(device);
  finishClose(device);
}

/** Gives back what only the driver could reach; the handle is gone. */
function finishClose(device: NetDevice): void {
  device.transmitQueue.freePrivate();
  unregisterDevice(device);
}
