/** The calls that every kind of device has. */
import { Result } from "../abi/results";
import { Device, deviceOf, DeviceState, isSuspended, runningResult } from "../virtio/device";
import * as lifecycle from "../virtio/lifecycle";
import { forDriver } from "./registry";

// What is done with the driver of a device, see `forDriver`.

@unmanaged
class HandleInterrupt {
  on<D>(device: D): i32 {
    return lifecycle.interrupt<D>(device);
  }
}

/** What `interrupt_vector` was asked for. */
let vectorAsked: u32 = 0;


@unmanaged
class InterruptVector {
  on<D>(device: D): i32 {
    return lifecycle.interruptVector<D>(device, vectorAsked);
  }
}


@unmanaged
class EnableInterrupts {
  on<D>(device: D): i32 {
    return device.enableInterrupts();
  }
}


@unmanaged
class DisableInterrupts {
  on<D>(device: D): i32 {
    device.disableInterrupts();
    return Result.OK;
  }
}


@unmanaged
class Reset {
  on<D>(device: D): i32 {
    return lifecycle.reset<D>(device);
  }
}

/** What `endUse` was asked for. */
let ending: lifecycle.Ending = lifecycle.Ending.CLOSE;


@unmanaged
class End {
  on<D>(device: D): i32 {
    return lifecycle.end<D>(device, ending);
  }
}

/** Resets a device, or resumes it. */
export function bringBack(device: Device): i32 {
  return forDriver<Reset>(device);
}

/** Closes a device, or suspends it. */
export function endUse(device: Device, how: lifecycle.Ending): i32 {
  ending = how;
  return forDriver<End>(device);
}

/**
 * Asks an open device whether an interrupt is its own, and quiets it if so. To be called for every device on the line
 * when it is asserted; a kernel that only polls calls it now and then to hear of configuration changes, and of a device
 * that was removed. Costs one read of a register, and in MMIO one write when the interrupt is this device's. In a memory
 * BAR, an interrupt of another device costs a second read. More only when the configuration changed.
 *
 * @returns bits of Interrupt, 0 when the interrupt was not this device's, and while it is suspended, E_HANDLE also while
 *   the device is being closed, E_GONE
 */
export function interrupt(handle: u32): i32 {
  const device = deviceOf(handle);
  if (!device || device.state == DeviceState.CLOSING) return Result.E_HANDLE;
  if (device.state == DeviceState.GONE) return Result.E_GONE;
  if (isSuspended(device)) return 0;
  return forDriver<HandleInterrupt>(device);
}

/**
 * The same for a message vector of a device that was opened with `vectors`, which is nobody else's. Touches no register
 * unless the vector may tell of configuration changes.
 *
 * @returns bits of Interrupt, 0 when the vector tells nothing, and while the device is suspended, E_HANDLE also while it is
 *   being closed, E_GONE
 */
export function interrupt_vector(handle: u32, vector: u32): i32 {
  const device = deviceOf(handle);
  if (!device || device.state == DeviceState.CLOSING) return Result.E_HANDLE;
  if (device.state == DeviceState.GONE) return Result.E_GONE;
  if (isSuspended(device)) return 0;
  vectorAsked = vector;
  return isDefined(WITHOUT_MSIX) ? 0 : forDriver<InterruptVector>(device);
}

/**
 * What has happened to the device since the last call: bits of Event, or E_HANDLE. To be called before the kernel sleeps:
 * an event that a call itself raises comes with no interrupt. Costs no access to the device.
 */
export function events(handle: u32): i32 {
  const device = deviceOf(handle);
  if (!device) return Result.E_HANDLE;
  const events = device.events;
  device.events = 0;
  return events;
}

/**
 * Asks for an interrupt at the next frame that a card receives, or the next completion of any other device. To be called
 * whenever polling has found nothing more. `net_await_all` and `block_await_all` ask for other interrupts; a card whose
 * transmit ring is full interrupts when there is room, too, and says so with the event ROOM.
 *
 * @returns 1 when `net_receive` or the device's poll call may find something already, for which no interrupt may come:
 *   poll, then call again; 0; E_HANDLE, E_BROKEN, E_GONE, E_SUSPENDED
 */
export function enable_interrupts(handle: u32): i32 {
  const device = changetype<Device>(deviceOf(handle));
  const state = runningResult(device);
  if (state != Result.OK) return state;
  return forDriver<EnableInterrupts>(device);
}

/**
 * Asks for no more interrupts of finished work, whatever asked for them; a few may still come. Configuration changes go
 * on interrupting.
 *
 * @returns OK, E_HANDLE, E_BROKEN, E_GONE, E_SUSPENDED
 */
export function disable_interrupts(handle: u32): i32 {
  const device = changetype<Device>(deviceOf(handle));
  const state = runningResult(device);
  if (state != Result.OK) return state;
  return forDriver<DisableInterrupts>(device);
}

/**
 * Resets a device and initialises it again with the features and queues it had. Works on a broken device, too, and on one
 * that was removed, if a device of its kind is in its place again, with its registers in the same place.
 *
 * What was in flight, or finished and not yet taken, comes back once, as E_RESET, through the call that takes completions:
 * `block_poll`, `net_reclaim`, `entropy_poll` or `generic_poll`. Until all of that is taken, nothing new is accepted.
 * Received frames in the caller's hands stay valid; those that `net_receive` had not handed out are lost, and counted in
 * `receive_discarded`. A card that reports its link raises LINK, and gets the settings of its control queue again; one that
 * refuses some of them raises SETTINGS. When the device does not come back, whatever answers at its PCI address has no access
 * to memory any more.
 *
 * @returns OK, E_HANDLE, E_SUSPENDED, or what the open calls return when the device does not come back; it is broken
 *   then, or, after E_GONE, E_NOT_VIRTIO and E_BAR, gone. E_BROKEN when it does not answer what is set again
 */
export function reset(handle: u32): i32 {
  const device = deviceOf(handle);
  if (!device || device.state == DeviceState.CLOSING) return Result.E_HANDLE;
  if (isSuspended(device)) return Result.E_SUSPENDED;
  return bringBack(device);
}

/**
 * Closes a device. It is reset and loses its access to memory at once, as does whatever answers at its PCI address; its
 * function is left as it was found for the rest.
 *
 * What was in flight, or finished and not yet taken, comes back once, as E_RESET, through `block_poll`, `net_reclaim`,
 * `entropy_poll` or `generic_poll`, and received frames in the caller's hands stay valid until `net_release`. The handle is
 * good for these calls, for information, statistics and events, and gone with the last of what is out. None of them
 * touches a register, nor does closing a device that is suspended.
 *
 * @returns how many completions and receive buffers are still out, 0 when the handle is gone already; E_HANDLE
 */
export function close(handle: u32): i32 {
  const device = deviceOf(handle);
  if (!device || device.state == DeviceState.CLOSING) return Result.E_HANDLE;
  return endUse(device, lifecycle.Ending.CLOSE);
}
