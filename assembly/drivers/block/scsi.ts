/**
 * SCSI commands as legacy disks take them: header, command, data, sense, result, status, each in descriptors of its own,
 * whatever the framing is otherwise. [virtio-1.2 §5.2.6.3, §5.2.6.4] A build leaves them out with
 * `WITHOUT_BLOCK_COMMANDS`.
 */
import { Result } from "../../abi/results";
import { beginWalk, enterSegment, runAddress, runBytes, takeRun, walkIsOver, walkRest } from "../../memory/walker";
import { VIRTQ_DESC_F_WRITE } from "../../virtio/queue/layout";
import { BlockOperation, BlockScsiResult } from "./abi";
import { BlockDevice, RequestQueue } from "./device";
import {
  BLOCK_HEADER_BYTES,
  REQUEST_BYTES_MAX,
  SCSI_SENSE_BUFFERSIZE,
  STATUS_BYTES,
  STATUS_OFFSET,
  VIRTIO_BLK_F_SCSI,
  writeHeader,
} from "./wire";

/** Segments beside the data: command, sense, result. */
const FRAMING_SEGMENTS: u32 = 3;

/**
 * Puts a command into the ring, in one chain.
 *
 * @param isOut whether the device reads the data
 * @param segments address of an array of `count` Segment: the command, data if there are any, sense, result
 * @returns OK, E_UNSUPPORTED, E_FULL, E_SEGMENTS, E_ADDRESS
 */
export function addScsiCommand(
  device: BlockDevice,
  queue: RequestQueue,
  isOut: bool,
  segments: u32,
  count: u32,
  token: u64,
): i32 {
  if (!device.accepted(VIRTIO_BLK_F_SCSI)) return Result.E_UNSUPPORTED;
  if (count < FRAMING_SEGMENTS) return Result.E_SEGMENTS;
  if (queue.room == 0) return Result.E_FULL;
  const head = queue.nextHead;
  let result = addChain(device, queue, queue.hasTables, isOut, segments, count);
  // What a table has no room for, the ring may have.
  if (result == Result.E_FULL && queue.hasTables) result = addChain(device, queue, false, isOut, segments, count);
  if (result == Result.OK) {
    queue.noteRequest(head, 1, BlockOperation.SCSI_CMD, token, queue.request(head).bytes);
  }
  return result;
}

function addChain(
  device: BlockDevice,
  queue: RequestQueue,
  inTable: bool,
  isOut: bool,
  segments: u32,
  count: u32,
): i32 {
  const head = queue.begin(inTable);
  const headerAddress = queue.headerAddress(head);
  // One is for the status.
  const buffersMax = queue.chainMax - 1;
  queue.append(headerAddress, BLOCK_HEADER_BYTES, 0);
  let buffers: u32 = 1;
  let dataBuffers: u32 = 0;
  let bytes: u64 = 0;
  let index: u32 = 0;
  beginWalk(segments, count);
  while (!walkIsOver()) {
    if (walkRest() == 0) index++;
    let result = enterSegment();
    if (result != Result.OK) return result;
    const isData = index != 1 && index < count - 1;
    if (index == count - 1 && walkRest() != SCSI_SENSE_BUFFERSIZE) return Result.E_SEGMENTS;
    if (index == count && walkRest() != offsetof<BlockScsiResult>()) return Result.E_SEGMENTS;
    if (buffers >= buffersMax) return Result.E_FULL;
    result = takeRun(isData ? device.sizeMax : u32.MAX_VALUE);
    if (result != Result.OK) return result;
    if (isData) {
      bytes += runBytes;
      dataBuffers++;
      if (bytes > REQUEST_BYTES_MAX || dataBuffers > device.segMax) return Result.E_SEGMENTS;
    } else if (walkRest() != 0) {
      // These have one descriptor.
      return Result.E_SEGMENTS;
    }
    queue.append(runAddress, runBytes, index == 1 || (isData && isOut) ? 0 : VIRTQ_DESC_F_WRITE);
    buffers++;
  }
  queue.append(headerAddress + STATUS_OFFSET, STATUS_BYTES, VIRTQ_DESC_F_WRITE);
  writeHeader(queue.header(head), BlockOperation.SCSI_CMD, 0);
  queue.commit(0, <u32>bytes);
  return Result.OK;
}
