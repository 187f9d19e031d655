/**
 * A disk: batches of requests in flight as the module's calls take them, and blocking conveniences on top of those.
 */

import {
  BlockFlag,
  BlockInformationLayout,
  BlockLifetimeLayout,
  BlockOperation,
  BlockRequestLayout,
  BlockScsiResultLayout,
  BlockStatisticsLayout,
  CompletionLayout,
  Result,
  type BlockInformation,
  type BlockLifetime,
  type BlockStatistics,
  type PciFunction,
  type Segment,
} from "./abi.js";
import type { Completion } from "./completions.js";
import type { StackContext } from "./context.js";
import { Device, DeviceTimeout } from "./device.js";
import { check } from "./error.js";
import { formatPciAddress } from "./pci.js";
import { RecordArray } from "./private-memory.js";
import { RangeLists, type BlockRange } from "./ranges.js";
import { readRecord, writeUint64 } from "./records.js";
import { SegmentLists } from "./segments.js";

/** One request to a disk. */
export interface BlockRequest {
  /** Comes back in the completion: a whole number from 0 to 2^53 - 1. */
  token: number;
  /** First sector of 512 bytes; `READ` and `WRITE` only. */
  sector?: number | bigint;
  operation: BlockOperation;
  /** Where the data lies or goes; none for `FLUSH`, one of 20 bytes for `GET_ID`, one of 6 for `GET_LIFETIME`. */
  segments: readonly Segment[];
  /** What comes before completes before it, and what comes behind begins behind it; legacy disks with BARRIER only. */
  barrier?: boolean;
  /** A hint to legacy disks, from 0 to 65,535: higher numbers are more important. */
  priority?: number;
  /** `SCSI_CMD` only: the disk reads the data, instead of writing them. */
  dataOut?: boolean;
  /** In the place of segments, for `DISCARD`, `WRITE_ZEROES` and `SECURE_ERASE`. */
  ranges?: readonly BlockRange[];
}

/** What became of a SCSI command: `errors` 0 is success. */
export interface ScsiOutcome {
  errors: number;
  /** What the disk wrote, if the command reads. */
  data: Uint8Array;
  sense: Uint8Array;
}

/** What became of a batch: the first `accepted` are under way. */
export interface Submitted {
  accepted: number;
  /** Why the one behind the accepted ones was refused, a negative `Result`; 0 when there is none. */
  refusal: number;
}

/** Bytes of a sector, whatever the block size. [virtio-1.2 §5.2.6] */
export const SECTOR_BYTES = 512;

/** Bytes that the blocking conveniences move at once, at most. */
const TRANSFER_BYTES = 256 * 1024;
/** Bytes of the serial number, and of what `GET_LIFETIME` reads. [virtio-1.2 §5.2.6] */
const ID_BYTES = 20;
const REQUESTS = 256;
const LIFETIME_BYTES = 6;
/** A SCSI command's sense data, and where they and what follows lie in the conveniences' memory. */
const SENSE_BYTES = 96;
const SENSE_OFFSET = 256;
const RESULT_OFFSET = SENSE_OFFSET + SENSE_BYTES;
const DATA_OFFSET = 4096;
const NO_SEGMENTS: readonly Segment[] = [];

const { token, sector, operation, flags, priority, segments, segment_count, result } = BlockRequestLayout.fields;

export class BlockDevice extends Device {
  private readonly requests: RecordArray;
  private readonly segmentLists: SegmentLists;
  private readonly rangeLists: RangeLists;
  private readonly informationRecord: RecordArray;
  private readonly statisticsRecord: RecordArray;
  private readonly completionRecord: RecordArray;
  /** Where the conveniences' data passes through; 0 until the first of them, and while a request that got lost has it. */
  private transferBuffer = 0;
  private transferBytes = 0;

  constructor(context: StackContext<Device>, pciFunction: PciFunction, handle: number) {
    super(context, pciFunction, handle);
    const { privateMemory, view } = context;
    this.requests = new RecordArray(privateMemory, BlockRequestLayout.size, REQUESTS);
    this.segmentLists = new SegmentLists(view, privateMemory);
    this.rangeLists = new RangeLists(view, privateMemory);
    this.informationRecord = new RecordArray(privateMemory, BlockInformationLayout.size, 1);
    this.statisticsRecord = new RecordArray(privateMemory, BlockStatisticsLayout.size, 1);
    this.completionRecord = new RecordArray(privateMemory, CompletionLayout.size, 1);
  }

  information(): BlockInformation {
    const { pointer } = this.informationRecord;
    check("block_information", this.context.exports.block_information(this.handle, pointer));
    return readRecord(this.context.view, BlockInformationLayout, pointer);
  }

  statistics(): BlockStatistics {
    const { pointer } = this.statisticsRecord;
    check("block_statistics", this.context.exports.block_statistics(this.handle, pointer));
    return readRecord(this.context.view, BlockStatisticsLayout, pointer);
  }

  /**
   * Submits a batch in order, with one notification at most, up to the first request that is refused. The memory
   * behind the segments is the device's until the completion is taken with `poll`.
   */
  submit(requests: readonly BlockRequest[]): Submitted {
    const { view } = this.context;
    this.requests.reserve(requests.length);
    this.segmentLists.begin(requests);
    this.rangeLists.begin(requests);
    let record = this.requests.pointer;
    for (const request of requests) {
      writeUint64(view, record + token.offset, request.token);
      this.writeRequest(record, request);
      record += BlockRequestLayout.size;
    }
    return this.submitRecords(requests.length);
  }

  /** Takes up to `max` completions, in the order the device finished them. */
  poll(max = Number.MAX_SAFE_INTEGER): Completion[] {
    return this.completions.poll(max);
  }

  /**
   * Submits one request and waits for it without interrupts, at most so many milliseconds; undefined when they are over:
   * then it comes back through `poll`. What else completes meanwhile is for `poll`.
   */
  perform(request: BlockRequest, timeoutMilliseconds = this.timeoutMilliseconds): Completion | undefined {
    const { exports, view } = this.context;
    this.segmentLists.begin([request]);
    this.rangeLists.begin([request]);
    const { pointer } = this.requests;
    writeUint64(view, pointer + token.offset, request.token);
    this.writeRequest(pointer, request);
    const timeout = BigInt(Math.round(timeoutMilliseconds * 1e6));
    const completion = this.completionRecord.pointer;
    const isComplete = check("block_execute", exports.block_execute(this.handle, pointer, completion, timeout)) > 0;
    if (!isComplete) {
      return undefined;
    }
    const record = readRecord(view, CompletionLayout, completion);
    return { token: Number(record.token), result: record.result, length: record.length };
  }

  /** As `poll`, but waits for the first completion; none when so much of the machine's time is over before. */
  waitForCompletions(timeoutMilliseconds = this.timeoutMilliseconds): Completion[] {
    let completions: Completion[] = [];
    this.waitUntil(() => {
      completions = this.poll();
      return completions.length > 0;
    }, timeoutMilliseconds);
    return completions;
  }

  /**
   * As `enableInterrupts`, but asks for one interrupt when all that is in flight has completed, where the device can do
   * that. True when all of it can be taken already. A call that waits asks for the next completion again.
   */
  awaitAll(): boolean {
    this.interruptsWanted = true;
    return check("block_await_all", this.context.exports.block_await_all(this.handle)) > 0;
  }

  /** Reads `count` sectors from `first` on, and waits for them. */
  readSectors(first: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count * SECTOR_BYTES);
    this.transfer(BlockOperation.READ, first, bytes);
    return bytes;
  }

  /** Writes whole sectors from `first` on, and waits until the device has taken them. */
  writeSectors(first: number, bytes: Uint8Array): void {
    if (bytes.length % SECTOR_BYTES !== 0) {
      throw new RangeError(`${bytes.length} bytes are no whole number of ${SECTOR_BYTES}-byte sectors`);
    }
    this.transfer(BlockOperation.WRITE, first, bytes);
  }

  /** Waits until everything completed before has reached stable storage. */
  flush(): void {
    check("flush", this.execute({ operation: BlockOperation.FLUSH, segments: NO_SEGMENTS }));
  }

  /**
   * Says whether the disk may keep in a cache what is written, until `flush`. Kept over `reset` and `resume`. What was
   * written before a change to `false` may still be in the cache: flush it.
   */
  setWriteback(writeback: boolean): void {
    check("block_set_writeback", this.context.exports.block_set_writeback(this.handle, writeback ? 1 : 0));
  }

  /** Tells the disk that what these ranges hold is not needed any more, and waits for it. */
  discard(ranges: readonly BlockRange[]): void {
    const operation = BlockOperation.DISCARD;
    check("discard", this.execute({ operation, segments: NO_SEGMENTS, ranges }));
  }

  /** Waits until these ranges read as zeroes. */
  writeZeroes(ranges: readonly BlockRange[]): void {
    const operation = BlockOperation.WRITE_ZEROES;
    check("writeZeroes", this.execute({ operation, segments: NO_SEGMENTS, ranges }));
  }

  /** Waits until nobody can get back what these ranges held. */
  secureErase(ranges: readonly BlockRange[]): void {
    const operation = BlockOperation.SECURE_ERASE;
    check("secureErase", this.execute({ operation, segments: NO_SEGMENTS, ranges }));
  }

  /**
   * Has a legacy disk perform a SCSI command of up to 256 bytes, and waits for it.
   *
   * @param data what the command writes, or how many bytes it reads
   */
  scsi(command: Uint8Array, data: Uint8Array | number = 0): ScsiOutcome {
    const { machine } = this.context;
    const dataOut = typeof data !== "number";
    const length = dataOut ? data.length : data;
    const pointer = this.buffer(DATA_OFFSET + length);
    machine.writeBuffer(pointer, new Uint8Array(DATA_OFFSET));
    machine.writeBuffer(pointer, command);
    machine.writeBuffer(pointer + DATA_OFFSET, dataOut ? data : new Uint8Array(length));
    const list = [
      { pointer, length: command.length },
      ...(length === 0 ? [] : [{ pointer: pointer + DATA_OFFSET, length }]),
      { pointer: pointer + SENSE_OFFSET, length: SENSE_BYTES },
      { pointer: pointer + RESULT_OFFSET, length: BlockScsiResultLayout.size },
    ];
    check("scsi", this.execute({ operation: BlockOperation.SCSI_CMD, segments: list, dataOut }));
    const bytes = machine.readBuffer(pointer + SENSE_OFFSET, SENSE_BYTES + BlockScsiResultLayout.size);
    const found = readRecord(new DataView(bytes.buffer, bytes.byteOffset), BlockScsiResultLayout, SENSE_BYTES);
    return {
      errors: found.errors,
      data: dataOut
        ? new Uint8Array(0)
        : machine.readBuffer(pointer + DATA_OFFSET, length - Math.min(found.residual, length)),
      sense: bytes.subarray(0, Math.min(found.sense_len, SENSE_BYTES)),
    };
  }

  /** How worn the storage is. */
  lifetime(): BlockLifetime {
    const bytes = this.executeInto("lifetime", BlockOperation.GET_LIFETIME, LIFETIME_BYTES);
    return readRecord(new DataView(bytes.buffer, bytes.byteOffset), BlockLifetimeLayout, 0);
  }

  /** The disk's serial number, of at most 20 characters. */
  id(): string {
    const bytes = this.executeInto("id", BlockOperation.GET_ID, ID_BYTES);
    const end = bytes.indexOf(0);
    return String.fromCharCode(...bytes.subarray(0, end < 0 ? ID_BYTES : end));
  }

  protected override callForCompletions(records: number, capacity: number): number {
    return check("block_poll", this.context.exports.block_poll(this.handle, records, capacity));
  }

  protected override releaseBuffers(): void {
    const pointer = this.takeBuffer();
    if (pointer !== 0) {
      this.context.freeBuffer(pointer);
    }
  }

  protected override releaseRecords(): void {
    this.requests.dispose();
    this.segmentLists.dispose();
    this.rangeLists.dispose();
    this.informationRecord.dispose();
    this.statisticsRecord.dispose();
    this.completionRecord.dispose();
  }

  private writeRequest(record: number, request: Omit<BlockRequest, "token">): void {
    const { view } = this.context;
    writeUint64(view, record + sector.offset, request.sector ?? 0);
    const { ranges } = request;
    view.setUint8(record + operation.offset, request.operation);
    const barrierFlag = request.barrier === true ? BlockFlag.BARRIER : 0;
    view.setUint8(record + flags.offset, request.dataOut === true ? barrierFlag | BlockFlag.DATA_OUT : barrierFlag);
    view.setUint16(record + priority.offset, request.priority ?? 0, true);
    const list = ranges === undefined ? this.segmentLists.add(request.segments) : this.rangeLists.add(ranges);
    view.setUint32(record + segments.offset, list, true);
    view.setUint32(record + segment_count.offset, (ranges ?? request.segments).length, true);
    view.setInt32(record + result.offset, 0, true);
  }

  private submitRecords(count: number): Submitted {
    const { exports, view } = this.context;
    const { pointer } = this.requests;
    const accepted = check("block_submit", exports.block_submit(this.handle, pointer, count));
    const refusal =
      accepted < count ? view.getInt32(pointer + accepted * BlockRequestLayout.size + result.offset, true) : 0;
    return { accepted, refusal };
  }

  /** Moves `bytes` in pieces; each is as large as the device takes in one request. */
  private transfer(direction: BlockOperation, first: number, bytes: Uint8Array): void {
    const { machine } = this.context;
    const pointer = this.buffer(Math.min(bytes.length, TRANSFER_BYTES));
    const blockBytes = Math.max(this.information().block_size, SECTOR_BYTES);
    let pieceBytes = TRANSFER_BYTES;
    let done = 0;
    while (done < bytes.length) {
      const length = Math.min(pieceBytes, bytes.length - done);
      if (direction === BlockOperation.WRITE) {
        machine.writeBuffer(pointer, bytes.subarray(done, done + length));
      }
      const sector = first + done / SECTOR_BYTES;
      const outcome = this.execute({ operation: direction, sector, segments: [{ pointer, length }] });
      if (outcome === Result.E_SEGMENTS && length > blockBytes) {
        pieceBytes = Math.max(blockBytes, Math.floor(length / 2 / blockBytes) * blockBytes);
        continue;
      }
      check(direction === BlockOperation.WRITE ? "writeSectors" : "readSectors", outcome);
      if (direction === BlockOperation.READ) {
        bytes.set(machine.readBuffer(pointer, length), done);
      }
      done += length;
    }
  }

  /** One request that reads so many bytes. */
  private executeInto(what: string, requestOperation: BlockOperation, length: number): Uint8Array {
    const { machine } = this.context;
    const pointer = this.buffer(length);
    machine.writeBuffer(pointer, new Uint8Array(length));
    check(what, this.execute({ operation: requestOperation, segments: [{ pointer, length }] }));
    return machine.readBuffer(pointer, length);
  }

  /** One request from submission to completion. Returns its result, or why it was refused. */
  private execute(request: Omit<BlockRequest, "token">): number {
    let outcome: number | undefined;
    let lostBuffer = 0;
    const ownToken = this.completions.register((completedWith) => {
      outcome = completedWith;
      if (lostBuffer !== 0) {
        this.context.freeBuffer(lostBuffer);
      }
    });
    const refusal = this.submitOwn(ownToken, request);
    if (refusal !== 0) {
      return refusal;
    }
    try {
      this.waitUntil(() => {
        this.completions.collectOwn();
        return outcome !== undefined;
      }, this.timeoutMilliseconds);
    } finally {
      // The device may still write there until the request comes back, from the device or from a reset.
      if (outcome === undefined && request.segments.length > 0) {
        lostBuffer = this.takeBuffer();
      }
    }
    if (outcome === undefined) {
      throw new DeviceTimeout(
        `the disk ${formatPciAddress(this.pciFunction.address)} did not answer within ${this.timeoutMilliseconds} ms`,
      );
    }
    return outcome;
  }

  /** Submits a request of the binding's own, and waits for room if need be. Returns why it was refused, or 0. */
  private submitOwn(ownToken: bigint, request: Omit<BlockRequest, "token">): number {
    // What it stays when the call itself is refused, or there is no room in time.
    let refusal: number = Result.E_FULL;
    try {
      this.waitUntil(() => {
        // Room comes with completions that are taken.
        this.completions.collectOwn();
        this.segmentLists.begin([request]);
        this.rangeLists.begin([request]);
        writeUint64(this.context.view, this.requests.pointer + token.offset, ownToken);
        this.writeRequest(this.requests.pointer, request);
        ({ refusal } = this.submitRecords(1));
        return refusal !== Result.E_FULL;
      }, this.timeoutMilliseconds);
    } finally {
      if (refusal !== 0) {
        this.completions.unregister(ownToken);
      }
    }
    return refusal;
  }

  /** Memory of at least `bytes` bytes for the conveniences' data, kept for the next of them. */
  private buffer(bytes: number): number {
    if (this.transferBytes < bytes) {
      this.releaseBuffers();
      this.transferBuffer = this.context.machine.allocateBuffer(bytes);
      this.transferBytes = bytes;
    }
    return this.transferBuffer;
  }

  /** Takes the conveniences' memory away from them; 0 when they have none. */
  private takeBuffer(): number {
    const pointer = this.transferBuffer;
    this.transferBuffer = 0;
    this.transferBytes = 0;
    return pointer;
  }
}
