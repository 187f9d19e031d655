/**
 * From a caller's request to descriptor chains and back. [virtio-1.2 §5.2.6]
 *
 * Each part of a request is one chain: header, data segments, status byte, with the header alone in the first
 * descriptor and the status alone in the last, as a device without ANY_LAYOUT wants it. [virtio-1.2 §5.2.6.4]
 */
import { BlockOperation, BlockRequest, Segment } from "../abi/records";
import { Result } from "../abi/results";
import { NO_ADDRESS } from "../kernel";
import { contiguousBytes, physicalAddress, pointerRangeFits } from "../memory/addresses";
import { checkRecords } from "../memory/records";
import { read8 } from "../memory/shared";
import { VIRTQ_DESC_F_WRITE } from "../virtio/vring";
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

/** Where the next byte of payload comes from while a request is cut into parts. */
let nextSegment: u32 = 0;
let nextOffset: u32 = 0;

/** Payload of a request in bytes; more than REQUEST_BYTES_MAX when a segment is empty or too many are given. */
function payloadBytes(request: BlockRequest): u64 {
  let total: u64 = 0;
  for (let index: u32 = 0; index < request.segment_count; index++) {
    const segment = changetype<Segment>(request.segments + index * offsetof<Segment>());
    if (segment.length == 0 || !pointerRangeFits(segment.pointer, segment.length)) return u64.MAX_VALUE;
    total += segment.length;
    if (total > REQUEST_BYTES_MAX) return total;
  }
  return total;
}

/** Why the request must not reach the device, or OK. */
function validate(device: BlockDevice, request: BlockRequest, bytes: u64): i32 {
  if (bytes > REQUEST_BYTES_MAX) return Result.E_SEGMENTS;
  switch (request.operation) {
    case BlockOperation.WRITE:
      if (device.readOnly) return Result.E_READ_ONLY;
    // falls through
    case BlockOperation.READ: {
      if (bytes == 0) return Result.E_SEGMENTS;
      if (((request.sector << SECTOR_SHIFT) | bytes) & (device.blockSize - 1)) return Result.E_ALIGNMENT;
      const sectors = bytes >> SECTOR_SHIFT;
      if (sectors > device.capacity || request.sector > device.capacity - sectors) return Result.E_RANGE;
      return Result.OK;
    }
    case BlockOperation.FLUSH:
      if (!device.accepted(VIRTIO_BLK_F_FLUSH)) return Result.E_UNSUPPORTED;
      return request.segment_count == 0 ? Result.OK : Result.E_SEGMENTS;
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
export function addRequest(device: BlockDevice, request: BlockRequest): i32 {
  if (request.segment_count != 0 && !checkRecords(request.segments, request.segment_count, offsetof<Segment>())) {
    return Result.E_ARGUMENT;
  }
  const bytes = payloadBytes(request);
  const refusal = validate(device, request, bytes);
  if (refusal != Result.OK) return refusal;

  const queue = device.queue;
  if (queue.room == 0) return Result.E_FULL;
  const index = device.freeRequest;
  const firstHead = queue.freeHead;
  nextSegment = request.segments;
  nextOffset = 0;
  let left = <u32>bytes;
  let sector = request.operation <= <u32>BlockOperation.WRITE ? request.sector : 0;
  let parts: u32 = 0;
  do {
    const moved = addPart(device, request.operation, sector, left, index);
    if (moved < 0) {
      queue.undo(parts, firstHead);
      // With an empty ring there will never be more room than now.
      return moved == Result.E_FULL && queue.outstanding == 0 ? Result.E_SEGMENTS : <i32>moved;
    }
    parts++;
    left -= <u32>moved;
    sector += moved >> SECTOR_SHIFT;
  } while (left != 0);

  const state = device.request(index);
  device.freeRequest = state.next;
  device.inFlight++;
  state.token = request.token;
  state.length = <u32>bytes;
  state.result = Result.OK;
  state.operation = request.operation;
  state.parts = <u16>parts;
  return Result.OK;
}

/**
 * Puts the next part of a request into the ring: as much of the `left` bytes as the device takes in one chain.
 *
 * @returns bytes of payload in the part, or E_FULL, E_SEGMENTS, E_ADDRESS with nothing added
 */
function addPart(device: BlockDevice, operation: u32, sector: u64, left: u32, requestIndex: u32): i64 {
  const queue = device.queue;
  const room = queue.room;
  if (room < FRAMING_DESCRIPTORS) return Result.E_FULL;
  // segMax may be the largest u32 there is.
  const dataMax = min(device.segMax, queue.chainMax - FRAMING_DESCRIPTORS);
  const flags = operation == BlockOperation.WRITE ? 0 : VIRTQ_DESC_F_WRITE;
  const headerOffset = queue.freeHead * HEADER_STRIDE;
  const headerAddress = device.headersAddress + headerOffset;

  const firstSegment = nextSegment;
  const firstOffset = nextOffset;
  let bytes: u32 = 0;
  let bytesMax = left;
  while (true) {
    queue.beginChain();
    queue.append(headerAddress, HEADER_BYTES, 0);
    bytes = 0;
    for (let count: u32 = 0; bytes < bytesMax && count < dataMax; count++) {
      if (count + FRAMING_DESCRIPTORS >= room) return Result.E_FULL;
      const segment = changetype<Segment>(nextSegment);
      const pointer = segment.pointer + nextOffset;
      // No further than needed, or a device that takes little at a time makes us translate the same pages ever again.
      const length = min(min(segment.length - nextOffset, device.sizeMax), bytesMax - bytes);
      const address = physicalAddress(pointer);
      if (address == NO_ADDRESS) return Result.E_ADDRESS;
      const run = contiguousBytes(pointer, length, address);
      queue.append(address, run, flags);
      bytes += run;
      advance(run);
    }
    const excess = bytes & (device.blockSize - 1);
    if (bytes == left || excess == 0) break;
    // The device wants whole blocks, so what lies behind the last one goes into the next part: once more, up to there.
    bytesMax = bytes - excess;
    // The blocks of this device do not fit into the segments it takes.
    if (bytesMax == 0) return Result.E_SEGMENTS;
    nextSegment = firstSegment;
    nextOffset = firstOffset;
  }
  queue.append(headerAddress + STATUS_OFFSET, STATUS_BYTES, VIRTQ_DESC_F_WRITE);
  writeHeader(device.headers + headerOffset, operation, sector);
  queue.add(requestIndex);
  return bytes;
}

function advance(bytes: u32): void {
  nextOffset += bytes;
  if (nextOffset == changetype<Segment>(nextSegment).length) {
    nextSegment += offsetof<Segment>();
    nextOffset = 0;
  }
}

/** What the status byte of the chain that began at `head` means. Read once: the device can still write it. */
function partResult(device: BlockDevice, head: u32): i32 {
  switch (read8(device.headers + head * HEADER_STRIDE + STATUS_OFFSET)) {
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

/**
 * Notes that a part is back, the one that the queue's `take` returned last.
 *
 * @param head of its chain
 * @param reset whether the device was reset with the part in flight
 * @returns the request that is now complete, or null while other parts are out
 */
export function completePart(device: BlockDevice, head: u32, reset: bool): RequestState | null {
  const index = <u32>device.queue.takenToken;
  const state = device.request(index);
  const result = reset ? Result.E_RESET : partResult(device, head);
  if (state.result == Result.OK) state.result = result;
  state.parts--;
  if (state.parts != 0) return null;
  state.next = <u16>device.freeRequest;
  device.freeRequest = index;
  device.inFlight--;
  return state;
}
