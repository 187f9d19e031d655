/** A device that is put to sleep, and found again when the machine wakes up, whatever it then knows of it. */
import { Result, TransportWanted } from "../abi/results";
import { forgetKept, keepWayTo, restoreKept } from "../pci/kept";
import { Device, DeviceState } from "./device";
import { fail, isLost } from "./ending";
import { connect, release, resetDevice } from "./transport/transport";

/**
 * Ends a device's work until `findAgain`: afterwards it reaches no memory, and no register of it is touched.
 *
 * @returns OK; E_MEMORY, and nothing has changed; why it is gone; E_RESET_TIMEOUT, and it is suspended all the same
 */
export function putToSleep(device: Device): i32 {
  if (device.transportWanted != TransportWanted.MMIO) {
    const kept = keepWayTo(device.pciAddress);
    if (kept == 0) return Result.E_MEMORY;
    forgetKept(device.kept);
    device.kept = kept;
  }
  let result = connect(device);
  if (result == Result.OK) result = resetDevice(device);
  if (isLost(result)) return fail(device, result);
  release(device, result == Result.OK);
  device.state = DeviceState.SUSPENDED;
  return result;
}

/**
 * Finds the registers of a suspended device where they were; a reset can follow.
 *
 * @returns OK, or why they are not there, and nothing was written to what is: E_GONE, E_NOT_VIRTIO, E_BAR
 */
export function findAgain(device: Device): i32 {
  if (!restoreKept(device.kept)) return Result.E_GONE;
  const result = connect(device);
  // The function is the device's, and was made to answer.
  if (result == Result.E_BAR && device.transportWanted != TransportWanted.MMIO) release(device, true);
  return result;
}
