/** The calls that put a device to sleep and wake it up. A build leaves them out with `WITHOUT_SUSPEND`. */
import { Result } from "../abi/results";
import { deviceOf, DeviceState, runningResult } from "../virtio/device";
import { Ending } from "../virtio/lifecycle";
import { findAgain } from "../virtio/suspension";
import { bringBack, endUse } from "./calls";

/**
 * Suspends a device: it is reset and loses its access to memory, its function is left as it was found, and no call touches
 * its registers until `resume`. What it had is kept: memory, features, settings, what was asked for.
 *
 * Received frames in the caller's hands stay valid; those that `net_receive` has not handed out are lost, and counted in
 * `receive_discarded`.
 *
 * @param give_up 0: only if nothing is out, that is, no completion to be taken and no buffer to be given back; otherwise
 *   what is in flight, or finished and not yet taken, comes back once, as E_RESET, as after `reset`. A broken device gives
 *   nothing back any more, so it is always given up
 * @returns OK, also when it is suspended already; how many completions and buffers are still out, and the device goes on
 *   running; E_HANDLE; E_MEMORY, and nothing has changed; E_RESET_TIMEOUT when the device did not reset, and it is suspended
 *   all the same; E_GONE, E_NOT_VIRTIO and E_BAR, and it is gone
 */
export function suspend(handle: u32, give_up: u32): i32 {
  const device = deviceOf(handle);
  if (!device || device.state == DeviceState.CLOSING) return Result.E_HANDLE;
  if (device.state == DeviceState.SUSPENDED) return Result.OK;
  if (device.state == DeviceState.GONE) return Result.E_GONE;
  return endUse(device, give_up == 0 && device.state == DeviceState.RUNNING ? Ending.SUSPEND_IDLE : Ending.SUSPEND);
}

/**
 * Brings a suspended device back with the features, queues and settings it had, also when the machine has lost its PCI
 * configuration meanwhile: base addresses and command register of the function, its MSI-X switch, and numbers and windows of
 * the bridges on the way there. A bridge that leads to the same bus as before is only opened wider, if need be. An MSI-X
 * table that was lost is the kernel's to program again, afterwards; messages wait until then.
 *
 * A resume counts as a reset, and raises what a reset would: LINK of a card that reports its link, SETTINGS of one that
 * refuses some of its own, CAPACITY of a disk that has another one now.
 *
 * @returns OK, also when it was not suspended; E_HANDLE; E_BROKEN and E_GONE when it was that, and E_BROKEN when it does not
 *   answer what is set again, and is broken; otherwise it stays suspended, without access to memory. E_GONE, E_NOT_VIRTIO
 *   and E_BAR: it does not answer, something else does, or its registers are not where they were; nothing was written to
 *   something else. E_FEATURES, E_CONFIGURATION, E_QUEUE_SIZE, E_QUEUE_LIVE,
 *   E_DMA_MEMORY, E_RESET_TIMEOUT: it is not what it was, as with `reset`
 */
export function resume(handle: u32): i32 {
  const device = deviceOf(handle);
  if (!device) return Result.E_HANDLE;
  if (device.state != DeviceState.SUSPENDED) return runningResult(device);
  const result = findAgain(device);
  return result == Result.OK ? bringBack(device) : result;
}
