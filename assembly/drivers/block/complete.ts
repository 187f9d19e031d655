/** From what the device has used to the caller's completions. [virtio-1.2 §5.2.6] */
import { Completion } from "../../abi/records";
import { BlockOperation } from "./abi";
import { Result } from "../../abi/results";
import { read32, read8 } from "../../memory/shared";
import { usedElement } from "../../virtio/queue/layout";
import { CHAIN_IS_OLD } from "../../virtio/queue/chain-state";
import { releaseAt, stateAt } from "../../virtio/queue/run";
import { BlockDevice, EXECUTED, RequestQueue, RequestState } from "./device";
import { partResult } from "./requests";
import { STATUS_OFFSET, VIRTIO_BLK_S_OK } from "./wire";

/**
 * Completes reads and writes up to the first chain that needs different treatment: a part of a request, another
 * operation, an error, or an answer that makes no sense. The loop calls nothing, see `virtio/queue/run.ts`.
 *
 * @param completions where the completions go, as far as `end`
 * @param pending chains that can be taken
 * @returns how many were
 */
@inline
export function completeRun(device: BlockDevice, queue: RequestQueue, completions: u32, end: u32, pending: u32): u32 {
  const mask = queue.size - 1;
  const freeStack = queue.freeStack;
  const usedRing = queue.usedRing;
  let used = queue.used;
  const usedEnd = used + min(pending, (end - completions) / offsetof<Completion>());
  let room = queue.room;
  let writes: u32 = 0;
  let bytesRead: u64 = 0;
  let bytesWritten: u64 = 0;
  let at = completions;
  for (; used != usedEnd; used++) {
    const head = read32(usedElement(usedRing, used & mask));
    if (head > mask) break;
    const state = changetype<RequestState>(stateAt(queue.states, head));
    const count = state.count & ~CHAIN_IS_OLD;
    if (count == 0) break;
    const operation = <u32>state.operation;
    if (state.parts | (operation & ~(<u32>BlockOperation.WRITE))) break;
    if (read8(queue.slots + head * queue.slotBytes + STATUS_OFFSET) != VIRTIO_BLK_S_OK) break;
    state.count = 0;
    room = releaseAt(queue.states, head, count, freeStack, room);
    const bytes = state.bytes;
    const completion = changetype<Completion>(at);
    completion.token = state.token;
    completion.result = Result.OK;
    completion.length = bytes;
    at += offsetof<Completion>();
    if (operation == BlockOperation.WRITE) {
      writes++;
      bytesWritten += bytes;
    } else {
      bytesRead += bytes;
    }
  }
  const taken = used - queue.used;
  queue.used = used & 0xffff;
  queue.room = room;
  queue.outstanding -= taken;
  queue.inFlight -= taken;
  const statistics = device.statistics;
  statistics.reads += taken - writes;
  statistics.writes += writes;
  statistics.bytes_read += bytesRead;
  statistics.bytes_written += bytesWritten;
  return taken;
}

/**
 * Takes one chain, whatever it is.
 *
 * @returns completions written, 0 or 1; -1 when the device broke the rules
 */
export function completeOne(device: BlockDevice, queue: RequestQueue, completion: Completion): i32 {
  const head = queue.take();
  if (head < 0) return -1;
  const count = queue.takenCount;
  const part = queue.request(head);
  const first = part.parts == 0 ? <u32>head : <u32>part.first;
  // The first part's record is the request's, so its head is not used again before the request is complete.
  if (<u32>head != first) queue.release(head, count);
  else if (count > 1) queue.release(part.next, count - 1);
  if (!completePart(device, queue, head, partResult(queue, head), completion)) return 0;
  queue.release(first, 1);
  if (!isDefined(WITHOUT_BLOCK_COMMANDS) && queue.request(first).operation & EXECUTED) return 0;
  return 1;
}

/** Takes one chain of a queue that is being drained. Returns completions written, 0 or 1. */
export function completeDrained(device: BlockDevice, queue: RequestQueue, completion: Completion): u32 {
  const head = queue.drain();
  const isComplete = completePart(device, queue, head, Result.E_RESET, completion);
  if (!isDefined(WITHOUT_BLOCK_COMMANDS) && isComplete) {
    const part = queue.request(head);
    const request = part.parts == 0 ? part : queue.request(part.first);
    if (request.operation & EXECUTED) return 0;
  }
  return <u32>isComplete;
}

/**
 * Notes that a part is back, and says what became of its request when it was the last one.
 *
 * @param head of its chain, which has been taken from the queue
 * @returns whether the request is complete
 */
function completePart(device: BlockDevice, queue: RequestQueue, head: u32, result: i32, completion: Completion): bool {
  const part = queue.request(head);
  const request = part.parts == 0 ? part : queue.request(part.first);
  // The first error among the parts is the request's.
  if (request.result == Result.OK || part.parts == 0) request.result = result;
  if (request.parts > 1) {
    request.parts--;
    return false;
  }
  // Its completion has been handed over.
  if (!isDefined(WITHOUT_BLOCK_COMMANDS) && request.operation & EXECUTED) return true;
  queue.inFlight--;
  writeCompletion(device, request, completion);
  return true;
}

/** Says what became of a request, and counts it. */
export function writeCompletion(device: BlockDevice, request: RequestState, completion: Completion): void {
  const statistics = device.statistics;
  const isOk = request.result == Result.OK;
  completion.token = request.token;
  completion.result = request.result;
  completion.length = isOk ? request.bytes : 0;
  if (!isOk) {
    statistics.errors++;
    return;
  }
  switch (request.operation) {
    case BlockOperation.READ:
      statistics.reads++;
      statistics.bytes_read += request.bytes;
      break;
    case BlockOperation.WRITE:
      statistics.writes++;
      statistics.bytes_written += request.bytes;
      break;
    case BlockOperation.FLUSH:
      statistics.flushes++;
      break;
  }
}
