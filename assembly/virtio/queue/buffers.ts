/**
 * Queues for the caller's buffers and nothing else, for drivers whose device wants no header: one request a chain, with the
 * caller's token, and the bytes that the device wrote as its length. [virtio-1.2 §2.7.13, §2.7.14]
 */
import { Completion } from "../../abi/records";
import { Result } from "../../abi/results";
import { beginWalk, enterSegment, runAddress, runBytes, takeRun, walkIsOver, walkRest } from "../../memory/walker";
import { Device, nothingTaken } from "../device";
import { VIRTQ_DESC_F_WRITE } from "./layout";
import { Virtqueue } from "./virtqueue";

/** Descriptors of the smallest chain. */
const CHAIN_MIN: u32 = 1;
/** Most bytes of a chain. [virtio-1.2 §2.7.5.2] */
const CHAIN_BYTES_MAX: u64 = 0x1_0000_0000;

/**
 * Puts a chain of buffers into the ring; `kick` is the caller's. The buffers are the device's until the chain is polled.
 *
 * @param segments address of an array of Segment in linear memory, at least one in all
 * @param readable how many of them the device reads; they come first
 * @param writable how many of them it writes
 * @returns OK; E_FULL; E_SEGMENTS when one is empty or no range, or a chain never has room for all; E_ADDRESS
 */
export function addBuffers(queue: Virtqueue, token: u64, segments: u32, readable: u32, writable: u32): i32 {
  if (queue.room == 0) return Result.E_FULL;
  queue.begin(false);
  let bytes: u64 = 0;
  let bytesWritable: u64 = 0;
  let flags: u32 = 0;
  let runs: u32 = 0;
  beginWalk(segments, readable + writable);
  while (!walkIsOver()) {
    if (walkRest() == 0) {
      if (readable == 0) flags = VIRTQ_DESC_F_WRITE;
      else readable--;
    }
    let result = enterSegment();
    if (result != Result.OK) return result;
    if (runs == queue.room) return runs == queue.size ? Result.E_SEGMENTS : Result.E_FULL;
    result = takeRun(u32.MAX_VALUE);
    if (result != Result.OK) return result;
    bytes += runBytes;
    if (bytes > CHAIN_BYTES_MAX) return Result.E_SEGMENTS;
    if (flags != 0) bytesWritable += runBytes;
    queue.append(runAddress, runBytes, flags);
    runs++;
  }
  queue.commit(token, <u32>min(bytesWritable, u32.MAX_VALUE));
  return Result.OK;
}

/**
 * Takes chains that the device has used, in its order, or, after a reset, those that it had, as E_RESET.
 *
 * @param completions address of an array of Completion with room for `capacity`; the length is never more than was asked for
 * @returns how many; with nothing to take E_BROKEN, E_GONE, E_SUSPENDED
 */
export function pollBuffers(device: Device, queue: Virtqueue, completions: u32, capacity: u32): i32 {
  let pending = device.state == 0 || queue.draining ? queue.waiting() : 0;
  const isIdle = pending == 0;
  let taken: u32 = 0;
  for (; pending != 0 && taken < capacity; pending--) {
    const completion = changetype<Completion>(completions + taken * offsetof<Completion>());
    if (queue.draining) {
      completion.token = queue.state(queue.drain()).token;
      completion.result = Result.E_RESET;
      completion.length = 0;
    } else {
      const head = queue.take();
      if (head < 0) break;
      completion.token = queue.state(head).token;
      completion.result = Result.OK;
      completion.length = queue.writtenInto(head);
      queue.release(head, queue.takenCount);
    }
    taken++;
  }
  if (isIdle && device.state == 0) queue.watch();
  return taken == 0 ? nothingTaken(device) : taken;
}

// What a driver does with all queues of a device, if all are of this kind.

@inline
function queueOf(device: Device, index: u32): Virtqueue {
  return changetype<Virtqueue>(device.queueState(index));
}

/** Takes memory for the queues from the device's first on: OK, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY. */
export function allocateQueues(device: Device): i32 {
  let result: i32 = Result.OK;
  for (let index: u32 = 0; index < device.queueCount && result == Result.OK; index++) {
    queueOf(device, index).timeout = device.timeout;
    result = queueOf(device, index).allocate(device, index, CHAIN_MIN, 0, 0);
  }
  return result;
}

/** How many chains the caller has still to take. */
export function outstandingChains(device: Device): u32 {
  let count: u32 = 0;
  for (let index: u32 = 0; index < device.queueCount; index++) count += queueOf(device, index).outstanding;
  return count;
}

/** Asks for an interrupt at the next completion in any queue. Returns whether there is one already. */
export function enableAllCallbacks(device: Device): bool {
  let isAnyPending: bool = false;
  for (let index: u32 = 0; index < device.queueCount; index++) {
    isAnyPending = queueOf(device, index).enableCallbacks(0) || isAnyPending;
  }
  return isAnyPending;
}

export function disableAllCallbacks(device: Device): void {
  for (let index: u32 = 0; index < device.queueCount; index++) queueOf(device, index).disableCallbacks();
}
