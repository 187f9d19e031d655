/** The end of a device's work: failed, or closed. Afterwards it reaches no memory. [virtio-1.2 §3.1.1] */
import { Message, Result, Transport } from "../abi/results";
import { log } from "../kernel";
import { Device, DeviceState, isSuspended } from "./device";
import {
  addStatus,
  connect,
  deviceIsGone,
  disconnect,
  forbidMemoryAccess,
  release,
  resetDevice,
  Status,
} from "./transport/transport";

/**
 * Gives up on an open device: says so to it, and to the kernel with the reason. Afterwards it reaches no memory, so all
 * that was lent to it can be given back. One that was to be resumed stays suspended. [virtio-1.2 §3.1.1]
 *
 * @returns the reason: `result`, or E_GONE when nothing answers any more
 */
export function fail(device: Device, result: i32): i32 {
  const reason = giveUp(device, result);
  if (isSuspended(device)) release(device, hasReset(reason));
  else if (isLost(reason)) device.vanish();
  else device.state = DeviceState.BROKEN;
  return reason;
}

/** `fail` for a device that is being opened, and is left as it was found. */
export function failOpening(device: Device, result: i32): i32 {
  if (device.transport == Transport.NONE) return result;
  const reason = giveUp(device, result);
  release(device, hasReset(reason));
  disconnect(device);
  return reason;
}

/** Whether a device that is given up for this reason has ever said that it was reset. */
function hasReset(reason: i32): bool {
  return reason != Result.E_RESET_TIMEOUT && reason != Result.E_GONE;
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
export function isLost(result: i32): bool {
  return result == Result.E_GONE || result == Result.E_NOT_VIRTIO || result == Result.E_BAR;
}

/** Ends the device's work for good, whether or not it still listens. Afterwards it reaches no memory. */
export function shutDown(device: Device): void {
  if (!isSuspended(device)) {
    let result: i32 = Result.E_GONE;
    if (device.state != DeviceState.GONE) {
      result = connect(device);
      if (result == Result.OK) result = resetDevice(device);
    }
    release(device, result == Result.OK);
  }
  disconnect(device);
  device.state = DeviceState.CLOSING;
}
