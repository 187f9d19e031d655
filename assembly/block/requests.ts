/**
 * From a caller's request to descriptor chains and back. [virtio-1.2 §5.2.6]
 *
 * Each part of a request is one chain: header, data segments, status byte, with the header alone in the first
 * descriptor and the status alone in the last, as a device without ANY_LAYOUT wants it. [virtio-1.2 §5.2.6.4]
 */
import { BlockOperation, BlockRequest, Segment } from "../abi/records";
import { Result } from "../abi/results";
import { NO_ADDRESS } from "../kernel";
import { contiguousBytes, lookUpAddress, pointerRangeFits } from "../memory/addresses";
import { recordsFit } from "../memory/records";
import { read8 } from "../memory/shared";
import { VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE } from "../virtio/vring";
import { Virtqueue } from "../virtio/virtqueue";
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

/** Payload of a request in bytes; more than REQUEST_BYTES_MAX when a segment is empty or not a range of pointers. */
@inline
function payloadBytes(segments: u32, count: u32): u64 {
  let total: u64 = 0;
  let segment = segments;
  for (let left = count; left != 0; left--) {
    const length = changetype<Segment>(segment).length;
    if (length == 0) return u64.MAX_VALUE;
    if (!pointerRangeFits(changetype<Segment>(segment).pointer, length)) return u64.MAX_VALUE;
    total += length;
    segment += offsetof<Segment>();
  }
  return total;
}

/** Why the request must not reach the device, or OK. */
@inline
function validate(device: BlockDevice, operation: u32, sector: u64, bytes: u64): i32 {
  if (operation > <u32>BlockOperation.WRITE) return validateOther(device, operation, bytes);
  if (operation == BlockOperation.WRITE) {
    if (device.readOnly) return Result.E_READ_ONLY;
  }
  // None at all is too many as well: one less than 0 is the largest number.
  if (bytes - 1 >= REQUEST_BYTES_MAX) return Result.E_SEGMENTS;
  if (((sector << SECTOR_SHIFT) | bytes) & (device.blockSize - 1)) return Result.E_ALIGNMENT;
  const sectors = bytes >> SECTOR_SHIFT;
  const capacity = device.capacity;
  if (sectors > capacity) return Result.E_RANGE;
  return sector > capacity - sectors ? Result.E_RANGE : Result.OK;
}

/** The same for what neither reads nor writes sectors. */
function validateOther(device: BlockDevice, operation: u32, bytes: u64): i32 {
  if (bytes > REQUEST_BYTES_MAX) return Result.E_SEGMENTS;
  switch (operation) {
    case BlockOperation.FLUSH:
      if (!device.accepted(VIRTIO_BLK_F_FLUSH)) return Result.E_UNSUPPORTED;
      return bytes == 0 ? Result.OK : Result.E_SEGMENTS;
    case BlockOperation.GET_ID:
      return bytes == VIRTIO_BLK_ID_BYTES ? Result.OK : Result.E_SEGMENTS;
    default:
      return Result.E_ARGUMENT;
  }
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
  const bytes = payloadBytes(segments, segmentCount);
  let sector = request.sector;
  const refusal = validate(device, operation, sector, bytes);
  if (refusal != Result.OK) return refusal;
  if (operation > <u32>BlockOperation.WRITE) sector = 0;

  const index = device.freeRequest;
  const parts = addParts(device, operation, sector, segments, <u32>bytes, index);
  if (parts < 0) return parts;
  const state = device.request(index);
  device.freeRequest = state.next;
  device.inFlight++;
  state.token = request.token;
  state.length = <u32>bytes;
  state.result = Result.OK;
  state.operation = operation;
  state.parts = <u16>parts;
  return Result.OK;
}

/** Prepares what does not change from request to request, once the queue is empty. */
export function prepareRequests(device: BlockDevice): void {
  const queue = device.queue;
  const tables = queue.tables;
  // segMax may be the largest u32 there is.
  device.dataMax = min(device.segMax, queue.chainMax - FRAMING_DESCRIPTORS);
  if (tables == 0) return;
  for (let head: u32 = 0; head < queue.size; head++) {
    const header = device.headersAddress + head * HEADER_STRIDE;
    queue.append(tables, queue.table(tables, head), 0, header, HEADER_BYTES, VIRTQ_DESC_F_NEXT);
  }
}

/**
 * Puts the parts of a request into the ring, each as much of its bytes as the device takes in one chain.
 *
 * @param segments address of the first segment
 * @param bytes sum of all segments
 * @param token for each of the chains
 * @returns number of parts, or E_FULL, E_SEGMENTS, E_ADDRESS with nothing added
 */
@inline
function addParts(device: BlockDevice, operation: u32, sector: u64, segments: u32, bytes: u32, token: u32): i32 {
  const queue = device.queue;
  const tables = queue.tables;
  const dataMax = device.dataMax;
  const sizeMax = device.sizeMax;
  const flags = operation == BlockOperation.WRITE ? VIRTQ_DESC_F_NEXT : VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE;
  const firstHead = queue.freeHead;
  let parts: u32 = 0;
  let left = bytes;
  let segment = segments;
  let offset: u32 = 0;
  do {
    if (queue.draining) return undo(queue, parts, firstHead, Result.E_FULL);
    if (queue.freeCount == 0) return undo(queue, parts, firstHead, Result.E_FULL);
    const room = queue.room(tables);
    if (room < FRAMING_DESCRIPTORS) return undo(queue, parts, firstHead, Result.E_FULL);
    const countMax = min(dataMax, room - FRAMING_DESCRIPTORS);
    const headerOffset = queue.freeHead * HEADER_STRIDE;
    const headerAddress = device.headersAddress + headerOffset;
    const firstSegment = segment;
    const firstOffset = offset;
    const table = queue.chainTable(tables);
    let position: u32 = 0;
    let count: u32 = 0;
    let moved: u32 = 0;
    let movedMax = left;
    while (true) {
      // In tables, the descriptor of the header has been there since `prepareRequests`.
      if (tables != 0) position = 1;
      else position = queue.append(0, table, queue.chainStart(0), headerAddress, HEADER_BYTES, VIRTQ_DESC_F_NEXT);
      for (count = 1; moved < movedMax; count++) {
        if (count > countMax) {
          if (countMax < dataMax) return undo(queue, parts, firstHead, Result.E_FULL);
          break;
        }
        const pointer = changetype<Segment>(segment).pointer + offset;
        const rest = changetype<Segment>(segment).length - offset;
        // No further than needed, or a device that takes little at a time makes us translate the same pages ever again.
        const length = min(min(rest, sizeMax), movedMax - moved);
        const address = lookUpAddress(pointer);
        if (address == NO_ADDRESS) return undo(queue, parts, firstHead, Result.E_ADDRESS);
        const run = contiguousBytes(pointer, length, address);
        position = queue.append(tables, table, position, address, run, flags);
        moved += run;
        offset += run;
        if (run == rest) {
          segment += offsetof<Segment>();
          offset = 0;
        }
      }
      if (moved == left) break;
      const excess = moved & (device.blockSize - 1);
      if (excess == 0) break;
      // The device wants whole blocks, so what lies behind the last one goes into the next part: once more, up to there.
      movedMax = moved - excess;
      // The blocks of this device do not fit into the segments it takes.
      if (movedMax == 0) return undo(queue, parts, firstHead, Result.E_SEGMENTS);
      moved = 0;
      segment = firstSegment;
      offset = firstOffset;
    }
    position = queue.append(tables, table, position, headerAddress + STATUS_OFFSET, STATUS_BYTES, VIRTQ_DESC_F_WRITE);
    writeHeader(device.headers + headerOffset, operation, sector);
    queue.add(tables, token, position, count + 1, (flags & VIRTQ_DESC_F_WRITE ? moved : 0) + STATUS_BYTES);
    parts++;
    left -= moved;
    sector += moved >> SECTOR_SHIFT;
  } while (left != 0);
  return parts;
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
