/**
 * The life of a device: found, initialised, failed, reset, closed. [virtio-1.2 §3.1.1, §3.1.2]
 *
 * A driver's `open` calls `openDevice`, `start`, reads what configuration it needs, calls `negotiate`, sets its queues up and ends
 * with `run`; on any error it calls `fail`.
 */
import { Message, Result } from "../abi/results";
import { log } from "../kernel";
import { Device, deviceOf, deviceOfType, DeviceState, registerDevice, unregisterDevice } from "./device";
import {
  acceptFeatures,
  addStatus,
  allowMemoryAccess,
  connect,
  deviceStatus,
  forbidMemoryAccess,
  offeredFeatures,
  resetDevice,
  Status,
} from "./transport";

/**
 * Registers a device that a driver is about to open, and finds its registers.
 *
 * @param type virtio device type that the driver is for
 * @param bytes size of the driver's state
 * @returns the handle, or E_INITIALIZE, E_IN_USE, E_MEMORY, E_NOT_FOUND, E_NOT_VIRTIO, E_BAR
 */
export function openDevice(pciAddress: u32, type: u32, bytes: u32): i32 {
  const handle = registerDevice(pciAddress, type, bytes);
  if (handle < 0) return handle;
  const device = changetype<Device>(deviceOf(handle));
  const result = connect(device);
  if (result == Result.OK) return handle;
  unregisterDevice(device);
  return result;
}

/** Steps 1 to 3 and the first half of 4: reset, ACKNOWLEDGE, DRIVER, read the features. OK or E_RESET_TIMEOUT. */
export function start(device: Device): i32 {
  if (!resetDevice(device)) return Result.E_RESET_TIMEOUT;
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
  return deviceStatus(device) & (Status.FAILED | Status.DEVICE_NEEDS_RESET) ? Result.E_FEATURES : Result.OK;
}

/** Step 8: the device is live. */
export function run(device: Device): void {
  addStatus(device, Status.DRIVER_OK);
  device.state = DeviceState.RUNNING;
}

/**
 * Gives up on the device: says so to it, and to the kernel with the reason. Afterwards it reaches no memory, so all
 * that was lent to it can be given back. [virtio-1.2 §3.1.1]
 */
export function fail(device: Device, result: i32): void {
  addStatus(device, Status.FAILED);
  forbidMemoryAccess(device);
  device.state = DeviceState.BROKEN;
  log(Message.DEVICE_FAILED, device.pciAddress, result);
}

/** Ends the device's work for good, whether or not it still listens. Afterwards it reaches no memory. */
export function shutDown(device: Device): void {
  resetDevice(device);
  forbidMemoryAccess(device);
  device.state = DeviceState.CLOSING;
}

/** Whether a device takes work: OK, E_HANDLE when there is none or it is being closed, E_BROKEN. */
export function runningResult(device: Device | null): i32 {
  if (!device || device.state == DeviceState.CLOSING) return Result.E_HANDLE;
  return device.state == DeviceState.RUNNING ? Result.OK : Result.E_BROKEN;
}

/** Why a handle names no device of that type that takes work: E_HANDLE or E_BROKEN. */
export function refusal(handle: u32, type: u32): i32 {
  return runningResult(deviceOfType(handle, type));
}
