/** Device initialisation, up to the configuration, and after the queues. [virtio-1.2 §3.1.1, §3.1.2] */
import { Result } from "../abi/results";
import { Device, DeviceState } from "./device";
import { VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_VERSION_1 } from "./features";
import {
  acceptFeatures,
  addStatus,
  allowMemoryAccess,
  connect,
  deviceStatus,
  isModern,
  offeredFeatures,
  resetDevice,
  setConfigurationVector,
  Status,
} from "./transport/transport";

/** What may be accepted unless the caller says otherwise: only it knows whether its addresses are bus addresses. */
export const FEATURES_BY_DEFAULT: u64 = ~VIRTIO_F_ACCESS_PLATFORM;

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
  setConfigurationVector(device);
  device.featuresOffered = offeredFeatures(device);
  return Result.OK;
}

/**
 * Steps 4 to 6: accepts features, and asks the device whether it agrees.
 *
 * A device that is purely legacy has no FEATURES_OK and may not latch it, so a missing bit is no refusal; FAILED, or
 * a register file that reads as all ones, is. Others must offer VERSION_1, and keep the bit.
 *
 * @param minimal features without which the driver cannot work
 * @param optional features that the driver can use
 * @returns OK or E_FEATURES
 */
export function negotiate(device: Device, minimal: u64, optional: u64): i32 {
  const needed = isModern(device) ? minimal | VIRTIO_F_VERSION_1 : minimal;
  if ((device.featuresOffered & needed) != needed) return Result.E_FEATURES;
  device.featuresAccepted = device.featuresOffered & (needed | optional);
  acceptFeatures(device, device.featuresAccepted);
  addStatus(device, Status.FEATURES_OK);
  const status = deviceStatus(device);
  // All ones contain FAILED; `fail` tells a device that is gone from one that refused.
  if (status & (Status.FAILED | Status.DEVICE_NEEDS_RESET)) return Result.E_FEATURES;
  return isModern(device) && !(status & Status.FEATURES_OK) ? <i32>Result.E_FEATURES : Result.OK;
}

/** Step 8: the device is live. Its queues have been set up. */
export function run(device: Device): void {
  addStatus(device, Status.DRIVER_OK);
  device.state = DeviceState.RUNNING;
}
