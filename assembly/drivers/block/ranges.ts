/**
 * Requests that name ranges of sectors and move no data: DISCARD, WRITE_ZEROES, SECURE_ERASE. [virtio-1.2 §5.2.6] A build
 * leaves them out with `WITHOUT_BLOCK_COMMANDS`.
 *
 * The caller's ranges may lie in memory that a device writes. Each is read once, checked, and written as the device wants
 * it into memory of the queue's own: behind the three descriptors in the chain's indirect table, or, in a chain that lies
 * in the ring, into the slot of its second descriptor, which no chain begins at.
 */
import { Result } from "../../abi/results";
import { recordsFit } from "../../memory/records";
import { DESCRIPTOR_BYTES, VIRTQ_DESC_F_WRITE } from "../../virtio/queue/layout";
import { freeAt } from "../../virtio/queue/run";
import { BlockOperation, BlockRange, BlockRangeFlag } from "./abi";
import { BlockDevice, RequestQueue } from "./device";
import {
  BLOCK_HEADER_BYTES,
  CHAIN_MIN,
  FRAMING_BYTES,
  isOnDisk,
  RANGE_BYTES,
  SECTOR_SHIFT,
  STATUS_BYTES,
  STATUS_OFFSET,
  writeHeader,
  writeRange,
} from "./wire";

/** Where a table has room for ranges: behind the descriptors of header, ranges and status. */
const TABLE_RANGES_OFFSET: u32 = FRAMING_BYTES + CHAIN_MIN * DESCRIPTOR_BYTES;

/** What the device takes of ranges in one chain: sectors in all, 0 when it does not know the operation, and ranges. */
let sectorsMax: u32 = 0;
let rangesMax: u32 = 0;
/** Sectors of a block, and at multiples of how many ranges are best cut: of whole blocks. */
let blockSectors: u32 = 0;
let unit: u32 = 0;

/** The range read last, or what is left of it. */
let rangeSector: u64 = 0;
let rangeRest: u32 = 0;
let rangeFlags: u32 = 0;

/** Whether an operation is of this kind. */
export function hasRanges(operation: u32): bool {
  return (
    operation == BlockOperation.DISCARD ||
    operation == BlockOperation.WRITE_ZEROES ||
    operation == BlockOperation.SECURE_ERASE
  );
}

/**
 * Checks ranges and puts them into the ring, in as many parts as the device's limits ask for.
 *
 * @param ranges address of an array of `count` BlockRange in linear memory
 * @returns OK, E_FULL, or why the request is refused; after an error the parts added until then are still there
 */
export function addRanges(
  device: BlockDevice,
  queue: RequestQueue,
  operation: u32,
  ranges: u32,
  count: u32,
  token: u64,
): i32 {
  findLimits(device, operation);
  if (sectorsMax == 0) return Result.E_UNSUPPORTED;
  if (device.readOnly) return Result.E_READ_ONLY;
  if (count == 0) return Result.E_SEGMENTS;
  if (!recordsFit(ranges, count, offsetof<BlockRange>())) return Result.E_ARGUMENT;
  const end = ranges + count * offsetof<BlockRange>();
  const first = queue.nextHead;
  let parts: u32 = 0;
  let at = ranges;
  rangeRest = 0;
  do {
    const inTable = queue.hasTables;
    const needed: u32 = inTable ? 1 : CHAIN_MIN;
    if (queue.room < needed) return whyNoRoom(device, operation, ranges, end);
    const head = queue.begin(inTable);
    // Of a chain in the ring, the slot of the descriptor that comes second.
    const slot = inTable ? head : freeAt(queue.freeStack, queue.room - 1);
    const offset = inTable ? TABLE_RANGES_OFFSET : 0;
    const bytesMax = <u32>min<u64>(<u64>rangesMax * RANGE_BYTES, min(queue.slotBytes - offset, device.sizeMax));
    if (bytesMax < RANGE_BYTES) return Result.E_SEGMENTS;
    let left = sectorsMax;
    let bytes: u32 = 0;
    for (; bytes + RANGE_BYTES <= bytesMax && (rangeRest != 0 || at != end); bytes += RANGE_BYTES) {
      if (rangeRest == 0) {
        const result = readRange(device, operation, at);
        if (result != Result.OK) return result;
        at += offsetof<BlockRange>();
      }
      // A range that has to be cut begins a part, so that it is cut as seldom as can be.
      if (rangeRest > left && bytes != 0) break;
      const sectors = rangeRest > left ? cut(left) : rangeRest;
      if (sectors == 0) return Result.E_SEGMENTS;
      writeRange(queue.header(slot) + offset + bytes, rangeSector, sectors, rangeFlags);
      rangeSector += sectors;
      rangeRest -= sectors;
      left -= sectors;
    }
    const headerAddress = queue.headerAddress(head);
    queue.append(headerAddress, BLOCK_HEADER_BYTES, 0);
    queue.append(queue.headerAddress(slot) + offset, bytes, 0);
    queue.append(headerAddress + STATUS_OFFSET, STATUS_BYTES, VIRTQ_DESC_F_WRITE);
    writeHeader(queue.header(head), operation, 0);
    queue.commit(0, 0);
    queue.notePart(head, first);
    parts++;
  } while (rangeRest != 0 || at != end);
  queue.noteRequest(first, parts, operation, token, 0);
  return Result.OK;
}

/** What the device says it takes of an operation. */
function findLimits(device: BlockDevice, operation: u32): void {
  const information = device.information;
  let alignment: u32 = 1;
  switch (operation) {
    case BlockOperation.DISCARD:
      sectorsMax = information.max_discard_sectors;
      rangesMax = information.max_discard_seg;
      alignment = information.discard_sector_alignment;
      break;
    case BlockOperation.WRITE_ZEROES:
      sectorsMax = information.max_write_zeroes_sectors;
      rangesMax = information.max_write_zeroes_seg;
      break;
    default:
      sectorsMax = information.max_secure_erase_sectors;
      rangesMax = information.max_secure_erase_seg;
      alignment = information.secure_erase_sector_alignment;
  }
  blockSectors = device.blockSize >> SECTOR_SHIFT;
  unit = alignment & (blockSectors - 1) ? blockSectors : alignment;
}

/** Reads a range, which counts from here on. OK, or why it makes no sense. */
function readRange(device: BlockDevice, operation: u32, at: u32): i32 {
  const range = changetype<BlockRange>(at);
  rangeSector = range.sector;
  rangeRest = range.num_sectors;
  rangeFlags = range.flags;
  if (rangeFlags > (operation == BlockOperation.WRITE_ZEROES ? <u32>BlockRangeFlag.UNMAP : 0)) return Result.E_ARGUMENT;
  if (rangeRest == 0) return Result.E_SEGMENTS;
  if (((<u32>rangeSector) | rangeRest) & (blockSectors - 1)) return Result.E_ALIGNMENT;
  return isOnDisk(device.capacity, rangeSector, rangeRest) ? Result.OK : Result.E_RANGE;
}

/**
 * How much of the range goes into a part that takes no more than `left` sectors: up to the last multiple of the unit, or
 * else of a block; 0 when that is nothing.
 */
function cut(left: u32): u32 {
  const excess = <u32>((rangeSector + left) % unit);
  return left - (excess < left ? excess : left & (blockSectors - 1));
}

/** There is no room for all of a request: E_FULL, or why it will never be accepted. */
function whyNoRoom(device: BlockDevice, operation: u32, ranges: u32, end: u32): i32 {
  for (let at = ranges; at != end; at += offsetof<BlockRange>()) {
    const result = readRange(device, operation, at);
    if (result != Result.OK) return result;
  }
  return Result.E_FULL;
}
