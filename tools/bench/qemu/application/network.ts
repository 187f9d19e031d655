/**
 * Datagrams to and from a network card.
 *
 * The other side is `../peer.ts`: it throws away what comes to the discard port [RFC 863], and answers a datagram to
 * REQUEST_PORT, whose payload is two numbers of 32 bits, with that many frames of that many bytes.
 */
import { Completion, Segment } from "../../../../assembly/abi/records";
import { NetInformation, ReceivedBuffer, TransmitFrame } from "../../../../assembly/drivers/net/abi";
import { Card } from "../../../../kernel-shim/unikernel/application/card";
import { write32 } from "../../../../kernel-shim/unikernel/application/network/bytes";
import { ETHERTYPE_IPV4, writeEthernet } from "../../../../kernel-shim/unikernel/application/network/ethernet";
import { UDP_PAYLOAD, writeUdp } from "../../../../kernel-shim/unikernel/application/network/udp";
import { allocateRecords, allocateShared, recordAt } from "../../../../kernel-shim/unikernel/application/records";
import {
  disable_interrupts,
  net_information,
  net_receive,
  net_reclaim,
  net_release,
  net_transmit,
} from "../../../../kernel-shim/unikernel/application/stack";
import { begin, end, pause, restart, Waiting } from "./points";

const BATCH: u32 = 32;
/** More than QEMU's ring holds, so that it can be full. */
const FRAMES: u32 = 512;
const FRAME_BYTES: u32 = 2048;
/** In front of each frame, for the driver's header. */
const HEADER_ROOM: u32 = 16;
/** The shortest and the longest frame of Ethernet, without the checksum at the end. [IEEE 802.3 §3.2.6, §3.2.7] */
const SHORTEST_BYTES: u32 = 60;
const LONGEST_BYTES: u32 = 1514;

const DISCARD_PORT: u32 = 9;
const REQUEST_PORT: u32 = 4000;
/** 52:55:0a:00:02:02 at 10.0.2.2; the guest is 10.0.2.15. */
const PEER_MAC: u64 = 0x0202_000a_5552;
const PEER_ADDRESS: u32 = 0x0a00_0202;
const GUEST_ADDRESS: u32 = 0x0a00_020f;

let handle: i32 = 0;
let mac: u64 = 0;
/** Frames that the transmit ring holds. */
let ringFrames: u32 = 0;
let buffers: u32 = 0;
/** The next frame to be sent. They are sent in turn, and come back in turn. */
let nextFrame: u32 = 0;
let inFlight: u32 = 0;
let frames: u32 = 0;
let segments: u32 = 0;
let completions: u32 = 0;
let received: u32 = 0;
let released: u32 = 0;

function prepare(card: Card): bool {
  handle = card.handle;
  mac = card.mac;
  const information = recordAt<NetInformation>(allocateRecords<NetInformation>(1), 0);
  net_information(handle, changetype<u32>(information));
  ringFrames = min(information.transmit_queue_size, FRAMES);
  buffers = allocateShared(FRAMES * FRAME_BYTES);
  frames = allocateRecords<TransmitFrame>(BATCH);
  segments = allocateRecords<Segment>(BATCH);
  completions = allocateRecords<Completion>(BATCH);
  received = allocateRecords<ReceivedBuffer>(BATCH);
  released = <u32>heap.alloc(BATCH * 4);
  for (let index: u32 = 0; index < BATCH; index++) {
    const frame = recordAt<TransmitFrame>(frames, index);
    frame.segments = changetype<u32>(recordAt<Segment>(segments, index));
    frame.segment_count = 1;
    frame.header_room = <u16>HEADER_ROOM;
  }
  return buffers != 0 && ringFrames >= BATCH;
}

function frameAt(index: u32): u32 {
  return buffers + (index % FRAMES) * FRAME_BYTES + HEADER_ROOM;
}

/** Writes a datagram that fills a frame of `bytes`. */
function writeFrame(frame: u32, port: u32, bytes: u32): void {
  writeEthernet(frame, PEER_MAC, mac, ETHERTYPE_IPV4);
  writeUdp(frame, GUEST_ADDRESS, port, PEER_ADDRESS, port, bytes - UDP_PAYLOAD);
}

/** Hands over the next `count` frames at once. Returns how many the card took, negative when something is wrong. */
function transmit(count: u32, bytes: u32): i32 {
  for (let index: u32 = 0; index < count; index++) {
    const segment = recordAt<Segment>(segments, index);
    segment.pointer = frameAt(nextFrame + index);
    segment.length = bytes;
  }
  const accepted = net_transmit(handle, frames, count);
  if (accepted > 0) {
    nextFrame += accepted;
    inFlight += accepted;
  }
  return accepted;
}

/** Takes back what has been sent: how many frames, or a negative result. */
function reclaim(): i32 {
  const count = net_reclaim(handle, completions, BATCH);
  if (count > 0) inFlight -= count;
  return count;
}

/** Waits until everything has been sent. Returns whether that went well. */
function drain(): bool {
  while (inFlight != 0) {
    if (reclaim() < 0) return false;
  }
  return true;
}

/** Sends `count` frames, a multiple of 32. Who does not sleep hands over whole batches; who does, fills the ring. */
function measureTransmit(bytes: u32, waiting: Waiting, count: u32): bool {
  for (let index: u32 = 0; index < FRAMES; index++) writeFrame(frameAt(index), DISCARD_PORT, bytes);
  disable_interrupts(handle);
  begin("transmit ", "frames ", bytes, BATCH, waiting);
  for (let sent: u32 = 0; sent < count;) {
    const reclaimed = reclaim();
    if (reclaimed < 0) return false;
    let accepted = 0;
    if (waiting >= Waiting.SLEEP || inFlight + BATCH <= ringFrames)
      accepted = transmit(min(BATCH, count - sent), bytes);
    if (accepted < 0) return false;
    sent += accepted;
    if (accepted == 0 && reclaimed == 0) pause(waiting, handle);
  }
  if (!drain()) return false;
  end("transmit ", "frames ", bytes, BATCH, waiting, count);
  return true;
}

/** Asks the other side for frames. */
function request(count: u32, bytes: u32): bool {
  const frame = frameAt(nextFrame);
  write32(frame + UDP_PAYLOAD, count);
  write32(frame + UDP_PAYLOAD + 4, bytes);
  writeFrame(frame, REQUEST_PORT, SHORTEST_BYTES);
  return transmit(1, SHORTEST_BYTES) == 1 && drain();
}

/** Takes frames, and gives their buffers back: how many, negative when something is wrong. */
function receive(bytes: u32): i32 {
  const count = net_receive(handle, received, BATCH);
  for (let index = 0; index < count; index++) {
    const buffer = recordAt<ReceivedBuffer>(received, index);
    if (buffer.buffer_count != 1 || buffer.length != bytes) return -1;
    store<u32>(released + index * 4, buffer.buffer);
  }
  return count > 0 ? net_release(handle, released, count) : count;
}

/** Receives `count` frames. The time begins with the first, which the request and the other side's start come before. */
function measureReceive(bytes: u32, waiting: Waiting, count: u32): bool {
  disable_interrupts(handle);
  begin("receive ", "frames ", bytes, BATCH, waiting);
  if (!request(count, bytes)) return false;
  let first = 0;
  for (let left = count; left != 0;) {
    const taken = receive(bytes);
    if (taken < 0) return false;
    if (taken == 0) pause(waiting, handle);
    if (first == 0 && taken != 0) {
      first = taken;
      restart();
    }
    left -= taken;
  }
  end("receive ", "frames ", bytes, BATCH, waiting, count - first);
  return true;
}

function measureFrames(bytes: u32, count: u32): bool {
  for (let waiting = Waiting.POLL; waiting <= Waiting.SLEEP; waiting++) {
    if (!measureTransmit(bytes, waiting, count) || !measureReceive(bytes, waiting, count)) return false;
  }
  return true;
}

/**
 * Goes through all points of a card.
 *
 * @param count frames of each, a multiple of 32
 * @returns whether all went well
 */
export function measureCard(card: Card, count: u32): bool {
  if (!prepare(card) || !request(0, SHORTEST_BYTES)) return false;
  return measureFrames(SHORTEST_BYTES, count) && measureFrames(LONGEST_BYTES, count);
}
