/** Device initialisation, up to the configuration and behind the queues. [virtio-1.2 §3.1.1, §3.1.2] */
import { Result } from "../abi/results";
import { Device, DeviceState } from "./device";
import {
  acceptFeatures,
  addStatus,
  allowMemoryAccess,
  connect,
  deviceStatus,
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

/** Step 8: the device is live. Its queues have been set up. */
export function run(device: Device): void {
  addStatus(device, Status.DRIVER_OK);
  device.state = DeviceState.RUNNING;
}
