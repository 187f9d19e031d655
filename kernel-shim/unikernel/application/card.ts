/**
 * A network card: frames in, frames out, in batches.
 *
 * Received frames stay in the driver's buffers. An answer that is made in such a buffer is sent from there; its buffer goes
 * back to the driver when the card is done with it. Nothing is copied.
 */
import { Completion, Segment } from "../../../assembly/abi/records";
import {
  NetInformation,
  NetOptions,
  NetStatistics,
  ReceivedBuffer,
  TransmitFrame,
} from "../../../assembly/drivers/net/abi";
import { DeviceDescription, describeOptions } from "./device";
import { allocateRecords, allocateShared, recordAt } from "./records";
import {
  net_await_all,
  net_information,
  net_open,
  net_receive,
  net_reclaim,
  net_release,
  net_statistics,
  net_transmit,
} from "./stack";

/** Frames that are sent or reclaimed, and buffers that are received or released, with one call; received may be more. */
const BATCH: u32 = 32;
/** Frames of our own making that can be on their way at the same time. */
const FRAMES: u32 = 32;
const FRAME_BYTES: u32 = 2048;
/** In front of each, for the driver's header. */
const HEADER_ROOM: u32 = 16;
/** In a token: it is the number of a receive buffer, not the address of a frame. */
const RECEIVE_BUFFER: u64 = 1 << 32;

export class Card {
  readonly handle: i32;
  readonly mac: u64;
  /** Drops some frames, to show that the protocols get along without them. */
  isLossy: bool = false;
  private framesSeen: u32 = 0;

  private information: NetInformation = recordAt<NetInformation>(allocateRecords<NetInformation>(1), 0);
  private received: u32;
  private receivedMax: u32;
  private completions: u32 = allocateRecords<Completion>(BATCH);
  private released: u32 = <u32>heap.alloc(BATCH * 4);
  private releasedCount: u32 = 0;
  private frames: u32 = allocateRecords<TransmitFrame>(BATCH);
  private segments: u32 = allocateRecords<Segment>(BATCH);
  private queuedCount: u32 = 0;
  /** Receive buffers that are being sent back. */
  private answersOut: u32 = 0;
  /** Frames that are not in use: a stack of addresses. */
  private free: u32 = <u32>heap.alloc(FRAMES * 4);
  private freeCount: u32 = 0;

  /** Opens the card; `handle` is negative when that fails, a result code. */
  constructor(readonly description: DeviceDescription) {
    const options = allocateRecords<NetOptions>(1);
    describeOptions(options, description);
    const handle = net_open(description.address, options);
    this.handle = handle;
    if (handle > 0) net_information(handle, changetype<u32>(this.information));
    this.mac = this.information.mac;
    // Fewer than the largest frame can have would leave that frame in the ring for ever, and all that come after it.
    this.receivedMax = max(BATCH, this.information.buffers_per_frame_max);
    this.received = allocateRecords<ReceivedBuffer>(this.receivedMax);
    const memory = allocateShared(FRAMES * FRAME_BYTES);
    for (; memory != 0 && this.freeCount < FRAMES; this.freeCount++) {
      store<u32>(this.free + this.freeCount * 4, memory + this.freeCount * FRAME_BYTES + HEADER_ROOM);
    }
  }

  /** Whether the cable is in. */
  get isConnected(): bool {
    net_information(this.handle, changetype<u32>(this.information));
    return this.information.link_up != 0;
  }

  /** Takes frames; they are read with `frame`, and each given back with `release` or sent with `answer`. */
  receive(): i32 {
    const count = net_receive(this.handle, this.received, this.receivedMax);
    for (let index = 0; index < count; index++) {
      // A frame over several buffers is longer than all that is understood here.
      const frame = this.frame(index);
      if (frame.buffer_count != 1 || this.isLost()) frame.buffer_count = 0;
    }
    return count;
  }

  /** A frame that the last `receive` took; it is whole, and to be looked at, if its `buffer_count` is 1. */
  frame(index: u32): ReceivedBuffer {
    return recordAt<ReceivedBuffer>(this.received, index);
  }

  /** Gives a receive buffer back, with the others at the next `flush`. */
  release(buffer: u32): void {
    if (this.releasedCount == BATCH) this.flushReleased();
    store<u32>(this.released + this.releasedCount++ * 4, buffer);
  }

  /** Memory for a frame, to be handed to `send`; 0 when all is in use. */
  newFrame(): u32 {
    return this.freeCount == 0 ? 0 : load<u32>(this.free + --this.freeCount * 4);
  }

  /** Sends a frame that `newFrame` gave, with the others at the next `flush`. */
  send(frame: u32, length: u32): void {
    this.queue(frame, length, HEADER_ROOM, frame);
  }

  /** Sends the frame in a receive buffer. */
  answer(received: ReceivedBuffer, length: u32): void {
    this.answersOut++;
    this.queue(received.pointer, length, 0, RECEIVE_BUFFER | received.buffer);
  }

  private queue(pointer: u32, length: u32, headerRoom: u32, token: u64): void {
    if (this.isLost()) return this.done(token);
    if (this.queuedCount == BATCH) this.flushQueued();
    const segment = recordAt<Segment>(this.segments, this.queuedCount);
    segment.pointer = pointer;
    segment.length = length;
    const frame = recordAt<TransmitFrame>(this.frames, this.queuedCount);
    frame.token = token;
    frame.segments = changetype<u32>(segment);
    frame.segment_count = 1;
    frame.header_room = <u16>headerRoom;
    this.queuedCount++;
  }

  /** Hands over what was queued and released: one call each, so one notification at most. */
  flush(): void {
    this.reclaim();
    this.flushQueued();
    this.flushReleased();
  }

  private flushQueued(): void {
    if (this.queuedCount == 0) return;
    const accepted = max(net_transmit(this.handle, this.frames, this.queuedCount), 0);
    // Where there is no room, the frame is lost, as on a busy wire.
    for (let index: u32 = accepted; index < this.queuedCount; index++) {
      this.done(recordAt<TransmitFrame>(this.frames, index).token);
    }
    this.queuedCount = 0;
  }

  private flushReleased(): void {
    if (this.releasedCount == 0) return;
    net_release(this.handle, this.released, this.releasedCount);
    this.releasedCount = 0;
  }

  /**
   * To be called before sleeping: asks to be woken when all is sent, if that is what most receive buffers wait for.
   * Otherwise nothing might arrive any more that wakes. Returns whether there is something to be done instead.
   */
  waitsForSent(): bool {
    return this.answersOut >= this.information.receive_buffers / 2 && net_await_all(this.handle) != 0;
  }

  private reclaim(): void {
    let count: i32;
    do {
      count = net_reclaim(this.handle, this.completions, BATCH);
      for (let index = 0; index < count; index++) this.done(recordAt<Completion>(this.completions, index).token);
    } while (count == BATCH);
  }

  /** Takes back the memory of a frame. */
  private done(token: u64): void {
    if (token & RECEIVE_BUFFER) {
      this.answersOut--;
      this.release(<u32>token);
    } else store<u32>(this.free + this.freeCount++ * 4, <u32>token);
  }

  /** Whether the next frame gets lost: of a lossy card the first, second, fourth, eighth, … in both directions. */
  private isLost(): bool {
    if (!this.isLossy) return false;
    const number = ++this.framesSeen;
    return (number & (number - 1)) == 0;
  }

  /** Copies the card's counters to a record. */
  statistics(record: NetStatistics): void {
    net_statistics(this.handle, changetype<u32>(record));
  }
}
