/**
 * What a request can be beyond reads, writes, flushes and questions: ranges, SCSI commands, barriers, priorities. A build
 * leaves it out with `WITHOUT_BLOCK_COMMANDS`.
 */
import { Result } from "../../abi/results";
import { write32Pair } from "../../memory/shared";
import { freeAt } from "../../virtio/queue/run";
import { isModern } from "../../virtio/transport/transport";
import { BlockFlag, BlockOperation } from "./abi";
import { BlockDevice, RequestQueue } from "./device";
import { addRanges, hasRanges } from "./ranges";
import { addScsiCommand } from "./scsi";
import { VIRTIO_BLK_F_BARRIER, VIRTIO_BLK_T_BARRIER } from "./wire";

// A request's operation, flags and priority come as one number, see `operationWord`.

/** Whether an operation is one that `addCommand` puts into the ring. */
export function isCommand(operation: u32): bool {
  return operation == BlockOperation.SCSI_CMD || hasRanges(operation);
}

/**
 * Checks a request with such an operation and puts it into the ring.
 *
 * @param records address of an array of `count` BlockRange or Segment in linear memory
 * @returns OK, E_FULL, or why the request is refused; after an error parts of it may still be in the ring
 */
export function addCommand(
  device: BlockDevice,
  queue: RequestQueue,
  word: u32,
  records: u32,
  count: u32,
  token: u64,
): i32 {
  const operation = word & 0xff;
  if (hasRanges(operation)) return addRanges(device, queue, operation, records, count, token);
  return addScsiCommand(device, queue, (word & (BlockFlag.DATA_OUT << 8)) != 0, records, count, token);
}

/** Why a request must not have these flags, or OK. */
export function checkFlags(device: BlockDevice, word: u32): i32 {
  const allowed: u32 =
    (word & 0xff) == BlockOperation.SCSI_CMD ? BlockFlag.BARRIER | BlockFlag.DATA_OUT : BlockFlag.BARRIER;
  const flags = (word >> 8) & 0xff;
  if (flags & ~allowed) return Result.E_ARGUMENT;
  return flags & BlockFlag.BARRIER && !device.accepted(VIRTIO_BLK_F_BARRIER) ? <i32>Result.E_UNSUPPORTED : Result.OK;
}

/**
 * Writes barrier and priority into the headers of a request's parts, which were put into the ring when there was room for
 * `before`, and are not published: they still stand above the top of the free descriptors, the head of each part first.
 * [virtio-1.2 §5.2.6.3]
 */
export function writeHints(device: BlockDevice, queue: RequestQueue, before: u32, word: u32): void {
  const operation = word & 0xff;
  const type = word & (BlockFlag.BARRIER << 8) ? operation | VIRTIO_BLK_T_BARRIER : operation;
  // What was a priority is reserved since 1.0.
  const priority = isModern(device) ? 0 : word >> 16;
  for (let room = before; room != queue.room;) {
    const head = freeAt(queue.freeStack, room);
    write32Pair(queue.header(head), type, priority);
    room -= queue.request(head).count;
  }
}
