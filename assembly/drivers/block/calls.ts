/** The calls of virtio-block: open, describe, submit, poll. [virtio-1.2 §5.2] */
import { Completion, Segment } from "../../abi/records";
import { BlockInformation, BlockOptions, BlockRequest, BlockStatistics } from "./abi";
import { Result } from "../../abi/results";
import { checkRecords, recordsFit } from "../../memory/records";
import { PAGES_REMEMBERED } from "../../memory/addresses";
import { rememberPages } from "../../memory/segments";
import {
  deviceInSlot,
  deviceOf,
  deviceOfType,
  isAnother,
  nothingTaken,
  refusal,
  registerDevice,
  runningResult,
} from "../../virtio/device";
import { FEATURES_BY_DEFAULT } from "../../virtio/initialization";
import { finishClosing, open } from "../../virtio/lifecycle";
import { completeDrained, completeOne, completeRun } from "./complete";
import { BLOCK_DEVICE_BYTES, BlockDevice, RequestQueue } from "./device";
import { BlockDriver, MINIMAL, OPTIONAL } from "./driver";
import { takeExecuted } from "./execute";
import { addRequest } from "./requests";
import { submitRun } from "./submit";
import { VIRTIO_ID_BLOCK } from "./wire";

/**
 * Opens the disk at a PCI address, or in the MMIO slot that the options name. Its registers must be granted;
 * interrupts are off until `enable_interrupts`.
 *
 * @param address of the function, as `PciFunction.address`; 0 with MMIO
 * @param options address of a BlockOptions, or 0; read during the call only
 * @returns a handle greater than 0, or E_ARGUMENT, E_INITIALIZE, E_IN_USE, E_MEMORY, E_NOT_FOUND, E_NOT_VIRTIO, E_BAR,
 *   E_RESET_TIMEOUT, E_FEATURES, E_CONFIGURATION, E_QUEUE_SIZE, E_QUEUE_LIVE, E_DMA_MEMORY, E_GONE
 */
export function block_open(address: u32, options: u32): i32 {
  let allowed = FEATURES_BY_DEFAULT;
  if (options != 0) {
    if (!checkRecords(options, 1, offsetof<BlockOptions>())) return Result.E_ARGUMENT;
    allowed = changetype<BlockOptions>(options).features;
  }
  const handle = registerDevice(address, VIRTIO_ID_BLOCK, BLOCK_DEVICE_BYTES, options);
  if (handle < 0) return handle;
  const device = changetype<BlockDriver>(deviceOf(handle));
  return open<BlockDriver>(device, MINIMAL, OPTIONAL & allowed);
}

/**
 * Describes the disk, from what its device said before: as long as there is a handle, in every state.
 *
 * @param record address of a BlockInformation
 * @returns OK, E_HANDLE, E_ARGUMENT
 */
export function block_information(handle: u32, record: u32): i32 {
  const device = changetype<BlockDevice>(deviceOfType(handle, VIRTIO_ID_BLOCK));
  if (!device) return Result.E_HANDLE;
  if (!checkRecords(record, 1, offsetof<BlockInformation>())) return Result.E_ARGUMENT;
  const information = device.information;
  information.capacity = device.capacity;
  memory.copy(record, changetype<usize>(information), offsetof<BlockInformation>());
  return Result.OK;
}

/**
 * Copies the disk's counters, as long as there is a handle.
 *
 * @param record address of a BlockStatistics
 * @returns OK, E_HANDLE, E_ARGUMENT
 */
export function block_statistics(handle: u32, record: u32): i32 {
  const device = changetype<BlockDevice>(deviceOfType(handle, VIRTIO_ID_BLOCK));
  if (!device) return Result.E_HANDLE;
  if (!checkRecords(record, 1, offsetof<BlockStatistics>())) return Result.E_ARGUMENT;
  const statistics = device.statistics;
  statistics.notifications = device.queue.notifications;
  statistics.interrupts = device.interrupts;
  statistics.resets = device.resets;
  memory.copy(record, changetype<usize>(statistics), offsetof<BlockStatistics>());
  return Result.OK;
}

/**
 * Gives requests to the disk, in order, up to the first that is not accepted; its `result` says why. The accepted ones
 * are published together, with one notification at most. Their buffers are the device's until they complete.
 *
 * @param requests address of an array of BlockRequest
 * @returns number accepted, or E_HANDLE, E_ARGUMENT, E_BROKEN, E_GONE, E_SUSPENDED
 */
export function block_submit(handle: u32, requests: u32, count: u32): i32 {
  const device = changetype<BlockDevice>(deviceInSlot(handle));
  if (!device) return Result.E_HANDLE;
  if (isAnother(device, handle, VIRTIO_ID_BLOCK) | device.state) return refusal(handle, VIRTIO_ID_BLOCK);
  if (!recordsFit(requests, count, offsetof<BlockRequest>())) return Result.E_ARGUMENT;
  const queue = device.queue;
  const end = requests + count * offsetof<BlockRequest>();
  let at = requests;
  let retried = end;
  while (true) {
    at = submitRun(device, queue, at, end);
    if (at == end) break;
    const request = changetype<BlockRequest>(at);
    // Once only: its pages may be driven out again.
    if (at != retried && rememberRequests(queue, at, end)) {
      retried = at;
      continue;
    }
    const result = addRequest(device, queue, request);
    request.result = result;
    if (result != Result.OK) {
      if (result != Result.E_FULL) device.statistics.refused++;
      break;
    }
    at += offsetof<BlockRequest>();
  }
  const accepted = (at - requests) / offsetof<BlockRequest>();
  device.statistics.requests += accepted;
  queue.kick();
  return accepted;
}

/**
 * Asks for the addresses of a request's pages, where the loop left it for want of them: in the loop, with them, it takes
 * half the time that the general way takes. And of the pages of those after it, as many as are remembered at once: the
 * loop is then not left for each of them.
 *
 * @returns whether the loop may take the request now that it left
 */
function rememberRequests(queue: RequestQueue, requests: u32, end: u32): bool {
  if (!queue.hasTables) return false;
  let at = requests;
  let pages: u32 = 0;
  while (at != end && pages < PAGES_REMEMBERED) {
    const request = changetype<BlockRequest>(at);
    const segments = request.segments;
    const count = request.segment_count;
    if (!recordsFit(segments, count, offsetof<Segment>())) break;
    const asked = rememberPages(segments, count);
    if (asked < 0) break;
    pages += asked;
    // The loop left the first for another reason.
    if (pages == 0) break;
    at += offsetof<BlockRequest>();
  }
  return at != requests;
}

/**
 * Takes completions, in the order in which the device finished.
 *
 * @param completions address of an array of Completion with room for `capacity`
 * @returns number taken; E_HANDLE, E_ARGUMENT; with nothing to take E_BROKEN, E_GONE, E_SUSPENDED
 */
export function block_poll(handle: u32, completions: u32, capacity: u32): i32 {
  const device = changetype<BlockDevice>(deviceInSlot(handle));
  if (!device) return Result.E_HANDLE;
  if (isAnother(device, handle, VIRTIO_ID_BLOCK)) return Result.E_HANDLE;
  if (!recordsFit(completions, capacity, offsetof<Completion>())) return Result.E_ARGUMENT;
  const queue = device.queue;
  if (device.state | (<u32>queue.draining)) return pollStopped(device, completions, capacity);
  const end = completions + capacity * offsetof<Completion>();
  const found = queue.pending();
  let at = completions;
  for (let pending = found; ; pending--) {
    const taken = completeRun(device, queue, at, end, pending);
    at += taken * offsetof<Completion>();
    pending -= taken;
    if (pending == 0) break;
    if (at == end) {
      // Nobody would come back for them.
      if (!isDefined(WITHOUT_BLOCK_COMMANDS)) takeExecuted(queue);
      break;
    }
    const written = completeOne(device, queue, changetype<Completion>(at));
    if (written < 0) break;
    at += written * offsetof<Completion>();
  }
  if (at != completions) return (at - completions) / offsetof<Completion>();
  if (found == 0) queue.watch();
  return nothingTaken(device);
}

/** The same for a device that has been reset, closed or found broken: it uses nothing any more. */
function pollStopped(device: BlockDevice, completions: u32, capacity: u32): i32 {
  const queue = device.queue;
  let taken: u32 = 0;
  // What is left when no request is in flight are chains of `block_execute`, which complete nothing.
  while (queue.draining && (taken < capacity || queue.inFlight == 0)) {
    taken += completeDrained(device, queue, changetype<Completion>(completions + taken * offsetof<Completion>()));
  }
  const result = taken == 0 ? nothingTaken(device) : taken;
  finishClosing<BlockDriver>(changetype<BlockDriver>(device));
  return result;
}

/**
 * Asks for one interrupt, when all requests in flight have completed; `enable_interrupts` asks for one at the next
 * completion. For a caller that waits for a whole batch: no interrupt comes while one of its requests is out. With
 * nothing in flight it comes at the next completion; without EVENT_IDX, at each. [virtio-1.2 §2.7.7.1]
 *
 * @returns 1 when all of them, or without EVENT_IDX any of them, can be polled already, for which no interrupt may come;
 *   0; E_HANDLE, E_BROKEN, E_GONE, E_SUSPENDED
 */
export function block_await_all(handle: u32): i32 {
  const device = changetype<BlockDevice>(deviceOfType(handle, VIRTIO_ID_BLOCK));
  const state = runningResult(device);
  if (state != Result.OK) return state;
  const queue = device.queue;
  return queue.enableCallbacks(max(queue.outstanding, 1) - 1);
}
