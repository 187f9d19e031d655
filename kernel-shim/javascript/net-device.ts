/**
 * A network card: frames sent from and received in memory shared with the device, as the module's calls take and
 * give them, and conveniences that copy.
 */

import {
  NetInformationLayout,
  NetStatisticsLayout,
  ReceivedBufferLayout,
  Result,
  TransmitFrameLayout,
  type NetInformation,
  type NetStatistics,
  type PciFunction,
  type ReceiveMode,
  type Segment,
} from "./abi.js";
import type { Submitted } from "./block-device.js";
import type { Completion } from "./completions.js";
import type { StackContext } from "./context.js";
import { Device } from "./device.js";
import { check } from "./error.js";
import { FramePool } from "./frame-pool.js";
import { RecordArray } from "./private-memory.js";
import { readRecord, writeUint64 } from "./records.js";
import { SegmentLists } from "./segments.js";

/**
 * Fields of the virtio-net header that go with a frame in either direction; all are 0 for a frame that is as on the wire.
 * `TransmitFrame` and `ReceivedBuffer` of the reference say what else they can be. [virtio-1.2 §5.1.6]
 */
export interface OffloadFields {
  /** Bits of `NetHeaderFlag`. */
  flags: number;
  /** One of `NetSegmentation`, with or without ECN. */
  gso_type: number;
  hdr_len: number;
  gso_size: number;
  csum_start: number;
  csum_offset: number;
}

/** One Ethernet frame to send. */
export interface TransmitFrame extends Partial<OffloadFields> {
  /** Comes back in the completion: a whole number from 0 to 2^53 - 1. */
  token: number;
  segments: readonly Segment[];
  /** Bytes directly before the first segment that may be overwritten until completion; 0 when not given. */
  header_room?: number;
}

/** A piece of a received frame, the caller's until it gives `buffer` to `release`. */
export interface ReceivedPiece extends Segment {
  buffer: number;
}

/** One received Ethernet frame. */
export interface ReceivedFrame extends OffloadFields {
  /** Bytes of the whole frame. */
  length: number;
  buffers: ReceivedPiece[];
}

/** Bytes of an address in the module's arrays of them. */
const MAC_BYTES = 8;

/** Room that `net_debug_receive` asks for. */
const DEBUG_FRAME_BYTES = 1518;

const FRAMES = 64;
const { token, segments, segment_count, flags, gso_type, hdr_len, gso_size, csum_start, csum_offset } =
  TransmitFrameLayout.fields;
const { header_room, result } = TransmitFrameLayout.fields;
const received = ReceivedBufferLayout.fields;
const ID_BYTES = 4;

export class NetDevice extends Device {
  private readonly frames: RecordArray;
  private readonly segmentLists: SegmentLists;
  private readonly receivedBuffers: RecordArray;
  private readonly bufferIds: RecordArray;
  private readonly informationRecord: RecordArray;
  private readonly statisticsRecord: RecordArray;
  private readonly macRecords: RecordArray;
  private debugFrame: RecordArray | undefined;
  /** Fewest records that any received frame fits in. */
  private readonly buffersPerFrame: number;
  private pool: FramePool | undefined;

  constructor(context: StackContext<Device>, pciFunction: PciFunction, handle: number) {
    super(context, pciFunction, handle);
    const { privateMemory, view } = context;
    this.frames = new RecordArray(privateMemory, TransmitFrameLayout.size, FRAMES);
    this.segmentLists = new SegmentLists(view, privateMemory);
    this.receivedBuffers = new RecordArray(privateMemory, ReceivedBufferLayout.size, FRAMES);
    this.bufferIds = new RecordArray(privateMemory, ID_BYTES, FRAMES);
    this.informationRecord = new RecordArray(privateMemory, NetInformationLayout.size, 1);
    this.statisticsRecord = new RecordArray(privateMemory, NetStatisticsLayout.size, 1);
    this.macRecords = new RecordArray(privateMemory, MAC_BYTES, 1);
    this.buffersPerFrame = this.information().buffers_per_frame_max;
  }

  information(): NetInformation {
    const { pointer } = this.informationRecord;
    check("net_information", this.context.exports.net_information(this.handle, pointer));
    return readRecord(this.context.view, NetInformationLayout, pointer);
  }

  statistics(): NetStatistics {
    const { pointer } = this.statisticsRecord;
    check("net_statistics", this.context.exports.net_statistics(this.handle, pointer));
    return readRecord(this.context.view, NetStatisticsLayout, pointer);
  }

  /** The card's address: six octets in the order of transmission. */
  mac(): Uint8Array {
    const octets = new Uint8Array(8);
    new DataView(octets.buffer).setBigUint64(0, this.information().mac, true);
    return octets.subarray(0, 6);
  }

  /**
   * Sends a batch in order, with one notification at most, up to the first frame that is refused. The memory is the
   * device's until the completion is taken with `reclaim`.
   */
  transmit(frames: readonly TransmitFrame[]): Submitted {
    this.frames.reserve(frames.length);
    this.segmentLists.begin(frames);
    let record = this.frames.pointer;
    for (const frame of frames) {
      this.writeFrame(record, frame, frame.token);
      record += TransmitFrameLayout.size;
    }
    return this.transmitRecords(frames.length);
  }

  /** Takes up to `max` completions of transmitted frames. */
  reclaim(max = Number.MAX_SAFE_INTEGER): Completion[] {
    return this.completions.poll(max);
  }

  /**
   * Asks for one interrupt when all frames in flight have been sent, beside those that `enableInterrupts` asks for. True
   * when they can be reclaimed already. A call that waits may end the wish.
   */
  awaitAll(): boolean {
    this.interruptsWanted = true;
    return check("net_await_all", this.context.exports.net_await_all(this.handle)) > 0;
  }

  /**
   * Takes received frames, as many as fit `maxBuffers` buffers (at least one frame, whatever it says). Their memory
   * is the caller's until `release`; the receive ring runs dry when the caller keeps too many.
   */
  receive(maxBuffers = FRAMES): ReceivedFrame[] {
    const { exports, view } = this.context;
    const capacity = Math.max(maxBuffers, this.buffersPerFrame);
    this.receivedBuffers.reserve(capacity);
    const { pointer } = this.receivedBuffers;
    const count = check("net_receive", exports.net_receive(this.handle, pointer, capacity));
    const frames: ReceivedFrame[] = [];
    let frame: ReceivedFrame | undefined;
    for (let index = 0, record = pointer; index < count; index++, record += ReceivedBufferLayout.size) {
      if (frame === undefined || view.getUint16(record + received.buffer_count.offset, true) > 0) {
        frame = this.readReceived(record);
        frames.push(frame);
      }
      const length = view.getUint32(record + received.length.offset, true);
      frame.length += length;
      frame.buffers.push({
        pointer: view.getUint32(record + received.pointer.offset, true),
        length,
        buffer: view.getUint32(record + received.buffer.offset, true),
      });
    }
    return frames;
  }

  /**
   * Gives receive buffers back, by the `buffer` of their pieces, with one notification at most. Returns how many
   * were taken: fewer than given when one behind the first is not in the caller's hands.
   */
  release(buffers: readonly number[]): number {
    const { exports, view } = this.context;
    this.bufferIds.reserve(buffers.length);
    let address = this.bufferIds.pointer;
    for (const buffer of buffers) {
      view.setUint32(address, buffer, true);
      address += ID_BYTES;
    }
    const count = check("net_release", exports.net_release(this.handle, this.bufferIds.pointer, buffers.length));
    this.returned(count);
    return count;
  }

  /**
   * Sends a copy of one frame that fits the MTU. False when there is no room for it now.
   *
   * @param fields what the device shall do to it; nothing unless given
   */
  sendFrame(bytes: Uint8Array, fields: Partial<OffloadFields> = {}): boolean {
    const { machine } = this.context;
    this.pool ??= new FramePool(machine, this.information().mtu);
    const { pool } = this;
    let pointer = pool.take();
    if (pointer === undefined) {
      this.completions.collectOwn();
      pointer = pool.take();
      if (pointer === undefined) {
        return false;
      }
    }
    const place = pointer;
    if (bytes.length > pool.frameBytes) {
      pool.give(place);
      return check("sendFrame", Result.E_FRAME_SIZE) >= 0;
    }
    machine.writeBuffer(place, bytes);
    const frame = { ...fields, segments: [{ pointer: place, length: bytes.length }], header_room: pool.headerRoom };
    const ownToken = this.completions.register(() => {
      pool.give(place);
    });
    this.segmentLists.begin([frame]);
    this.writeFrame(this.frames.pointer, frame, ownToken);
    // What it stays when the call itself is refused.
    let refusal: number = Result.E_BROKEN;
    try {
      ({ refusal } = this.transmitRecords(1));
      if (refusal === Result.E_FULL) {
        this.completions.collectOwn();
        ({ refusal } = this.transmitRecords(1));
      }
    } finally {
      if (refusal !== 0) {
        this.completions.unregister(ownToken);
        pool.give(place);
      }
    }
    if (refusal !== 0 && refusal !== Result.E_FULL) {
      check("sendFrame", refusal);
    }
    return refusal === 0;
  }

  /**
   * Copies of the frames received so far; their buffers go back to the card at once. A card with a feature of
   * `ReceiveOffload` needs `receive`, which says what is left to be done of a frame.
   */
  receiveFrames(): Uint8Array[] {
    const { machine } = this.context;
    const copies: Uint8Array[] = [];
    const used: number[] = [];
    for (const frame of this.receive()) {
      const copy = new Uint8Array(frame.length);
      let end = 0;
      for (const { pointer, length, buffer } of frame.buffers) {
        copy.set(machine.readBuffer(pointer, length), end);
        end += length;
        used.push(buffer);
      }
      copies.push(copy);
    }
    if (used.length > 0) {
      this.release(used);
    }
    return copies;
  }

  /** As `receiveFrames`, but waits for the first frame; none when the machine's time is over before. */
  waitForFrames(timeoutMilliseconds: number): Uint8Array[] {
    let frames: Uint8Array[] = [];
    this.waitUntil(() => {
      // Frames that were sent are something to take as well, so that no wait would begin before they are taken.
      this.completions.collectOwn();
      frames = this.receiveFrames();
      return frames.length > 0;
    }, timeoutMilliseconds);
    return frames;
  }

  // Each of these waits for the device's answer, and throws when there is none, or when it is no.

  /** Says which frames the card lets in. Filters act once `ReceiveMode.PROMISC` was switched off. */
  setReceiveMode(mode: ReceiveMode, on: boolean): void {
    check("net_set_receive_mode", this.context.exports.net_set_receive_mode(this.handle, mode, on ? 1 : 0));
  }

  /**
   * Says for which stations and groups the card lets frames in beside its own, in the place of those before: addresses of
   * six octets, 64 of them at most.
   */
  setMacTable(stations: readonly Uint8Array[], groups: readonly Uint8Array[]): void {
    const { exports, view } = this.context;
    this.macRecords.reserve(stations.length + groups.length);
    const first = this.macRecords.pointer;
    const second = first + MAC_BYTES * stations.length;
    [...stations, ...groups].forEach((mac, index) => {
      writeUint64(view, first + MAC_BYTES * index, macNumber(mac));
    });
    const { handle } = this;
    check("net_set_mac_table", exports.net_set_mac_table(handle, first, stations.length, second, groups.length));
  }

  /** Gives the card another address, of six octets. */
  setMac(mac: Uint8Array): void {
    check("net_set_mac", this.context.exports.net_set_mac(this.handle, macNumber(mac)));
  }

  /** Lets frames of a VLAN in, 0 to 4095. */
  addVlan(id: number): void {
    check("net_add_vlan", this.context.exports.net_add_vlan(this.handle, id));
  }

  removeVlan(id: number): void {
    check("net_remove_vlan", this.context.exports.net_remove_vlan(this.handle, id));
  }

  /** Says that the announcement has been sent that `Event.ANNOUNCE` asked for. */
  acknowledgeAnnouncement(): void {
    check("net_acknowledge_announcement", this.context.exports.net_acknowledge_announcement(this.handle));
  }

  /**
   * Lets the card put interrupts off until so many frames have passed, or so many microseconds.
   *
   * @param queue 0 reception, 1 transmission
   */
  setCoalescing(queue: 0 | 1, maxPackets: number, maxMicroseconds: number): void {
    const { exports } = this.context;
    check("net_set_coalescing", exports.net_set_coalescing(this.handle, queue, maxPackets, maxMicroseconds));
  }

  // Past everything that is under way, also from inside an interrupted call: for crash handlers. The card must have been
  // opened with `debug: 1`; the first of these calls takes it over, and `reset` gives it back.

  /** Sends one frame, and waits until the card has it. Throws when it has not in time. */
  debugTransmit(frame: Uint8Array, timeoutMicroseconds: number): void {
    const { exports } = this.context;
    const { pointer } = this.debugRecord(frame.length);
    this.debugBytes(pointer, frame.length).set(frame);
    check("net_debug_transmit", exports.net_debug_transmit(this.handle, pointer, frame.length, timeoutMicroseconds));
  }

  /** Receives one frame; null when none comes in time. */
  debugReceive(timeoutMicroseconds: number): Uint8Array | null {
    const { exports } = this.context;
    const { pointer, capacity } = this.debugRecord(DEBUG_FRAME_BYTES);
    const received = exports.net_debug_receive(this.handle, pointer, capacity, timeoutMicroseconds);
    const length = check("net_debug_receive", received);
    return length === 0 ? null : this.debugBytes(pointer, length).slice();
  }

  protected override callForCompletions(records: number, capacity: number): number {
    return check("net_reclaim", this.context.exports.net_reclaim(this.handle, records, capacity));
  }

  protected override releaseBuffers(): void {
    if (this.pool !== undefined) {
      this.context.freeBuffer(this.pool.memory);
    }
    this.pool = undefined;
  }

  protected override releaseRecords(): void {
    this.frames.dispose();
    this.segmentLists.dispose();
    this.receivedBuffers.dispose();
    this.bufferIds.dispose();
    this.informationRecord.dispose();
    this.statisticsRecord.dispose();
    this.macRecords.dispose();
    this.debugFrame?.dispose();
  }

  private debugRecord(bytes: number): RecordArray {
    this.debugFrame ??= new RecordArray(this.context.privateMemory, 1, DEBUG_FRAME_BYTES);
    this.debugFrame.reserve(bytes);
    return this.debugFrame;
  }

  private debugBytes(pointer: number, length: number): Uint8Array {
    return new Uint8Array(this.context.view.buffer, pointer, length);
  }

  private writeFrame(record: number, frame: Omit<TransmitFrame, "token">, frameToken: number | bigint): void {
    const { view } = this.context;
    writeUint64(view, record + token.offset, frameToken);
    view.setUint32(record + segments.offset, this.segmentLists.add(frame.segments), true);
    view.setUint32(record + segment_count.offset, frame.segments.length, true);
    view.setUint8(record + flags.offset, frame.flags ?? 0);
    view.setUint8(record + gso_type.offset, frame.gso_type ?? 0);
    view.setUint16(record + hdr_len.offset, frame.hdr_len ?? 0, true);
    view.setUint16(record + gso_size.offset, frame.gso_size ?? 0, true);
    view.setUint16(record + csum_start.offset, frame.csum_start ?? 0, true);
    view.setUint16(record + csum_offset.offset, frame.csum_offset ?? 0, true);
    view.setUint16(record + header_room.offset, frame.header_room ?? 0, true);
    view.setInt32(record + result.offset, 0, true);
  }

  private transmitRecords(count: number): Submitted {
    const { exports, view } = this.context;
    const { pointer } = this.frames;
    const accepted = check("net_transmit", exports.net_transmit(this.handle, pointer, count));
    const refusal =
      accepted < count ? view.getInt32(pointer + accepted * TransmitFrameLayout.size + result.offset, true) : 0;
    return { accepted, refusal };
  }

  private readReceived(record: number): ReceivedFrame {
    const { view } = this.context;
    return {
      length: 0,
      buffers: [],
      flags: view.getUint8(record + received.flags.offset),
      gso_type: view.getUint8(record + received.gso_type.offset),
      hdr_len: view.getUint16(record + received.hdr_len.offset, true),
      gso_size: view.getUint16(record + received.gso_size.offset, true),
      csum_start: view.getUint16(record + received.csum_start.offset, true),
      csum_offset: view.getUint16(record + received.csum_offset.offset, true),
    };
  }
}

/** Six octets as the module wants them, the first lowest. Throws a RangeError for another number of them. */
function macNumber(mac: Uint8Array): bigint {
  if (mac.length !== 6) throw new RangeError("an address has six octets");
  return mac.reduceRight((number, octet) => (number << 8n) | BigInt(octet), 0n);
}
