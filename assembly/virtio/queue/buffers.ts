/**
 * Chains of the caller's buffers and nothing else, for drivers whose device wants no header: one request a chain, with the
 * caller's token, and the bytes that the device wrote as its length. [virtio-1.2 §2.7.13, §2.7.14]
 */
import { Completion } from "../../abi/records";
import { Result } from "../../abi/results";
import { beginWalk, enterSegment, runAddress, runBytes, takeRun, walkIsOver } from "../../memory/walker";
import { Device, nothingTaken } from "../device";
import { VIRTQ_DESC_F_WRITE } from "./layout";
import { Virtqueue } from "./virtqueue";

/**
 * Puts a chain of buffers that the device writes into the ring; `kick` is the caller's. The buffers are the device's until
 * the chain is polled.
 *
 * @param segments address of `count` Segment in linear memory, at least one
 * @returns OK; E_FULL; E_SEGMENTS when one is empty or no range, or the ring never has room for all; E_ADDRESS
 */
export function addWritable(queue: Virtqueue, token: u64, segments: u32, count: u32): i32 {
  if (queue.room == 0) return Result.E_FULL;
  queue.begin(false);
  let bytes: u64 = 0;
  let runs: u32 = 0;
  beginWalk(segments, count);
  while (!walkIsOver()) {
    let result = enterSegment();
    if (result != Result.OK) return result;
    if (runs == queue.room) return runs == queue.size ? Result.E_SEGMENTS : Result.E_FULL;
    result = takeRun(u32.MAX_VALUE);
    if (result != Result.OK) return result;
    queue.append(runAddress, runBytes, VIRTQ_DESC_F_WRITE);
    bytes += runBytes;
    runs++;
  }
  queue.commit(token, <u32>min(bytes, u32.MAX_VALUE));
  return Result.OK;
}

/**
 * Takes chains that the device has used, in its order, or, after a reset, those that it had, as E_RESET.
 *
 * @param completions address of an array of Completion with room for `capacity`; the length is never more than was asked for
 * @returns how many; with nothing to take E_BROKEN, E_GONE
 */
export function pollBuffers(device: Device, queue: Virtqueue, completions: u32, capacity: u32): i32 {
  let pending = device.state == 0 || queue.draining ? queue.pending() : 0;
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
