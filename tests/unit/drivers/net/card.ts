/** A network card that the test plays, and the records that a kernel would pass to the driver. */
import { Completion, Segment } from "../../../../assembly/abi/records";
import {
  NetInformation,
  NetOptions,
  NetStatistics,
  ReceivedBuffer,
  TransmitFrame,
} from "../../../../assembly/drivers/net/abi";
import {
  net_information,
  net_open,
  net_receive,
  net_reclaim,
  net_release,
  net_statistics,
  net_transmit,
} from "../../../../assembly/drivers/net/calls";
import { ADDRESS, addQueues, newMachine, opens, plugIn } from "../../scripted/plug";
import { Chain, Ring } from "../../scripted/ring";
import {
  device_configuration,
  device_queue,
  memory_lend,
  memory_pointer,
  memory_write16,
  memory_write32,
  memory_write8,
  trace_clear,
} from "../../scripted/script";

export const MTU: u64 = 1 << 3;
export const MAC: u64 = 1 << 5;
export const MRG_RXBUF: u64 = 1 << 15;
export const STATUS: u64 = 1 << 16;
export const ANY_LAYOUT: u64 = 1 << 27;
export const EVENT_IDX: u64 = 1 << 29;

/** Descriptors of each queue where nothing else is said. */
export const QUEUE_SIZE: u32 = 8;

const records: u32 = <u32>memory.data(16384, 8);

export const options = changetype<NetOptions>(records);
const information = changetype<NetInformation>(records + 64);
const statistics = changetype<NetStatistics>(records + 128);
/** Addresses of arrays: 32 frames, 64 completions, 64 received buffers, 64 ids, 256 segments. */
export const frames: u32 = records + 256;
export const completions: u32 = frames + 32 * 32;
export const received: u32 = completions + 64 * 16;
export const ids: u32 = received + 64 * 24;
export const segments: u32 = ids + 64 * 4;

/** The card in the scripted machine, its driver, and its queues. */
export let card: u32 = 0;
export let handle: u32 = 0;
export let receiveRing: Ring = changetype<Ring>(0);
export let transmitRing: Ring = changetype<Ring>(0);
/** 16 pages for frames to send. */
export let buffer: u32 = 0;

let nextSegment: u32 = 0;

/** Sets `bytes` bytes of the card's configuration, the first lowest. */
export function configure(offset: u32, bytes: u32, value: u64): void {
  for (let at: u32 = 0; at < bytes; at++) device_configuration(card, offset + at, (<u32>(value >> (8 * at))) & 0xff);
}

/** A machine with a card that nobody has opened: 52:54:00:12:34:56, link up, MTU 1400. */
export function plugCard(features: u64, size: u32 = QUEUE_SIZE): void {
  newMachine();
  card = plugIn(1, features);
  addQueues(card, 2, size);
  configure(0, 6, 0x5634_1200_5452);
  configure(6, 2, 1);
  configure(10, 2, 1400);
  buffer = memory_lend(16);
  nextSegment = 0;
  memory.fill(changetype<usize>(options), 0, offsetof<NetOptions>());
  options.features = u64.MAX_VALUE;
}

/** Opens the card, with `options` if it is said. Returns what the driver says. */
export function openCard(withOptions: bool = false, size: u32 = QUEUE_SIZE): i32 {
  const result = opens(net_open(ADDRESS, withOptions ? changetype<u32>(options) : 0));
  if (result <= 0) return result;
  handle = result;
  findRings(size);
  trace_clear();
  return result;
}

/** Looks where the rings are, after an opening or a reset. */
export function findRings(size: u32 = QUEUE_SIZE): void {
  receiveRing = new Ring(card, 0, size);
  transmitRing = new Ring(card, 1, size);
}

/** A card that works. */
export function newCard(features: u64, size: u32 = QUEUE_SIZE): void {
  plugCard(features, size);
  assert(openCard(false, size) > 0);
}

/** Gives one of the queues another size. */
export function resizeQueue(index: u32, size: u32): void {
  device_queue(card, index, size);
}

export function askInformation(): NetInformation {
  assert(net_information(handle, changetype<u32>(information)) == 0);
  return information;
}

export function askStatistics(): NetStatistics {
  assert(net_statistics(handle, changetype<u32>(statistics)) == 0);
  return statistics;
}

// Sending.

export function frame(index: u32): TransmitFrame {
  return changetype<TransmitFrame>(frames + index * offsetof<TransmitFrame>());
}

export function completion(index: u32): Completion {
  return changetype<Completion>(completions + index * offsetof<Completion>());
}

/** Fills in a frame without segments; `addSegment` gives it some. */
export function prepare(index: u32, token: u64, headerRoom: u16 = 0): void {
  if (index == 0) nextSegment = 0;
  const record = frame(index);
  memory.fill(changetype<usize>(record), 0, offsetof<TransmitFrame>());
  record.token = token;
  record.segments = segments + nextSegment * offsetof<Segment>();
  record.header_room = headerRoom;
  record.result = 77;
}

export function addSegment(index: u32, pointer: u32, length: u32): void {
  const record = frame(index);
  const segment = changetype<Segment>(record.segments + record.segment_count * offsetof<Segment>());
  segment.pointer = pointer;
  segment.length = length;
  record.segment_count++;
  nextSegment++;
}

/** Sends the frames prepared; returns how many were accepted. */
export function transmit(count: u32): i32 {
  return net_transmit(handle, frames, count);
}

/** Sends one frame of `bytes` bytes from `offset` in the buffer on; returns its result. */
export function send(token: u64, bytes: u32, offset: u32 = 64, headerRoom: u16 = 0): i32 {
  prepare(0, token, headerRoom);
  addSegment(0, buffer + offset, bytes);
  const accepted = transmit(1);
  return accepted < 0 ? accepted : frame(0).result;
}

export function reclaim(capacity: u32 = 64): i32 {
  return net_reclaim(handle, completions, capacity);
}

/** The next frame that the driver has published. */
export function takeFrame(): Chain {
  return transmitRing.chain(transmitRing.take());
}

// Receiving.

export function receivedBuffer(index: u32): ReceivedBuffer {
  return changetype<ReceivedBuffer>(received + index * offsetof<ReceivedBuffer>());
}

export function receive(capacity: u32 = 64): i32 {
  return net_receive(handle, received, capacity);
}

/** Gives one buffer back. */
export function release(id: u32): i32 {
  store<u32>(ids, id);
  return net_release(handle, ids, 1);
}

/** The next buffer that the driver has posted. */
export function takeBuffer(): Chain {
  return receiveRing.chain(receiveRing.take());
}

/** Where the device writes the first byte of a posted buffer. */
export function startOf(posted: Chain): u32 {
  return memory_pointer(posted.addresses[0]);
}

/** Writes a packet header of zeroes into a posted buffer, with `count` as its number of buffers. */
export function writeHeader(posted: Chain, headerBytes: u32, count: u32): void {
  const header = startOf(posted);
  memory_write32(header, 0);
  memory_write32(header + 4, 0);
  memory_write16(header + 8, 0);
  if (headerBytes == 12) memory_write16(header + 10, count);
}

/** The device receives a frame of `bytes` bytes into one buffer; the first of them is `mark`. Returns the buffer. */
export function deliver(bytes: u32, mark: u32 = 0): Chain {
  const headerBytes = askInformation().header_bytes;
  const posted = takeBuffer();
  writeHeader(posted, headerBytes, 1);
  memory_write8(startOf(posted) + headerBytes, mark);
  receiveRing.complete(posted.indices[0], headerBytes + bytes);
  return posted;
}

/** The device receives a piece of a frame over several buffers; the first says how many they are. */
export function deliverPiece(length: u32, count: u32): Chain {
  const posted = takeBuffer();
  if (count != 0) writeHeader(posted, 12, count);
  receiveRing.complete(posted.indices[0], length);
  return posted;
}
