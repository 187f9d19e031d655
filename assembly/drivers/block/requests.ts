/**
 * From a caller's request to descriptor chains and back. [virtio-1.2 §5.2.6]
 *
 * Each part of a request is one chain: header, data segments, status byte, with the header alone in the first
 * descriptor and the status alone in the last, as a device without ANY_LAYOUT wants it. [virtio-1.2 §5.2.6.4]
 */
import { BlockOperation, BlockRequest, Segment } from "../../abi/records";
import { Result } from "../../abi/results";
import { NO_ADDRESS } from "../../kernel";
import { contiguousBytes, lookUpAddress, pointerRangeFits } from "../../memory/addresses";
import { recordsFit } from "../../memory/records";
import { NOT_SEGMENTS, segmentBytes } from "../../memory/segments";
import { read8 } from "../../memory/shared";
import { VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE } from "../../virtio/queue/layout";
import { Virtqueue } from "../../virtio/queue/virtqueue";
import { BlockDevice, RequestState } from "./device";
import {
  HEADER_BYTES,
  HEADER_STRIDE,
  SECTOR_SHIFT,
  STATUS_BYTES,
  STATUS_OFFSET,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_ID_BYTES,
  VIRTIO_BLK_S_IOERR,
  VIRTIO_BLK_S_OK,
  VIRTIO_BLK_S_UNSUPP,
  writeHeader,
} from "./wire";

/** Most bytes of a request: the largest multiple of every block size that a completion's length can state. */
const REQUEST_BYTES_MAX: u64 = 0xff00_0000;

/** Descriptors of a part beside its data: header and status. */
const FRAMING_DESCRIPTORS: u32 = 2;

/** Descriptors of the smallest request that carries data. */
export const CHAIN_MIN: u32 = FRAMING_DESCRIPTORS + 1;

/** Why a request of so many segments must not reach the device, or OK. */
@inline
function validate(device: BlockDevice, operation: u32, segmentCount: u32): i32 {
  if (operation > <u32>BlockOperation.WRITE) return validateOther(device, operation, segmentCount);
  if (operation == BlockOperation.WRITE) {
    if (device.readOnly) return Result.E_READ_ONLY;
  }
  return segmentCount == 0 ? <i32>Result.E_SEGMENTS : Result.OK;
}

/** The same for what neither reads nor writes sectors. */
function validateOther(device: BlockDevice, operation: u32, segmentCount: u32): i32 {
  switch (operation) {
    case BlockOperation.FLUSH:
      if (!device.accepted(VIRTIO_BLK_F_FLUSH)) return Result.E_UNSUPPORTED;
      return segmentCount == 0 ? Result.OK : Result.E_SEGMENTS;
    case BlockOperation.GET_ID:
      return segmentCount == 1 ? Result.OK : Result.E_SEGMENTS;
    default:
      return Result.E_ARGUMENT;
  }
}

/** Why the operation must not have so many bytes, or not from there on, or OK. */
@inline
function validateBytes(device: BlockDevice, operation: u32, sector: u64, bytes: u64): i32 {
  if (operation > <u32>BlockOperation.WRITE) {
    return operation != BlockOperation.GET_ID || bytes == VIRTIO_BLK_ID_BYTES ? Result.OK : Result.E_SEGMENTS;
  }
  if (bytes > REQUEST_BYTES_MAX) return Result.E_SEGMENTS;
  if (((sector << SECTOR_SHIFT) | bytes) & (device.blockSize - 1)) return Result.E_ALIGNMENT;
  const sectors = bytes >> SECTOR_SHIFT;
  const capacity = device.capacity;
  if (sectors > capacity) return Result.E_RANGE;
  return sector > capacity - sectors ? Result.E_RANGE : Result.OK;
}

/**
 * Checks a request and puts all its parts into the ring, or none; `kick` is the caller's.
 *
 * @returns OK, E_FULL, or why the request was refused
 */
@inline
export function addRequest(device: BlockDevice, request: BlockRequest): i32 {
  const segments = request.segments;
  const segmentCount = request.segment_count;
  if (segmentCount != 0) {
    if (!recordsFit(segments, segmentCount, offsetof<Segment>())) return Result.E_ARGUMENT;
  }
  const operation = request.operation;
  let sector = request.sector;
  const refusal = validate(device, operation, segmentCount);
  if (refusal != Result.OK) return refusal;
  if (operation > <u32>BlockOperation.WRITE) sector = 0;

  const state = device.request(device.freeRequest);
  const result = addParts(device, state, operation, sector, segments, segmentCount);
  if (result != Result.OK) {
    return result == Result.E_FULL ? fullResult(device, operation, sector, segments, segmentCount) : result;
  }
  device.freeRequest = state.next;
  device.inFlight++;
  state.token = request.token;
  state.result = Result.OK;
  state.operation = operation;
  return Result.OK;
}

/** E_FULL, unless the request is one that will never be accepted: of that, the caller hears at once. */
function fullResult(device: BlockDevice, operation: u32, sector: u64, segments: u32, segmentCount: u32): i32 {
  const bytes = segmentBytes(segments, segmentCount);
  const refusal = bytes == NOT_SEGMENTS ? Result.E_SEGMENTS : validateBytes(device, operation, sector, bytes);
  return refusal == Result.OK ? Result.E_FULL : refusal;
}

/** Prepares what does not change from request to request, once the queue is empty. */
export function prepareRequests(device: BlockDevice): void {
  const queue = device.queue;
  // segMax may be the largest u32 there is.
  device.ringDataMax = min(device.segMax, queue.size - FRAMING_DESCRIPTORS);
  device.tableDataMax = queue.tables != 0 ? min(device.segMax, queue.tableEntries - FRAMING_DESCRIPTORS) : 0;
  describeLimits(device);
}

/** Writes down what an empty ring has room for, cut into parts of whole blocks. */
function describeLimits(device: BlockDevice): void {
  const size = device.queue.size;
  const pieces = <u32>((<u64>device.blockSize + device.sizeMax - 1) / device.sizeMax);
  let parts = size;
  let dataMax = device.tableDataMax;
  let rest: u32 = 0;
  if (dataMax < pieces) {
    // Blocks that do not fit into a table go into the ring one by one, and all of them where there are no tables.
    dataMax = dataMax == 0 ? device.ringDataMax : pieces;
    const part = dataMax + FRAMING_DESCRIPTORS;
    parts = pieces <= device.ringDataMax ? size / part : 0;
    if (device.tableDataMax == 0 && parts != 0) rest = max(size % part, FRAMING_DESCRIPTORS) - FRAMING_DESCRIPTORS;
  }
  const bytes = parts * bytesIn(device, dataMax) + bytesIn(device, rest);
  device.information.queue_size = size;
  device.information.request_segments_max = parts * dataMax + (rest < pieces ? 0 : rest);
  device.information.request_bytes_max = <u32>min(bytes, REQUEST_BYTES_MAX);
}

/** Most bytes in whole blocks that `count` data segments can have. */
function bytesIn(device: BlockDevice, count: u32): u64 {
  return (<u64>count * device.sizeMax) & ~(<u64>device.blockSize - 1);
}

/**
 * Puts the parts of a request into the ring, each as much of its segments as the device takes in one chain, and says in
 * `state` how many there are and how many bytes they have together.
 *
 * The segments may lie in memory that a device writes. Each is read once on the way, or, where a part is begun anew,
 * once more and then for good: what was read is what is checked, and what the device is told of.
 *
 * @param state of the request that the chains are to complete
 * @param segments address of the first segment
 * @returns OK, or E_FULL, E_SEGMENTS, E_ADDRESS, E_ALIGNMENT, E_RANGE with nothing added
 */
@inline
function addParts(
  device: BlockDevice,
  state: RequestState,
  operation: u32,
  sector: u64,
  segments: u32,
  segmentCount: u32,
): i32 {
  const queue = device.queue;
  const sizeMax = device.sizeMax;
  const blockMask = device.blockSize - 1;
  const token = device.freeRequest;
  const flags = operation == BlockOperation.WRITE ? VIRTQ_DESC_F_NEXT : VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE;
  const firstHead = queue.freeHead;
  const segmentsEnd = segments + segmentCount * offsetof<Segment>();
  let parts: u32 = 0;
  let bytes: u64 = 0;
  // How far the segments have been read, and what is left of the one read last.
  let segment = segments;
  let pointer: u32 = 0;
  let rest: u32 = 0;
  while (true) {
    if (queue.freeCount == 0) return undo(queue, parts, firstHead, Result.E_FULL);
    const headerOffset = queue.freeHead * HEADER_STRIDE;
    const headerAddress = device.headersAddress + headerOffset;
    const partSegment = segment;
    const partPointer = pointer;
    const partRest = rest;
    let tables = queue.tables;
    let position: u32 = 0;
    let table: u32 = 0;
    let count: u32 = 0;
    let moved: u32 = 0;
    let movedMax = <u32>REQUEST_BYTES_MAX;
    while (true) {
      let dataMax = device.tableDataMax;
      let countMax = dataMax;
      if (tables == 0) {
        const room = queue.freeCount;
        if (room < FRAMING_DESCRIPTORS) return undo(queue, parts, firstHead, Result.E_FULL);
        dataMax = device.ringDataMax;
        countMax = min(dataMax, room - FRAMING_DESCRIPTORS);
      }
      table = queue.chainTable(tables);
      position = queue.append(tables, table, queue.chainStart(tables), headerAddress, HEADER_BYTES, VIRTQ_DESC_F_NEXT);
      for (count = 0; moved < movedMax; count++) {
        if (rest == 0) {
          if (segment == segmentsEnd) break;
          pointer = changetype<Segment>(segment).pointer;
          rest = changetype<Segment>(segment).length;
          segment += offsetof<Segment>();
          if (rest == 0) return undo(queue, parts, firstHead, Result.E_SEGMENTS);
          if (!pointerRangeFits(pointer, rest)) return undo(queue, parts, firstHead, Result.E_SEGMENTS);
        }
        if (count == countMax) {
          if (countMax < dataMax) return undo(queue, parts, firstHead, Result.E_FULL);
          break;
        }
        // No further than needed, or a device that takes little at a time makes us translate the same pages ever again.
        const length = min(min(rest, sizeMax), movedMax - moved);
        const address = lookUpAddress(pointer);
        if (address == NO_ADDRESS) return undo(queue, parts, firstHead, Result.E_ADDRESS);
        const run = contiguousBytes(pointer, length, address);
        position = queue.append(tables, table, position, address, run, flags);
        moved += run;
        pointer += run;
        rest -= run;
      }
      if (rest == 0) {
        if (segment == segmentsEnd) break;
      }
      // The device wants whole blocks, so what lies behind the last one goes into the next part.
      const excess = moved & blockMask;
      if (excess == 0) break;
      if (moved != excess) {
        movedMax = moved - excess;
      } else {
        // One block is in more pieces than the device takes, or than a table has room for and the ring has.
        if (tables == 0) return undo(queue, parts, firstHead, Result.E_SEGMENTS);
        tables = 0;
        movedMax = blockMask + 1;
      }
      moved = 0;
      segment = partSegment;
      pointer = partPointer;
      rest = partRest;
    }
    position = queue.append(tables, table, position, headerAddress + STATUS_OFFSET, STATUS_BYTES, VIRTQ_DESC_F_WRITE);
    writeHeader(device.headers + headerOffset, operation, sector + (bytes >> SECTOR_SHIFT));
    queue.add(
      tables,
      token,
      position,
      count + FRAMING_DESCRIPTORS,
      (flags & VIRTQ_DESC_F_WRITE ? moved : 0) + STATUS_BYTES,
    );
    parts++;
    bytes += moved;
    if (rest == 0) {
      if (segment == segmentsEnd) break;
    }
    if (bytes > REQUEST_BYTES_MAX) return undo(queue, parts, firstHead, Result.E_SEGMENTS);
  }
  const result = validateBytes(device, operation, sector, bytes);
  if (result != Result.OK) return undo(queue, parts, firstHead, result);
  state.parts = <u16>parts;
  state.length = <u32>bytes;
  return Result.OK;
}

/** Takes the parts that were added out of the ring again, and says why. */
function undo(queue: Virtqueue, parts: u32, firstHead: u32, result: i32): i32 {
  queue.undo(parts, firstHead);
  // With an empty ring there will never be more room than now.
  return result == Result.E_FULL && queue.outstanding == 0 ? <i32>Result.E_SEGMENTS : result;
}

/** What the status byte of the chain that began at `head` means. Read once: the device can still write it. */
@inline
export function partResult(device: BlockDevice, head: u32): i32 {
  const status = read8(device.headers + head * HEADER_STRIDE + STATUS_OFFSET);
  return status == VIRTIO_BLK_S_OK ? <i32>Result.OK : errorOf(status);
}

function errorOf(status: u32): i32 {
  switch (status) {
    case VIRTIO_BLK_S_IOERR:
      return Result.E_IO;
    case VIRTIO_BLK_S_UNSUPP:
      return Result.E_UNSUPPORTED;
    default:
      return Result.E_DEVICE_STATUS;
  }
}

/**
 * Notes that a part is back.
 *
 * @param head of its chain, which has been taken from the queue
 * @param result what became of it
 * @returns the request that is now complete, or null while other parts are out
 */
@inline
export function completePart(device: BlockDevice, head: u32, result: i32): RequestState | null {
  const index = <u32>device.queue.tokenOf(head);
  const state = device.request(index);
  // The first error among the parts is the request's.
  if (result != Result.OK) {
    if (state.result == Result.OK) state.result = result;
  }
  const parts = <u32>state.parts - 1;
  state.parts = <u16>parts;
  if (parts != 0) return null;
  state.next = <u16>device.freeRequest;
  device.freeRequest = index;
  device.inFlight--;
  return state;
}
