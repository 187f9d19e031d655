/**
 * The calls of the extra `block-commands`: what can be done with a disk beyond requests. A build leaves them out with
 * `WITHOUT_BLOCK_COMMANDS`, and with them the operations beyond READ, WRITE, FLUSH and GET_ID.
 */
import { Completion } from "../../abi/records";
import { Result } from "../../abi/results";
import { checkRecords } from "../../memory/records";
import { deviceOfType, runningResult } from "../../virtio/device";
import { BlockRequest } from "./abi";
import { setWriteback } from "./configuration";
import { BlockDevice } from "./device";
import { execute } from "./execute";
import { VIRTIO_BLK_F_CONFIG_WCE, VIRTIO_ID_BLOCK } from "./wire";

/**
 * Says which write cache the disk shall have from now on; `block_information` tells which one it has. It is set again
 * after `reset` and `resume`, before the disk takes requests, and is lost when the disk is closed.
 *
 * A write is on stable storage when it completes only if the disk wrote through all the time from its submission on.
 * Writes that were submitted before a change to 0 may still be in the cache: submit a FLUSH once they have completed.
 * [virtio-1.2 §5.2.5, §5.2.6.2]
 *
 * @param writeback 1: the disk may keep in a cache what was written, until FLUSH; 0: it writes through
 * @returns OK; E_HANDLE; E_ARGUMENT; E_UNSUPPORTED when CONFIG_WCE was not accepted; E_REFUSED when the disk has the other
 *   mode all the same; E_BROKEN, E_GONE, E_SUSPENDED
 */
export function block_set_writeback(handle: u32, writeback: u32): i32 {
  const device = changetype<BlockDevice>(deviceOfType(handle, VIRTIO_ID_BLOCK));
  const state = runningResult(device);
  if (state != Result.OK) return state;
  if (writeback > 1) return Result.E_ARGUMENT;
  if (!device.accepted(VIRTIO_BLK_F_CONFIG_WCE)) return Result.E_UNSUPPORTED;
  return setWriteback(device, writeback);
}

/**
 * Submits one request and waits until it is complete, for a kernel without interrupts: at most one notification, and no other
 * access to the device while time is left. It spins, and calls `relax` in each turn.
 *
 * Other requests continue; those that complete meanwhile are for `block_poll`. The completion of this request is
 * written here and nowhere else, unless the time is over before: then it comes back through `block_poll` as any other, and
 * its buffers are the device's until then.
 *
 * @param request address of a BlockRequest, as `block_submit` takes it
 * @param completion address of a Completion, written when 1 is returned
 * @param timeout_ns how long to wait; 0: one look
 * @returns 1 when the request is complete, also where its result is an error; 0 when the time is over; why the request was
 *   refused, as its `result`; E_HANDLE, E_ARGUMENT, E_SUSPENDED; E_BROKEN and E_GONE, and if the request was accepted, it
 *   comes back after `reset` or `close`
 */
export function block_execute(handle: u32, request: u32, completion: u32, timeout_ns: u64): i32 {
  const device = changetype<BlockDevice>(deviceOfType(handle, VIRTIO_ID_BLOCK));
  const state = runningResult(device);
  if (state != Result.OK) return state;
  if (!checkRecords(request, 1, offsetof<BlockRequest>())) return Result.E_ARGUMENT;
  if (!checkRecords(completion, 1, offsetof<Completion>())) return Result.E_ARGUMENT;
  const record = changetype<BlockRequest>(request);
  return execute(device, device.queue, record, changetype<Completion>(completion), timeout_ns);
}
