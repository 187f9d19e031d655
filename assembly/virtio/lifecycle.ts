/**
 * The life of a device: found, initialised, failed, reset, closed. [virtio-1.2 §3.1.1, §3.1.2]
 *
 * A driver's `open` registers the device, calls `start`, reads what configuration it needs, calls `negotiate`, sets its
 * queues up and ends with `run`; on any error it calls `failOpening`. Its `reset` does the same with the device it has, and
 * `fail`.
 */
import { Message, Result } from "../abi/results";
import { log } from "../kernel";
import { Device, deviceOfType, DeviceState } from "./device";
import {
  acceptFeatures,
  addStatus,
  allowMemoryAccess,
  connect,
  deviceIsGone,
  deviceStatus,
  disconnect,
  forbidMemoryAccess,
  offeredFeatures,
  resetDevice,
  Status,
} from "./transport/transport";

/**
 * Finds the device, then steps 1 to 3 and the first half of 4: reset, ACKNOWLEDGE, DRIVER, read the features.
 *
 * @returns OK, E_NOT_FOUND, E_NOT_VIRTIO, E_BAR, E_RESET_TIMEOUT, E_GONE
 */
export function start(device: Device): i32 {
  let result = connect(device);
  if (result == Result.OK) result = resetDevice(device);
  if (result != Result.OK) return result;
  // Not before the reset: the device may still know of rings that an earlier owner of the memory gave it.
  allowMemoryAccess(device);
  addStatus(device, Status.ACKNOWLEDGE);
  addStatus(device, Status.DRIVER);
  device.featuresOffered = offeredFeatures(device);
  return Result.OK;
}

/**
 * Steps 4 to 6: accepts features, and asks the device whether it agrees.
 *
 * A device that is purely legacy has no FEATURES_OK and may not latch it, so a missing bit is no refusal; FAILED, or
 * a register file that reads as all ones, is.
 *
 * @param minimal features without which the driver cannot work
 * @param optional features that the driver can use
 * @returns OK or E_FEATURES
 */
export function negotiate(device: Device, minimal: u64, optional: u64): i32 {
  if ((device.featuresOffered & minimal) != minimal) return Result.E_FEATURES;
  device.featuresAccepted = device.featuresOffered & (minimal | optional);
  acceptFeatures(device, device.featuresAccepted);
  addStatus(device, Status.FEATURES_OK);
  // All ones contain FAILED; `fail` tells a device that is gone from one that refused.
  return deviceStatus(device) & (Status.FAILED | Status.DEVICE_NEEDS_RESET) ? Result.E_FEATURES : Result.OK;
}

/** Step 8: the device is live. */
export function run(device: Device): void {
  addStatus(device, Status.DRIVER_OK);
  device.state = DeviceState.RUNNING;
}

/**
 * Gives up on an open device: says so to it, and to the kernel with the reason. Afterwards it reaches no memory, so all
 * that was lent to it can be given back. [virtio-1.2 §3.1.1]
 *
 * @returns the reason: `result`, or E_GONE when nothing answers any more
 */
export function fail(device: Device, result: i32): i32 {
  const reason = giveUp(device, result);
  if (isLost(reason)) device.vanish();
  else device.state = DeviceState.BROKEN;
  return reason;
}

/** `fail` for a device that is being opened, and is left as it was found. */
export function failOpening(device: Device, result: i32): i32 {
  if (device.registers == 0) return result;
  const reason = giveUp(device, result);
  disconnect(device, reason != Result.E_RESET_TIMEOUT && reason != Result.E_GONE);
  return reason;
}

/** Says FAILED to a device that still answers, takes its memory away, and tells the kernel why. Returns the reason. */
function giveUp(device: Device, result: i32): i32 {
  let reason = result;
  // Where the device was, something else may answer now.
  if (!isLost(reason)) {
    if (deviceIsGone(device)) reason = Result.E_GONE;
    else addStatus(device, Status.FAILED);
  }
  forbidMemoryAccess(device);
  log(Message.DEVICE_FAILED, device.pciAddress, reason);
  return reason;
}

/** Whether `connect` or `resetDevice` did not find the device where it was. */
function isLost(result: i32): bool {
  return result == Result.E_GONE || result == Result.E_NOT_VIRTIO || result == Result.E_BAR;
}

/** Ends the device's work for good, whether or not it still listens. Afterwards it reaches no memory. */
export function shutDown(device: Device): void {
  let result: i32 = Result.E_GONE;
  if (device.state != DeviceState.GONE) {
    result = connect(device);
    if (result == Result.OK) result = resetDevice(device);
  }
  disconnect(device, result == Result.OK);
  device.state = DeviceState.CLOSING;
}

/** Whether a device takes work: OK, E_HANDLE when there is none or it is being closed, E_BROKEN, E_GONE. */
export function runningResult(device: Device | null): i32 {
  if (!device) return Result.E_HANDLE;
  switch (device.state) {
    case DeviceState.RUNNING:
      return Result.OK;
    case DeviceState.BROKEN:
      return Result.E_BROKEN;
    case DeviceState.GONE:
      return Result.E_GONE;
    default:
      return Result.E_HANDLE;
  }
}

/** What a call that takes things back answers when there was nothing to take: 0, E_BROKEN, E_GONE. */
export function nothingTaken(device: Device): i32 {
  return device.state == DeviceState.CLOSING ? 0 : runningResult(device);
}

/** Why a handle names no device of that type that takes work: E_HANDLE, E_BROKEN, E_GONE. */
export function refusal(handle: u32, type: u32): i32 {
  return runningResult(deviceOfType(handle, type));
}
