/**
 * The calls that every kind of device has, passed on to its driver. A further driver is registered here: one line in
 * each of the tables below.
 */
import { Result } from "./abi/results";
import { closeBlock, disableBlockInterrupts, enableBlockInterrupts, interruptBlock, resetBlock } from "./block/driver";
import { VIRTIO_ID_BLOCK } from "./block/wire";
import { closeNet, disableNetInterrupts, enableNetInterrupts, interruptNet, resetNet } from "./net/driver";
import { VIRTIO_ID_NET } from "./net/wire";
import { Device, deviceOf, DeviceState } from "./virtio/device";
import { fail, runningResult, shutDown } from "./virtio/lifecycle";
import { readInterruptStatus } from "./virtio/transport";

/**
 * Asks an open device whether an interrupt is its own, and quiets it if so. To be called for every device on the line
 * when it is asserted; a kernel that only polls calls it now and then to hear of configuration changes. One port read,
 * more only when the configuration changed.
 *
 * @returns bits of Interrupt, 0 when the interrupt was not this device's, E_HANDLE
 */
export function interrupt(handle: u32): i32 {
  const device = deviceOf(handle);
  if (!device || device.state == DeviceState.CLOSING) return Result.E_HANDLE;
  const bits = readInterruptStatus(device);
  if (bits == 0) return 0;
  device.interrupts++;
  switch (device.type) {
    case VIRTIO_ID_NET:
      interruptNet(device, bits);
      break;
    case VIRTIO_ID_BLOCK:
      interruptBlock(device, bits);
      break;
  }
  return bits;
}

/** What has happened to the device since the last call: bits of Event, or E_HANDLE. */
export function events(handle: u32): i32 {
  const device = deviceOf(handle);
  if (!device) return Result.E_HANDLE;
  const events = device.events;
  device.events = 0;
  return events;
}

/**
 * Asks for an interrupt when there is something to poll. To be called whenever polling has found nothing more.
 *
 * @returns 1 when something is there already and no interrupt may come for it: poll again, then call again; 0; E_HANDLE,
 *   E_BROKEN
 */
export function enable_interrupts(handle: u32): i32 {
  const device = changetype<Device>(deviceOf(handle));
  const state = runningResult(device);
  if (state != Result.OK) return state;
  switch (device.type) {
    case VIRTIO_ID_NET:
      return enableNetInterrupts(device);
    case VIRTIO_ID_BLOCK:
      return enableBlockInterrupts(device);
  }
  return 0;
}

/**
 * Asks for no more interrupts of finished work; a few may still come. Configuration changes go on interrupting.
 *
 * @returns OK, E_HANDLE, E_BROKEN
 */
export function disable_interrupts(handle: u32): i32 {
  const device = changetype<Device>(deviceOf(handle));
  const state = runningResult(device);
  if (state != Result.OK) return state;
  switch (device.type) {
    case VIRTIO_ID_NET:
      disableNetInterrupts(device);
      break;
    case VIRTIO_ID_BLOCK:
      disableBlockInterrupts(device);
      break;
  }
  return Result.OK;
}

/**
 * Resets a device and initialises it again with the features and queues it had. Works on a broken device, too.
 *
 * What was in flight comes back once, as E_RESET, through `block_poll` or `net_reclaim`; until all of that is taken,
 * nothing new is accepted. Received frames in the caller's hands stay valid.
 *
 * @returns OK, E_HANDLE, or what `block_open` and `net_open` return when the device does not come back; it is broken then
 */
export function reset(handle: u32): i32 {
  const device = deviceOf(handle);
  if (!device || device.state == DeviceState.CLOSING) return Result.E_HANDLE;
  device.resets++;
  let result: i32 = Result.E_NOT_VIRTIO;
  switch (device.type) {
    case VIRTIO_ID_NET:
      result = resetNet(device);
      break;
    case VIRTIO_ID_BLOCK:
      result = resetBlock(device);
      break;
  }
  if (result != Result.OK) fail(device, result);
  return result;
}

/**
 * Closes a device. It is reset and loses its access to memory at once.
 *
 * What is in flight comes back once, as E_RESET, through `block_poll` or `net_reclaim`, and received frames in the
 * caller's hands stay valid until `net_release`. The handle is good for these calls, and gone with the last of them.
 *
 * @returns how many completions and receive buffers are still out, 0 when the handle is gone already; E_HANDLE
 */
export function close(handle: u32): i32 {
  const device = deviceOf(handle);
  if (!device || device.state == DeviceState.CLOSING) return Result.E_HANDLE;
  shutDown(device);
  switch (device.type) {
    case VIRTIO_ID_NET:
      return closeNet(device);
    case VIRTIO_ID_BLOCK:
      return closeBlock(device);
  }
  return 0;
}
