/**
 * Puts a run of requests into the ring: those that most callers make, as fast as it goes. [virtio-1.2 §5.2.6]
 *
 * The loop calls nothing, see `virtio/queue/run.ts`. What it leaves, `requests.ts` judges from the start.
 */
import { Segment } from "../../abi/records";
import { BlockOperation, BlockRequest } from "./abi";
import { Result } from "../../abi/results";
import { isRemembered, pointerRangeFits, rememberedAddress, rememberedRun } from "../../memory/addresses";
import { recordsFit } from "../../memory/records";
import { PAGE_BYTES } from "../../memory/shared";
import {
  DESCRIPTOR_BYTES,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  writeAvailable,
  writeDescriptorWords,
} from "../../virtio/queue/layout";
import { freeAt, stateAt } from "../../virtio/queue/run";
import { BlockDevice, RequestQueue, RequestState } from "./device";
import { operationWord } from "./requests";
import {
  FRAMING_BYTES,
  BLOCK_HEADER_BYTES,
  isOnDisk,
  REQUEST_BYTES_MAX,
  SECTOR_SHIFT,
  STATUS_BYTES,
  STATUS_OFFSET,
  writeHeader,
} from "./wire";

/** The upper half of a data descriptor's last eight bytes: flags, and in the upper 16 bits the index of the next. */
const WRITE_LINK: u32 = VIRTQ_DESC_F_NEXT;
const READ_LINK: u32 = VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE;
const NEXT_LINK: u32 = 1 << 16;
const HEADER_LINK: u32 = VIRTQ_DESC_F_NEXT + NEXT_LINK;
/** The first data descriptor is number 1, and leads to number 2. */
const FIRST_LINK: u32 = 2 * NEXT_LINK;

/**
 * Adds requests up to the first that is not common: it neither reads nor writes, does not fit an indirect table, lies in
 * memory whose addresses are not remembered, finds no room, or must be refused. `kick` is the caller's.
 *
 * @param requests address of an array of BlockRequest that ends at `end`
 * @returns address of the first request that was not added, or `end`
 */
@inline
export function submitRun(device: BlockDevice, queue: RequestQueue, requests: u32, end: u32): u32 {
  if (!queue.hasTables) return requests;
  const mask = queue.size - 1;
  const freeStack = queue.freeStack;
  const dataMax = queue.tableDataMax;
  const sizeMax = device.sizeMax;
  const operationMax: u32 = device.readOnly ? BlockOperation.READ : BlockOperation.WRITE;
  let room = queue.room;
  let available = queue.available;
  let at = requests;
  for (; at != end; at += offsetof<BlockRequest>()) {
    const request = changetype<BlockRequest>(at);
    const operation = operationWord(at);
    let segment = request.segments;
    const segmentCount = request.segment_count;
    if (operation > operationMax) break;
    // Each segment needs a descriptor at least, and 0 becomes the largest number.
    if (segmentCount - 1 >= dataMax) break;
    if (!recordsFit(segment, segmentCount, offsetof<Segment>())) break;
    if (room == 0) break;
    const head = freeAt(freeStack, room);
    const slot = head * queue.slotBytes;
    const header = queue.slots + slot;
    const headerAddress = queue.slotsAddress + slot;
    const table = header + FRAMING_BYTES;
    writeDescriptorWords(table, headerAddress, BLOCK_HEADER_BYTES, HEADER_LINK);
    // What a data descriptor says beside its length: flags, and where the next one is.
    let link: u32 = (operation == BlockOperation.WRITE ? WRITE_LINK : READ_LINK) + FIRST_LINK;
    let descriptor = table + DESCRIPTOR_BYTES;
    const descriptorsEnd = descriptor + dataMax * DESCRIPTOR_BYTES;
    const segmentsEnd = segment + segmentCount * offsetof<Segment>();
    let bytes: u64 = 0;
    // Segments within a page, as most are. Where each store is an import, a loop of their own gains nothing.
    while (!isDefined(PORTED) && segment != segmentsEnd) {
      const pointer = changetype<Segment>(segment).pointer;
      const length = changetype<Segment>(segment).length;
      // 0 becomes the largest number.
      if (length - 1 >= min(PAGE_BYTES - (pointer & (PAGE_BYTES - 1)), sizeMax)) break;
      if (!isRemembered(pointer)) break;
      writeDescriptorWords(descriptor, rememberedAddress(pointer), length, link);
      bytes += length;
      link += NEXT_LINK;
      descriptor += DESCRIPTOR_BYTES;
      segment += offsetof<Segment>();
    }
    if (segment != segmentsEnd) {
      // The others, once there was one.
      do {
        let pointer = changetype<Segment>(segment).pointer;
        let rest = changetype<Segment>(segment).length;
        if (rest - 1 >= sizeMax) break;
        if (!pointerRangeFits(pointer, rest)) break;
        bytes += rest;
        while (descriptor != descriptorsEnd) {
          if (!isRemembered(pointer)) break;
          const address = rememberedAddress(pointer);
          const run = rememberedRun(pointer, rest, address);
          writeDescriptorWords(descriptor, address, run, link);
          link += NEXT_LINK;
          descriptor += DESCRIPTOR_BYTES;
          pointer += run;
          rest -= run;
          if (rest == 0) break;
        }
        if (rest != 0) break;
        segment += offsetof<Segment>();
      } while (segment != segmentsEnd);
      if (segment != segmentsEnd) break;
      if (bytes > REQUEST_BYTES_MAX) break;
    }
    const sector = request.sector;
    // A block has at most 2^24 bytes: the lower halves decide.
    if ((((<u32>sector) << SECTOR_SHIFT) | (<u32>bytes)) & (device.blockSize - 1)) break;
    if (!isOnDisk(device.capacity, sector, bytes >> SECTOR_SHIFT)) break;

    writeDescriptorWords(descriptor, headerAddress + STATUS_OFFSET, STATUS_BYTES, VIRTQ_DESC_F_WRITE);
    writeHeader(header, operation, sector);
    const tableBytes = descriptor + DESCRIPTOR_BYTES - table;
    const tableAddress = headerAddress + FRAMING_BYTES;
    writeDescriptorWords(queue.descriptors + head * DESCRIPTOR_BYTES, tableAddress, tableBytes, VIRTQ_DESC_F_INDIRECT);
    writeAvailable(queue.availableRing, available & mask, head);
    const state = changetype<RequestState>(stateAt(queue.states, head));
    state.token = request.token;
    state.bytes = <u32>bytes;
    state.count = 1;
    state.operation = <u16>operation;
    state.parts = 0;
    request.result = Result.OK;
    room--;
    available++;
  }
  const added = (at - requests) / offsetof<BlockRequest>();
  queue.room = room;
  queue.available = available & 0xffff;
  queue.outstanding += added;
  queue.inFlight += added;
  return at;
}
