/**
 * The calls of the extra `block-commands`: what can be done with a disk beyond requests. A build leaves them out with
 * `WITHOUT_BLOCK_COMMANDS`, and with them the operations beyond READ, WRITE, FLUSH and GET_ID.
 */
import { Result } from "../../abi/results";
import { deviceOfType, runningResult } from "../../virtio/device";
import { setWriteback } from "./configuration";
import { BlockDevice } from "./device";
import { VIRTIO_BLK_F_CONFIG_WCE, VIRTIO_ID_BLOCK } from "./wire";

/**
 * Says which write cache the disk shall have from now on; `block_information` tells which one it has. It is set again
 * after `reset` and `resume`, before the disk takes requests, and is the device's to forget when the disk is closed.
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
