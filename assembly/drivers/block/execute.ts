/**
 * One request from the call to its completion, by looking at memory alone: for a kernel that has no interrupts yet. A build
 * leaves it out with `WITHOUT_BLOCK_COMMANDS`.
 *
 * What else the device has used in the meantime stays in the used ring, where `block_poll` will find it. So the chains of
 * the request may lie behind others there. They are marked as executed, and whoever comes by takes them out in silence.
 */
import { Completion } from "../../abi/records";
import { Result } from "../../abi/results";
import { now_ns, relax } from "../../kernel";
import { read32 } from "../../memory/shared";
import { DeviceState, runningResult } from "../../virtio/device";
import { usedElement } from "../../virtio/queue/layout";
import { deviceIsGone, STANDSTILL_POLLS } from "../../virtio/transport/transport";
import { BlockRequest } from "./abi";
import { writeCompletion } from "./complete";
import { BlockDevice, EXECUTED, RequestQueue, SEEN } from "./device";
import { addRequest, partResult } from "./requests";

/**
 * Submits a request and waits for it.
 *
 * @param timeout nanoseconds, after which it is a request like any other
 * @returns 1 when it is complete; 0 when the time is over; why it was refused; E_BROKEN, E_GONE
 */
export function execute(
  device: BlockDevice,
  queue: RequestQueue,
  request: BlockRequest,
  completion: Completion,
  timeout: u64,
): i32 {
  takeExecuted(queue);
  const state = runningResult(device);
  if (state != Result.OK) return state;
  const first = queue.nextHead;
  const refusal = addRequest(device, queue, request);
  request.result = refusal;
  if (refusal != Result.OK) {
    if (refusal != Result.E_FULL) device.statistics.refused++;
    return refusal;
  }
  device.statistics.requests++;
  queue.kickRarely();
  const executed = queue.request(first);
  let left = max<u32>(executed.parts, 1);
  let result: i32 = Result.OK;
  let looked: u32 = 0;
  const start = now_ns();
  let now = start;
  let polls: u32 = 0;
  while (true) {
    const pending = queue.pending();
    for (; looked < pending; looked++) {
      const head = usedAt(queue, looked);
      if (firstOf(queue, head) != first) continue;
      const part = queue.request(head);
      if (part.operation & SEEN) continue;
      part.operation |= SEEN;
      // The first error among the parts is the request's.
      if (result == Result.OK) result = partResult(queue, head);
      left--;
    }
    if (left == 0) break;
    if (device.state != DeviceState.RUNNING) break;
    const before = now;
    now = now_ns();
    polls = now == before ? polls + 1 : 0;
    if (now - start >= timeout || polls == STANDSTILL_POLLS) {
      if (deviceIsGone(device)) device.vanish();
      break;
    }
    relax();
  }
  executed.operation &= ~SEEN;
  if (left != 0) return runningResult(device);
  executed.result = result;
  queue.inFlight--;
  writeCompletion(device, executed, completion);
  executed.operation |= EXECUTED;
  takeExecuted(queue);
  return 1;
}

/** What the device has used `ahead` after the chain that is taken next; any number, if it says so. */
function usedAt(queue: RequestQueue, ahead: u32): u32 {
  return read32(usedElement(queue.usedRing, (queue.used + ahead) & (queue.size - 1)));
}

/** Where the request begins that has a chain at `head`, which may be any number; u32.MAX_VALUE: there is no such chain. */
function firstOf(queue: RequestQueue, head: u32): u32 {
  if (head >= queue.size) return u32.MAX_VALUE;
  const part = queue.request(head);
  if (part.count == 0) return u32.MAX_VALUE;
  return part.parts == 0 ? head : part.first;
}

/** Takes executed chains that are next in the used ring. */
export function takeExecuted(queue: RequestQueue): void {
  if (queue.draining) return;
  for (let pending = queue.pending(); pending != 0; pending--) {
    const head = usedAt(queue, 0);
    const first = firstOf(queue, head);
    if (first == u32.MAX_VALUE) return;
    const request = queue.request(first);
    if (!(request.operation & EXECUTED)) return;
    queue.takeHead(head);
    const count = queue.takenCount;
    // The head of the first part is free with the last of them.
    if (head != first) queue.release(head, count);
    else if (count > 1) queue.release(queue.request(head).next, count - 1);
    if (request.parts > 1) request.parts--;
    else queue.release(first, 1);
  }
}
