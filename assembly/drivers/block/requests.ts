/**
 * From a caller's request, whatever it looks like, to descriptor chains and back. [virtio-1.2 §5.2.6]
 *
 * Each part of a request is one chain: header, data, status byte, with the header alone in the first descriptor and the
 * status alone in the last, as a device without ANY_LAYOUT wants it. [virtio-1.2 §5.2.6.4]
 *
 * `submit.ts` and `complete.ts` do the same for the requests that most callers make, a run of them at a time. What these
 * leave is judged here from the start.
 */
import { Segment } from "../../abi/records";
import { BlockOperation, BlockRequest } from "./abi";
import { Result } from "../../abi/results";
import { recordsFit } from "../../memory/records";
import { segmentBytes } from "../../memory/segments";
import { read8 } from "../../memory/shared";
import {
  beginWalk,
  enterSegment,
  markWalk,
  returnToMark,
  runAddress,
  runBytes,
  takeRun,
  walkIsOver,
} from "../../memory/walker";
import { VIRTQ_DESC_F_WRITE } from "../../virtio/queue/layout";
import { addCommand, checkFlags, isCommand, writeHints } from "./commands";
import { BlockDevice, RequestQueue } from "./device";
import {
  BLOCK_HEADER_BYTES,
  FRAMING_DESCRIPTORS,
  isOnDisk,
  LIFETIME_BYTES,
  REQUEST_BYTES_MAX,
  SECTOR_SHIFT,
  STATUS_BYTES,
  STATUS_OFFSET,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_F_LIFETIME,
  VIRTIO_BLK_ID_BYTES,
  VIRTIO_BLK_S_IOERR,
  VIRTIO_BLK_S_OK,
  VIRTIO_BLK_S_UNSUPP,
  writeHeader,
} from "./wire";

/** Operation, flags and priority of a BlockRequest, the operation lowest: read together, and once. */
@inline
export function operationWord(request: u32): u32 {
  return load<u32>(request, offsetof<BlockRequest>("operation"));
}

/** The operation alone; a build without others makes no difference between what is beside it and an unknown one. */
@inline
function operationOf(word: u32): u32 {
  return isDefined(WITHOUT_BLOCK_COMMANDS) ? word : word & 0xff;
}

/** Why a request of so many segments must not reach the device, or OK. */
function validate(device: BlockDevice, operation: u32, segmentCount: u32): i32 {
  switch (operation) {
    case BlockOperation.READ:
      return segmentCount != 0 ? Result.OK : Result.E_SEGMENTS;
    case BlockOperation.WRITE:
      if (device.readOnly) return Result.E_READ_ONLY;
      return segmentCount != 0 ? Result.OK : Result.E_SEGMENTS;
    case BlockOperation.FLUSH:
      if (!device.accepted(VIRTIO_BLK_F_FLUSH)) return Result.E_UNSUPPORTED;
      return segmentCount == 0 ? Result.OK : Result.E_SEGMENTS;
    case BlockOperation.GET_ID:
      return segmentCount == 1 ? Result.OK : Result.E_SEGMENTS;
    default:
      if (isDefined(WITHOUT_BLOCK_COMMANDS) || operation != BlockOperation.GET_LIFETIME) return Result.E_ARGUMENT;
      if (!device.accepted(VIRTIO_BLK_F_LIFETIME)) return Result.E_UNSUPPORTED;
      return segmentCount == 1 ? Result.OK : Result.E_SEGMENTS;
  }
}

/** Why the operation must not have so many bytes, or not from there on, or OK. */
function validateBytes(device: BlockDevice, operation: u32, sector: u64, bytes: u64): i32 {
  if (operation > <u32>BlockOperation.WRITE) {
    if (!isDefined(WITHOUT_BLOCK_COMMANDS) && operation == BlockOperation.GET_LIFETIME) {
      return bytes == LIFETIME_BYTES ? Result.OK : Result.E_SEGMENTS;
    }
    return operation != BlockOperation.GET_ID || bytes == VIRTIO_BLK_ID_BYTES ? Result.OK : Result.E_SEGMENTS;
  }
  if (bytes > REQUEST_BYTES_MAX) return Result.E_SEGMENTS;
  if (((sector << SECTOR_SHIFT) | bytes) & (device.blockSize - 1)) return Result.E_ALIGNMENT;
  return isOnDisk(device.capacity, sector, bytes >> SECTOR_SHIFT) ? Result.OK : Result.E_RANGE;
}

/**
 * Checks a request and puts all its parts into the ring, or none; `kick` is the caller's.
 *
 * @returns OK, E_FULL, or why the request was refused
 */
export function addRequest(device: BlockDevice, queue: RequestQueue, request: BlockRequest): i32 {
  const segments = request.segments;
  const segmentCount = request.segment_count;
  // The same for ranges, which are larger and checked once more.
  if (segmentCount != 0 && !recordsFit(segments, segmentCount, offsetof<Segment>())) return Result.E_ARGUMENT;
  const word = operationWord(changetype<u32>(request));
  const operation = operationOf(word);
  const isOther = !isDefined(WITHOUT_BLOCK_COMMANDS) && isCommand(operation);
  let refusal = isDefined(WITHOUT_BLOCK_COMMANDS) ? <i32>Result.OK : checkFlags(device, word);
  if (refusal == Result.OK && !isOther) refusal = validate(device, operation, segmentCount);
  if (refusal != Result.OK) return refusal;
  const sector = operation > <u32>BlockOperation.WRITE ? 0 : request.sector;
  const before = queue.room;
  beginWalk(segments, segmentCount);
  const result = isOther
    ? addCommand(device, queue, word, segments, segmentCount, request.token)
    : addParts(device, queue, operation, sector, request.token);
  if (result == Result.OK) {
    if (!isDefined(WITHOUT_BLOCK_COMMANDS) && word != operation) writeHints(device, queue, before, word);
    queue.inFlight++;
    return result;
  }
  queue.undo(before);
  if (result != Result.E_FULL) return result;
  if (!isOther) {
    // Of a request that will never be accepted, the caller hears at once.
    const reason = validateBytes(device, operation, sector, segmentBytes(segments, segmentCount));
    if (reason != Result.OK) return reason;
  }
  // With an empty ring there will never be more room than now.
  return queue.outstanding == 0 ? Result.E_SEGMENTS : Result.E_FULL;
}

/** Puts all that the walk leads over into the ring. After an error the parts added until then are still there. */
function addParts(device: BlockDevice, queue: RequestQueue, operation: u32, sector: u64, token: u64): i32 {
  let first: u32 = 0;
  let parts: u32 = 0;
  let bytes: u64 = 0;
  do {
    if (queue.room == 0) return Result.E_FULL;
    const head = queue.nextHead;
    const result = addPart(device, queue, operation, sector + (bytes >> SECTOR_SHIFT));
    if (result != Result.OK) return result;
    bytes += queue.request(head).bytes;
    if (parts == 0) first = head;
    queue.notePart(head, first);
    parts++;
  } while (!walkIsOver());
  queue.noteRequest(first, parts, operation, token, <u32>bytes);
  return validateBytes(device, operation, sector, bytes);
}

/**
 * Puts as much of the walk into the ring as the device takes in one chain.
 *
 * @returns OK, E_FULL, E_SEGMENTS, E_ADDRESS
 */
function addPart(device: BlockDevice, queue: RequestQueue, operation: u32, sector: u64): i32 {
  const blockMask = device.blockSize - 1;
  const flags = operation == BlockOperation.WRITE ? 0 : VIRTQ_DESC_F_WRITE;
  let inTable = queue.hasTables;
  let movedMax = REQUEST_BYTES_MAX;
  markWalk();
  while (true) {
    const head = queue.begin(inTable);
    const headerAddress = queue.headerAddress(head);
    const dataMax = inTable ? queue.tableDataMax : queue.ringDataMax;
    const chainMax = queue.chainMax;
    if (chainMax < FRAMING_DESCRIPTORS) return Result.E_FULL;
    queue.append(headerAddress, BLOCK_HEADER_BYTES, 0);
    let moved: u32 = 0;
    for (let count: u32 = 0; moved < movedMax && !walkIsOver(); count++) {
      let result = enterSegment();
      if (result != Result.OK) return result;
      if (count == dataMax) break;
      if (count == chainMax - FRAMING_DESCRIPTORS) return Result.E_FULL;
      result = takeRun(min(device.sizeMax, movedMax - moved));
      if (result != Result.OK) return result;
      queue.append(runAddress, runBytes, flags);
      moved += runBytes;
    }
    // The device wants whole blocks, so what follows the last one goes into the next part.
    const excess = moved & blockMask;
    if (excess == 0 || walkIsOver()) {
      queue.append(headerAddress + STATUS_OFFSET, STATUS_BYTES, VIRTQ_DESC_F_WRITE);
      writeHeader(queue.header(head), operation, sector);
      queue.commit(0, moved);
      return Result.OK;
    }
    if (moved != excess) {
      movedMax = moved - excess;
    } else {
      // One block needs more descriptors than the device takes, or more than a table holds: then the ring may do.
      if (!inTable) return Result.E_SEGMENTS;
      inTable = false;
      movedMax = device.blockSize;
    }
    returnToMark();
  }
}

/** What the status byte of the chain that began at `head` means. Read once: the device can still write it. */
export function partResult(queue: RequestQueue, head: u32): i32 {
  switch (read8(queue.header(head) + STATUS_OFFSET)) {
    case VIRTIO_BLK_S_OK:
      return Result.OK;
    case VIRTIO_BLK_S_IOERR:
      return Result.E_IO;
    case VIRTIO_BLK_S_UNSUPP:
      return Result.E_UNSUPPORTED;
    default:
      return Result.E_DEVICE_STATUS;
  }
}
