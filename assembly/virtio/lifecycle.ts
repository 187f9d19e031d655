/**
 * The life of a device, for all drivers: open, reset, suspend, resume, close, interrupts. [virtio-1.2 §3]
 *
 * A driver is a class that extends Device and has these methods, which are compiled into the functions here:
 *
 * - `acceptable(features)`: which of these it may accept from this device, which was reset
 * - `configure()`: reads the configuration that goes with the accepted features; OK or why the device cannot be driven
 * - `queuesNeeded()`: how many queues it uses
 * - `allocate()`: takes memory for the queues and what is in them, once; OK, E_ARGUMENT, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY
 * - `prepare()`: makes what the device may find in its queues; they are set up, and the device is not told before `started`
 * - `started()`: DRIVER_OK is set
 * - `recall()`: the device was reset or cut off, and has nothing of the driver's any more
 * - `outstanding()`: how many completions and buffers the caller has still to take or to give back
 * - `free()`: gives back what `allocate` took, apart from the queues
 * - `configurationChanged()`, `interrupted()`: on an interrupt
 * - `enableInterrupts()`, `disableInterrupts()`: as the calls of these names
 */
import { Interrupt, Message, Result } from "../abi/results";
import { allocatePrivate, freePrivate } from "../memory/arena";
import { forgetKept } from "../pci/kept";
import { Device, DeviceState, isSuspended, QUEUE_BYTES, runningResult, unregisterDevice } from "./device";
import { fail, failOpening, shutDown } from "./ending";
import { negotiate, run, start } from "./initialization";
import { Virtqueue } from "./queue/virtqueue";
import { putToSleep } from "./suspension";
import { meaningOfVector, modernStatus, readInterruptStatus, Status } from "./transport/transport";


@inline
function queueOf(device: Device, index: u32): Virtqueue {
  return changetype<Virtqueue>(device.queueState(index));
}

/**
 * Opens a device that was registered.
 *
 * @param minimal features without which the driver cannot work
 * @param optional features that the driver can use, and may
 * @returns its handle, or why there is none; it is not registered any more then
 */
export function open<D extends Device>(device: D, minimal: u64, optional: u64): i32 {
  let result = settle<D>(device, minimal, optional);
  if (result == Result.OK) result = takeMemory<D>(device);
  if (result == Result.OK) result = activate<D>(device);
  if (result == Result.OK) return device.handle;
  const reason = failOpening(device, result);
  freeSharedQueues(device);
  forget<D>(device);
  return reason;
}

/** From a reset to the accepted features and what follows from them. */
function settle<D extends Device>(device: D, minimal: u64, optional: u64): i32 {
  let result = start(device);
  if (result != Result.OK) return result;
  const acceptable = device.acceptable(minimal | optional);
  if ((acceptable & minimal) != minimal) return Result.E_FEATURES;
  result = negotiate(device, minimal, acceptable);
  return result == Result.OK ? device.configure() : result;
}

function takeMemory<D extends Device>(device: D): i32 {
  const count = device.queuesNeeded();
  device.queues = allocatePrivate(count * QUEUE_BYTES);
  if (device.queues == 0) return Result.E_MEMORY;
  device.queueCount = count;
  return device.allocate();
}

/** From the queues to a device that is live. */
function activate<D extends Device>(device: D): i32 {
  let result = activateQueues(device);
  if (result == Result.OK) result = device.prepare();
  if (result != Result.OK) return result;
  run(device);
  device.started();
  // Only a card asks something of its device then, which it may leave without an answer.
  return isDefined(WITHOUT_NET_CONTROL) ? <i32>Result.OK : runningResult(device);
}

/** Resets a device and initialises it again, with the features and queues it had. OK, or why it did not come back. */
export function reset<D extends Device>(device: D): i32 {
  device.resets++;
  // Whatever the device did is forgiven: nothing that is found out on the way is news.
  if (device.state == DeviceState.RUNNING) device.state = DeviceState.BROKEN;
  let result = settle<D>(device, device.featuresAccepted, 0);
  device.recall();
  if (result == Result.OK) result = activate<D>(device);
  if (result == Result.OK) return result;
  stopQueues(device);
  return fail(device, result);
}

/** What `end` does with a device. */
export const enum Ending {
  CLOSE,
  SUSPEND,
  /** Only if nothing of it is out. */
  SUSPEND_IDLE,
}

/**
 * Closes a device, or suspends it, see `putToSleep`.
 *
 * @returns how much of it is still out; when that is nothing, a closed device is not registered any more. Of a device that
 *   was suspended, OK, or why not
 */
export function end<D extends Device>(device: D, ending: Ending): i32 {
  const left = device.outstanding();
  if (!isDefined(WITHOUT_SUSPEND) && ending != Ending.CLOSE) {
    if (ending == Ending.SUSPEND_IDLE && left != 0) return left;
    const result = putToSleep(device);
    if (!isSuspended(device)) return result;
    device.recall();
    stopQueues(device);
    return result;
  }
  shutDown(device);
  device.recall();
  stopQueues(device);
  freeSharedQueues(device);
  if (left == 0) forget<D>(device);
  return left;
}

/** Of a device that is being closed, forgets what is left once nothing is out; for every call that takes something back. */
export function finishClosing<D extends Device>(device: D): void {
  if (device.state == DeviceState.CLOSING && device.outstanding() == 0) forget<D>(device);
}

/** Gives back what only the driver could reach; the handle is gone. */
function forget<D extends Device>(device: D): void {
  device.free();
  freePrivateQueues(device);
  if (!isDefined(WITHOUT_SUSPEND)) forgetKept(device.kept);
  unregisterDevice(device);
}

function activateQueues(device: Device): i32 {
  let result: i32 = Result.OK;
  for (let index: u32 = 0; index < device.queueCount && result == Result.OK; index++) {
    result = queueOf(device, index).activate();
  }
  return result;
}

function stopQueues(device: Device): void {
  for (let index: u32 = 0; index < device.queueCount; index++) queueOf(device, index).stop();
}

function freeSharedQueues(device: Device): void {
  for (let index: u32 = 0; index < device.queueCount; index++) queueOf(device, index).freeShared();
}

function freePrivateQueues(device: Device): void {
  for (let index: u32 = 0; index < device.queueCount; index++) queueOf(device, index).freePrivate();
  freePrivate(device.queues);
}

/** Asks the device why it interrupts, and does what follows. Bits of Interrupt, 0, E_GONE. */
export function interrupt<D extends Device>(device: D): i32 {
  const bits = readInterruptStatus(device);
  if (bits < 0) device.vanish();
  return bits > 0 ? serve<D>(device, bits) : bits;
}

/** Does what follows from a message of the device. Bits of Interrupt, 0. */
export function interruptVector<D extends Device>(device: D, vector: u32): i32 {
  const bits = meaningOfVector(device, vector);
  return bits != 0 ? serve<D>(device, bits) : 0;
}

function serve<D extends Device>(device: D, bits: u32): u32 {
  device.interrupts++;
  if (bits & Interrupt.CONFIGURATION) {
    const status = modernStatus(device);
    if (status & Status.DEVICE_NEEDS_RESET) device.break(Message.NEEDS_RESET, status);
    device.configurationChanged();
  }
  if (device.state == DeviceState.RUNNING) device.interrupted();
  return bits;
}
