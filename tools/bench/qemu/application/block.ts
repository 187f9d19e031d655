/** Reads and writes of a disk, one at a time and in batches. */
import { Completion, Segment } from "../../../../assembly/abi/records";
import { BlockOperation, BlockRequest } from "../../../../assembly/drivers/block/abi";
import { Disk } from "../../../../kernel-shim/unikernel/application/disk";
import { allocateRecords, allocateShared, recordAt } from "../../../../kernel-shim/unikernel/application/records";
import { block_poll, block_submit, disable_interrupts } from "../../../../kernel-shim/unikernel/application/stack";
import { nextPlace, startPlaces } from "./places";
import { begin, end, pause, Waiting } from "./points";

const BATCH: u32 = 32;
const SMALLEST_BYTES: u32 = 4096;
const LARGEST_BYTES: u32 = 65536;

let requests: u32 = 0;
let segments: u32 = 0;
let completions: u32 = 0;

/** Takes the memory that all points share: a buffer for each request of a batch. */
function prepare(): bool {
  requests = allocateRecords<BlockRequest>(BATCH);
  segments = allocateRecords<Segment>(BATCH);
  completions = allocateRecords<Completion>(BATCH);
  const buffers = allocateShared(BATCH * LARGEST_BYTES);
  if (buffers == 0) return false;
  for (let index: u32 = 0; index < BATCH; index++) {
    const segment = recordAt<Segment>(segments, index);
    segment.pointer = buffers + index * LARGEST_BYTES;
    const request = recordAt<BlockRequest>(requests, index);
    request.segments = changetype<u32>(segment);
    request.segment_count = 1;
  }
  return true;
}

/** Makes one request, because QEMU tells of the first that a device completes even if nobody wants to know. */
function warmUp(disk: Disk): bool {
  startPlaces(false, SMALLEST_BYTES, disk.capacity);
  const segment = recordAt<Segment>(segments, 0);
  segment.length = SMALLEST_BYTES;
  return workOff(disk.handle, 1, Waiting.POLL);
}

/** Submits a batch, and waits for all of it. Returns whether all went well. */
function workOff(handle: i32, depth: u32, waiting: Waiting): bool {
  for (let index: u32 = 0; index < depth; index++) recordAt<BlockRequest>(requests, index).sector = nextPlace();
  if (block_submit(handle, requests, depth) != depth) return false;
  let left = depth;
  while (left != 0) {
    const count = block_poll(handle, completions, left);
    if (count < 0) return false;
    for (let index: u32 = 0; index < <u32>count; index++) {
      if (recordAt<Completion>(completions, index).result != 0) return false;
    }
    if (count == 0) pause(waiting, handle);
    left -= count;
  }
  return true;
}

function measurePoint(
  disk: Disk,
  operation: BlockOperation,
  random: bool,
  bytes: u32,
  depth: u32,
  waiting: Waiting,
  count: u32,
): bool {
  for (let index: u32 = 0; index < depth; index++) {
    recordAt<BlockRequest>(requests, index).operation = <u8>operation;
    recordAt<Segment>(segments, index).length = bytes;
  }
  const what = operation == BlockOperation.READ ? "read " : "write ";
  const pattern = random ? "random " : "sequential ";
  startPlaces(random, bytes, disk.capacity);
  disable_interrupts(disk.handle);
  begin(what, pattern, bytes, depth, waiting);
  for (let done: u32 = 0; done < count; done += depth) {
    if (!workOff(disk.handle, depth, waiting)) return false;
  }
  end(what, pattern, bytes, depth, waiting, count);
  return true;
}

/** Goes through all points of one depth. */
function measureDepth(disk: Disk, depth: u32, count: u32): bool {
  for (let operation = BlockOperation.READ; operation <= BlockOperation.WRITE; operation++) {
    for (let random: u32 = 0; random < 2; random++) {
      for (let bytes = SMALLEST_BYTES; bytes <= LARGEST_BYTES; bytes *= LARGEST_BYTES / SMALLEST_BYTES) {
        for (let waiting = Waiting.POLL; waiting <= Waiting.ALL; waiting++) {
          if (!measurePoint(disk, operation, random != 0, bytes, depth, waiting, count)) return false;
        }
      }
    }
  }
  return true;
}

/**
 * Goes through all points of a disk. Single requests come first, because QEMU keeps the threads that it starts for the
 * batches, and then gives every request to another one.
 *
 * @param single requests of a point where each waits for the one before
 * @param batched requests of a point where they come in batches, a multiple of 32
 * @returns whether all requests went well
 */
export function measureDisk(disk: Disk, single: u32, batched: u32): bool {
  return prepare() && warmUp(disk) && measureDepth(disk, 1, single) && measureDepth(disk, BATCH, batched);
}
