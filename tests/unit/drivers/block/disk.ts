/** A disk that the test plays, and the records that a kernel would pass to the driver. */
import { Completion, Segment } from "../../../../assembly/abi/records";
import {
  BlockInformation,
  BlockOperation,
  BlockOptions,
  BlockRequest,
  BlockStatistics,
} from "../../../../assembly/drivers/block/abi";
import {
  block_information,
  block_open,
  block_poll,
  block_statistics,
  block_submit,
} from "../../../../assembly/drivers/block/calls";
import { ADDRESS, addQueues, newMachine, opens, plugIn } from "../../scripted/plug";
import { Chain, Ring } from "../../scripted/ring";
import {
  device_configuration,
  memory_lend,
  memory_pointer,
  memory_read32,
  memory_write8,
  trace_clear,
} from "../../scripted/script";

export const SIZE_MAX: u64 = 1 << 1;
export const SEG_MAX: u64 = 1 << 2;
export const GEOMETRY: u64 = 1 << 4;
export const RO: u64 = 1 << 5;
export const BLK_SIZE: u64 = 1 << 6;
export const FLUSH: u64 = 1 << 9;
export const TOPOLOGY: u64 = 1 << 10;
export const ANY_LAYOUT: u64 = 1 << 27;
export const INDIRECT_DESC: u64 = 1 << 28;
export const EVENT_IDX: u64 = 1 << 29;

/** Pages of memory that requests can point into. */
const BUFFER_PAGES: u32 = 64;

const records: u32 = <u32>memory.data(16384, 8);

export const options = changetype<BlockOptions>(records);
export const information = changetype<BlockInformation>(records + 64);
export const statistics = changetype<BlockStatistics>(records + 192);
/** Addresses of arrays: 64 requests, 128 completions, 512 segments. */
export const requests: u32 = records + 384;
export const completions: u32 = requests + 64 * 32;
export const segments: u32 = completions + 128 * 16;

/** The disk in the scripted machine, and its driver. */
export let disk: u32 = 0;
export let handle: u32 = 0;
export let ring: Ring = changetype<Ring>(0);
/** Memory for payload. */
export let buffer: u32 = 0;

let nextSegment: u32 = 0;

/** Sets `bytes` bytes of the disk's configuration. */
export function configure(offset: u32, bytes: u32, value: u64): void {
  for (let at: u32 = 0; at < bytes; at++) device_configuration(disk, offset + at, (<u32>(value >> (8 * at))) & 0xff);
}

/** A machine with a disk of 1000 sectors that nobody has opened. */
export function plugDisk(features: u64, queueSize: u32 = 16): void {
  newMachine();
  disk = plugIn(2, features);
  addQueues(disk, 1, queueSize);
  configure(0, 8, 1000);
  buffer = memory_lend(BUFFER_PAGES);
  nextSegment = 0;
}

/** Opens the disk with the options given, or none. Returns what the driver says. */
export function openDisk(queueSize: u32 = 16, record: u32 = 0): i32 {
  const result = opens(block_open(ADDRESS, record));
  if (result <= 0) return result;
  handle = result;
  ring = new Ring(disk, 0, queueSize);
  trace_clear();
  return result;
}

/** A disk of 1000 sectors that works. */
export function newDisk(features: u64, queueSize: u32 = 16): void {
  plugDisk(features, queueSize);
  assert(openDisk(queueSize) > 0);
}

export function request(index: u32): BlockRequest {
  return changetype<BlockRequest>(requests + index * offsetof<BlockRequest>());
}

export function completion(index: u32): Completion {
  return changetype<Completion>(completions + index * offsetof<Completion>());
}

/** Fills in a request without segments; `addSegment` gives it some. */
export function prepare(index: u32, token: u64, operation: u32, sector: u64): void {
  if (index == 0) nextSegment = 0;
  const record = request(index);
  record.token = token;
  record.operation = <u8>operation;
  record.flags = 0;
  record.priority = 0;
  record.sector = sector;
  record.segments = segments + nextSegment * offsetof<Segment>();
  record.segment_count = 0;
  record.result = 77;
}

export function addSegment(index: u32, pointer: u32, length: u32): void {
  const record = request(index);
  const segment = changetype<Segment>(record.segments + record.segment_count * offsetof<Segment>());
  segment.pointer = pointer;
  segment.length = length;
  record.segment_count++;
  nextSegment++;
}

/** Submits the requests prepared; returns how many were accepted. */
export function submit(count: u32): i32 {
  return block_submit(handle, requests, count);
}

/** Submits one request over one stretch of the buffer; returns its result. */
export function submitOne(token: u64, operation: u32, sector: u64, bytes: u32, offset: u32 = 0): i32 {
  prepare(0, token, operation, sector);
  if (bytes != 0) addSegment(0, buffer + offset, bytes);
  const accepted = submit(1);
  if (accepted < 0) return accepted;
  const result = request(0).result;
  assert(accepted == (result == 0 ? 1 : 0));
  return result;
}

export function read(token: u64, sector: u64, bytes: u32): i32 {
  return submitOne(token, BlockOperation.READ, sector, bytes);
}

export function write(token: u64, sector: u64, bytes: u32): i32 {
  return submitOne(token, BlockOperation.WRITE, sector, bytes);
}

export function poll(capacity: u32 = 64): i32 {
  return block_poll(handle, completions, capacity);
}

/** What the disk says of itself. */
export function askInformation(): BlockInformation {
  assert(block_information(handle, changetype<u32>(information)) == 0);
  return information;
}

export function askStatistics(): BlockStatistics {
  assert(block_statistics(handle, changetype<u32>(statistics)) == 0);
  return statistics;
}

// The device's side.

/** The next part that the driver has published. */
export function takePart(): Chain {
  return ring.chain(ring.take());
}

export function headerType(part: Chain): u32 {
  return memory_read32(part.pointer(0));
}

export function headerSector(part: Chain): u64 {
  const header = part.pointer(0);
  return (<u64>memory_read32(header + 8)) | ((<u64>memory_read32(header + 12)) << 32);
}

/** Bytes of payload in a part. */
export function payload(part: Chain): u32 {
  let bytes: u32 = 0;
  for (let at: u32 = 1; at + 1 < part.count; at++) bytes += part.lengths[at];
  return bytes;
}

/** Completes a part with a status byte. */
export function completePart(part: Chain, status: u32): void {
  memory_write8(memory_pointer(part.addresses[part.count - 1]), status);
  ring.complete(part.indices[0], part.writable);
}

/** Completes all that was published, in order; returns how many parts that was. */
export function completeAll(status: u32 = 0): u32 {
  let count: u32 = 0;
  while (ring.waiting != 0) {
    completePart(takePart(), status);
    count++;
  }
  return count;
}
