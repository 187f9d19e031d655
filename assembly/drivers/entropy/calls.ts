/** The calls of virtio-entropy: open, request, poll. [virtio-1.2 §5.4.6] */
import { Completion } from "../../abi/records";
import { Result } from "../../abi/results";
import { checkRecords } from "../../memory/records";
import { deviceOf, deviceOfType, registerDevice, runningResult } from "../../virtio/device";
import { FEATURES_BY_DEFAULT } from "../../virtio/initialization";
import { finishClosing, open } from "../../virtio/lifecycle";
import { addBuffers, pollBuffers } from "../../virtio/queue/buffers";
import { EntropyOptions, EntropyRequest } from "./abi";
import { EntropyDriver, MINIMAL, OPTIONAL } from "./driver";
import { VIRTIO_ID_ENTROPY } from "./wire";

/**
 * Opens the entropy device at a PCI address, or in the MMIO slot that the options name. Its registers must be granted;
 * interrupts are off until `enable_interrupts`.
 *
 * @param address of the function, as `PciFunction.address`; 0 with MMIO
 * @param options address of an EntropyOptions, or 0; read during the call only
 * @returns a handle greater than 0, or E_ARGUMENT, E_INITIALIZE, E_IN_USE, E_MEMORY, E_NOT_FOUND, E_NOT_VIRTIO, E_BAR,
 *   E_RESET_TIMEOUT, E_FEATURES, E_QUEUE_SIZE, E_QUEUE_LIVE, E_DMA_MEMORY, E_GONE
 */
export function entropy_open(address: u32, options: u32): i32 {
  let allowed = FEATURES_BY_DEFAULT;
  if (options != 0) {
    if (!checkRecords(options, 1, offsetof<EntropyOptions>())) return Result.E_ARGUMENT;
    allowed = changetype<EntropyOptions>(options).features;
  }
  const handle = registerDevice(address, VIRTIO_ID_ENTROPY, offsetof<EntropyDriver>(), options);
  if (handle < 0) return handle;
  const device = changetype<EntropyDriver>(deviceOf(handle));
  return open<EntropyDriver>(device, MINIMAL, OPTIONAL & allowed);
}

/**
 * Asks for random bytes, in order, up to the first request that is not accepted; its `result` says why. The accepted ones
 * are published together, with one notification at most. Their buffers are the device's until they complete.
 *
 * @param requests address of an array of EntropyRequest
 * @returns number accepted, or E_HANDLE, E_ARGUMENT, E_BROKEN, E_GONE, E_SUSPENDED
 */
export function entropy_request(handle: u32, requests: u32, count: u32): i32 {
  const device = changetype<EntropyDriver>(deviceOfType(handle, VIRTIO_ID_ENTROPY));
  const state = runningResult(device);
  if (state != Result.OK) return state;
  if (!checkRecords(requests, count, offsetof<EntropyRequest>())) return Result.E_ARGUMENT;
  let accepted: u32 = 0;
  for (; accepted < count; accepted++) {
    const at = requests + accepted * offsetof<EntropyRequest>();
    const request = changetype<EntropyRequest>(at);
    // Pointer and length are a segment.
    const segment = at + offsetof<EntropyRequest>("pointer");
    request.result = addBuffers(device.queue, request.token, segment, 0, 1);
    if (request.result != Result.OK) break;
  }
  device.queue.kick();
  return accepted;
}

/**
 * Takes completions, in the order in which the device finished. `length` of each says how many bytes from the start of its
 * buffer are random: perhaps fewer than were asked for. After them lies what lay there before.
 *
 * @param completions address of an array of Completion with room for `capacity`
 * @returns number taken; E_HANDLE, E_ARGUMENT; with nothing to take E_BROKEN, E_GONE, E_SUSPENDED
 */
export function entropy_poll(handle: u32, completions: u32, capacity: u32): i32 {
  const device = changetype<EntropyDriver>(deviceOfType(handle, VIRTIO_ID_ENTROPY));
  if (!device) return Result.E_HANDLE;
  if (!checkRecords(completions, capacity, offsetof<Completion>())) return Result.E_ARGUMENT;
  const taken = pollBuffers(device, device.queue, completions, capacity);
  finishClosing<EntropyDriver>(device);
  return taken;
}
