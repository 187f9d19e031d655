/** A guest that reads and writes a disk at random, and checks what it is told. */
import {
  BlockFlag,
  BlockInformationLayout,
  BlockOperation,
  BlockOptionsLayout,
  BlockRangeLayout,
  BlockRequestLayout,
  BlockStatisticsLayout,
  CompletionLayout,
  Result,
  SegmentLayout,
} from "../../kernel-shim/javascript/abi.js";
import { readRecord, type RecordOf } from "../../kernel-shim/javascript/records.js";
import { SECTOR_BYTES } from "../../kernel-shim/emulated-pc/block/back-end.js";
import type { BlockDevice } from "../../kernel-shim/emulated-pc/block/device.js";
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import * as bounds from "./bounds.js";
import { BATCH_RESULTS, DeviceGuest, UNUSABLE, type GuestContext } from "./device-guest.js";
import { expect } from "./finding.js";
import { expectResult } from "./hosted-module.js";
import { Ledger, UNTOUCHED, wasAccepted } from "./oracles.js";
import { sectorsOf, type TracedDisk } from "./traced-disk.js";

const BUFFER_BYTES = 16 * 1024;
const BUFFERS = 8;
const ID_BYTES = 20;
const LIFETIME_BYTES = 6;
const { READ, WRITE, FLUSH, GET_ID, GET_LIFETIME, DISCARD, WRITE_ZEROES, SECURE_ERASE } = BlockOperation;
const ON_RANGES: readonly number[] = [DISCARD, WRITE_ZEROES, SECURE_ERASE];
/** Reads and writes most often. */
const OPERATIONS = [READ, READ, READ, READ, WRITE, WRITE, WRITE, WRITE, FLUSH, GET_ID, GET_LIFETIME, ...ON_RANGES];
/** Entries of an indirect table of the stack's. */
const TABLE_ENTRIES = 32;

interface DiskRequest {
  readonly operation: number;
  readonly sector: number;
  readonly bytes: number;
  readonly buffer: number;
  /** Of what its sectors hold. */
  readonly version: number;
  /** How often its sectors had been touched when it was submitted. */
  readonly touched: Uint32Array;
  readonly ranges?: readonly Range[];
  readonly flags?: number;
  readonly priority?: number;
}

type Range = Partial<RecordOf<typeof BlockRangeLayout>>;

const COMPLETION_RESULTS: readonly number[] = [
  Result.OK,
  Result.E_RESET,
  Result.E_IO,
  Result.E_UNSUPPORTED,
  Result.E_DEVICE_STATUS,
];
const REFUSALS: readonly number[] = [
  Result.E_FULL,
  Result.E_UNSUPPORTED,
  Result.E_RANGE,
  Result.E_ALIGNMENT,
  Result.E_READ_ONLY,
  Result.E_SEGMENTS,
];

const WRITEBACK_RESULTS: readonly number[] = [Result.OK, Result.E_UNSUPPORTED, Result.E_REFUSED];

/** For requests that no disk can do. */
const NONSENSE: readonly number[] = [Result.E_ARGUMENT, Result.E_ADDRESS];

export class DiskGuest extends DeviceGuest {
  readonly kind = "block";
  private ledger = new Ledger<DiskRequest>();
  private readonly freeBuffers: number[];
  private capacity = 0;
  private blockSize = SECTOR_BYTES;
  private canFlush = false;
  private completedOk = 0;
  private identified = 0;

  constructor(
    context: GuestContext,
    private readonly disk: TracedDisk,
    device: BlockDevice,
  ) {
    super(context, device);
    this.freeBuffers = Array.from({ length: BUFFERS }, (_, index) =>
      context.machine.allocateBuffer(BUFFER_BYTES, { scattered: index % 2 === 0 }),
    );
    const decide = device.onRequest;
    device.onRequest = (request) => {
      if (request.type === GET_ID || request.type === GET_LIFETIME) this.identified++;
      return decide?.(request);
    };
  }

  open(withOptions: boolean): number {
    const { module } = this.context;
    const chosen = withOptions ? this.chooseOptions() : this.plainOptions();
    const options = withOptions || this.slot !== null ? module.pass(BlockOptionsLayout, [chosen]) : 0;
    const handle = this.openWith("block_open", options);
    if (handle > 0) this.inform(true);
    return handle;
  }

  step(): void {
    switch (this.context.random.below(19)) {
      case 18:
        this.executeOne();
        return;
      case 17:
        this.setWriteback();
        return;
      case 16:
        this.callOnHandle("block_await_all", bounds.SWITCH_INTERRUPTS_IMPORTS, UNUSABLE);
        return;
      case 0:
        this.inform(false);
        return;
      case 1:
        this.statistics();
        return;
      case 2:
      case 3:
      case 4:
      case 5:
        this.submitSome();
        return;
      case 6:
      case 7:
      case 8:
      case 9:
        this.poll(1 + this.context.random.below(8));
        return;
      default:
        this.commonStep(this.context.random.below(8));
    }
  }

  moveData(): void {
    const sector = this.context.random.below(this.disk.sectors - 16);
    const first = sector - (sector % 8);
    for (const version of [1, 0]) {
      this.transfer(WRITE, first, version);
      if (this.canFlush) this.transfer(FLUSH, 0, 0);
      this.transfer(READ, first, version);
    }
  }

  protected get out(): number {
    return this.ledger.outstanding;
  }

  protected takeBack(): number {
    return this.poll(3);
  }

  protected deviceWasReset(): void {
    this.ledger.deviceWasReset();
  }

  protected callWhileClosing(): void {
    if (this.context.random.below(2) === 0) this.statistics();
    else this.submitSome();
  }

  /** @param isNew right after opening: a device that a reset did not bring back may have told nonsense since */
  private inform(isNew: boolean): void {
    const { result, record } = this.context.module.callForRecord(
      "block_information",
      bounds.NO_IMPORTS,
      this.handle,
      BlockInformationLayout,
    );
    expect(result === Result.OK, "block_information describes an open disk", () => `${result}`);
    const { queue_size: entries, block_size: blockSize } = record;
    if (isNew) checkInformation(record);
    this.ring = { entries, descriptors: entries * TABLE_ENTRIES };
    this.capacity = Number(record.capacity);
    this.blockSize = isNew ? blockSize : this.blockSize;
    this.canFlush = (record.features_accepted & (1n << 9n)) !== 0n;
  }

  private statistics(): void {
    const { result } = this.context.module.callForRecord(
      "block_statistics",
      bounds.NO_IMPORTS,
      this.handle,
      BlockStatisticsLayout,
    );
    expect(result === Result.OK, "block_statistics counts for an open disk", () => `${result}`);
  }

  private setWriteback(): void {
    const { module, random } = this.context;
    const wanted = random.below(2);
    const bound = bounds.writebackImports(this.place.costs);
    const result = module.call("block_set_writeback", bound, this.handle, wanted);
    expectResult("block_set_writeback", result, [...UNUSABLE, ...WRITEBACK_RESULTS]);
    if (result === Result.OK) this.inform(false);
  }

  private submitSome(): void {
    const { random } = this.context;
    const count = 1 + random.below(4);
    const requests: { request: DiskRequest; lengths: number[] }[] = [];
    for (let number = 0; number < count; number++) {
      const buffer = this.freeBuffers.pop();
      if (buffer === undefined) break;
      const operation = pick(random, OPERATIONS);
      const lengths = this.lengthsFor(operation);
      const bytes = lengths.reduce((sum, length) => sum + length, 0);
      // Mostly within the disk that there is, whatever the device said of its capacity.
      const sectors = random.below(16) === 0 ? Math.min(this.capacity, 2 ** 40) : this.disk.sectors;
      const free = Math.max(sectors - bytes / SECTOR_BYTES, 1);
      const sector = operation <= 1 ? random.below(Math.min(free, 2 ** 32)) : 0;
      const unit = Math.min(this.blockSize, 4096) / SECTOR_BYTES;
      const aligned = sector - (sector % unit);
      const touched = this.disk.touched.slice(aligned, aligned + bytes / SECTOR_BYTES);
      if (operation === WRITE) {
        this.context.machine.writeBuffer(buffer, sectorsOf(aligned, bytes, 0));
      }
      const ranges = ON_RANGES.includes(operation) ? { ranges: this.chooseRanges(operation) } : {};
      const flags = random.below(32) === 0 ? BlockFlag.BARRIER : 0;
      const priority = random.below(8) === 0 ? random.below(0x1_0000) : 0;
      const request = { operation, sector: aligned, bytes, buffer, version: 0, touched, flags, priority, ...ranges };
      requests.push({ request, lengths });
    }
    this.submit(requests);
  }

  /** Segments of a request: whole sectors in all, not each. */
  private lengthsFor(operation: number): number[] {
    const { random } = this.context;
    if (operation === FLUSH || ON_RANGES.includes(operation)) return [];
    if (operation === GET_ID) return [ID_BYTES];
    if (operation === GET_LIFETIME) return [LIFETIME_BYTES];
    let left = SECTOR_BYTES * (1 + random.below(BUFFER_BYTES / SECTOR_BYTES));
    if (random.below(4) > 0) left = Math.ceil(left / Math.min(this.blockSize, 4096)) * Math.min(this.blockSize, 4096);
    const lengths: number[] = [];
    while (left > 0) {
      const length = lengths.length === 7 ? left : Math.min(left, 1 + random.below(2 * left));
      lengths.push(length);
      left -= length;
    }
    return lengths;
  }

  /** Ranges that mostly make sense. */
  private chooseRanges(operation: number): Range[] {
    const { random } = this.context;
    const unit = random.below(8) === 0 ? 1 : Math.min(this.blockSize, 4096) / SECTOR_BYTES;
    return Array.from({ length: 1 + random.below(4) }, () => {
      const sector = unit * random.below(Math.ceil(this.disk.sectors / unit));
      const left = random.below(16) === 0 ? 2 ** 31 : this.disk.sectors - sector;
      const sectors = unit * (1 + random.below(Math.max(Math.floor(left / unit), 1)));
      const flags = operation === WRITE_ZEROES && random.below(2) === 0 ? 1 : 0;
      return { sector: BigInt(sector), num_sectors: sectors, flags };
    });
  }

  /** Puts requests, each in one buffer, where the module finds them. */
  private passRequests(
    requests: readonly { request: DiskRequest; lengths: readonly number[] }[],
    tokens: readonly bigint[],
  ): { array: number; pages: number; segmentCount: number } {
    const { module } = this.context;
    let pages = 0;
    let segmentCount = 0;
    const array = module.pass(
      BlockRequestLayout,
      requests.map(({ request, lengths }, index) => {
        let pointer = request.buffer;
        const segments = lengths.map((length) => {
          const segment = { pointer, length };
          pointer += length;
          return segment;
        });
        pages += Math.ceil(request.bytes / 4096) + lengths.length;
        segmentCount += lengths.length;
        const { ranges = [] } = request;
        const list = segments.length === 0 ? 0 : module.pass(SegmentLayout, segments);
        return {
          token: tokens[index] ?? 0n,
          sector: BigInt(request.sector),
          operation: request.operation,
          flags: request.flags ?? 0,
          priority: request.priority ?? 0,
          segments: ranges.length === 0 ? list : module.pass(BlockRangeLayout, ranges),
          segment_count: segments.length + ranges.length,
          result: UNTOUCHED,
        };
      }),
      "result",
    );
    return { array, pages, segmentCount };
  }

  /** Submits requests. Returns how many were accepted, or the negative result. */
  private submit(requests: readonly { request: DiskRequest; lengths: readonly number[] }[]): number {
    const { module } = this.context;
    const tokens = requests.map(() => this.ledger.token());
    const { array, pages, segmentCount } = this.passRequests(requests, tokens);
    const bound = bounds.submitImports(this.place.costs, this.ring, requests.length, pages, segmentCount);
    const accepted = module.call("block_submit", bound, this.handle, array, requests.length);
    expectResult("block_submit", accepted, BATCH_RESULTS);
    expect(accepted <= requests.length, "no more is accepted than was given", () => `${accepted}`);
    requests.forEach(({ request }, index) => {
      const { result } = readRecord(module.view, BlockRequestLayout, array + index * BlockRequestLayout.size);
      if (wasAccepted("request", index, accepted, result, REFUSALS)) this.ledger.accept(tokens[index] ?? 0n, request);
      else this.freeBuffers.push(request.buffer);
    });
    module.records.reset();
    return accepted;
  }

  /** One read from the call to its completion, or to the end of the guest's patience. */
  private executeOne(): void {
    const { module, random, relaxTime } = this.context;
    const buffer = this.freeBuffers.pop();
    if (buffer === undefined) return;
    const sector = 8 * random.below(this.disk.sectors / 8);
    const bytes = 8 * SECTOR_BYTES;
    const touched = this.disk.touched.slice(sector, sector + 8);
    const request = { operation: READ, sector, bytes, buffer, version: 0, touched };
    const token = this.ledger.token();
    const { array, pages, segmentCount } = this.passRequests([{ request, lengths: [1, bytes - 1] }], [token]);
    const place = module.passRoom(CompletionLayout, 1);
    const turns = random.below(20);
    const bound = bounds.executeImports(this.place.costs, this.ring, pages, segmentCount, turns);
    const result = module.call("block_execute", bound, this.handle, array, place, BigInt(turns * relaxTime));
    const record = readRecord(module.view, BlockRequestLayout, array);
    const completion = readRecord(module.view, CompletionLayout, place);
    module.records.reset();
    expectResult("block_execute", result, [Result.E_HANDLE, ...UNUSABLE, ...REFUSALS]);
    const isAccepted = record.result === Result.OK;
    expect(isAccepted || result < 0, "what was not accepted is refused", () => `${result}, ${record.result}`);
    if (!isAccepted) {
      this.freeBuffers.push(buffer);
      return;
    }
    this.ledger.accept(token, request);
    if (result <= 0) return;
    expect(completion.token === token, "the completion is the request's", () => `${completion.token}, not ${token}`);
    this.complete(completion.token, completion.result, completion.length);
  }

  protected submitNonsense(): void {
    const { module, machine, random } = this.context;
    const buffer = this.freeBuffers[0];
    if (buffer === undefined) return;
    const end = machine.lent.endOf(buffer);
    const sector = { pointer: buffer, length: SECTOR_BYTES };
    const [operation, ...segments] = pick<[number, ...{ pointer: number; length: number }[]]>(random, [
      [99, sector],
      [0xffff_ffff],
      [READ],
      [READ, { ...sector, length: 0 }, sector],
      [READ, { ...sector, length: 0xffff_ffff }, { ...sector, length: 0xffff_ffff }],
      [READ, { ...sector, length: 1 }],
      // Not lent: nobody's, and the page behind a buffer's last.
      [READ, { pointer: 4096, length: SECTOR_BYTES }],
      [WRITE, sector, { pointer: end, length: SECTOR_BYTES }],
      [WRITE, { pointer: 0xffff_f000, length: 2 * SECTOR_BYTES }],
      [FLUSH, sector],
      [DISCARD],
      [SECURE_ERASE, { pointer: 0, length: 0 }],
      [GET_LIFETIME, { ...sector, length: LIFETIME_BYTES - 1 }],
      [FLUSH, { ...sector, length: 0xffff_ffff }],
      [GET_ID, { ...sector, length: ID_BYTES + 1 }],
    ]);
    const { isPastRecords, array } = this.passNonsense(operation, segments);
    const bound = bounds.submitImports(this.place.costs, this.ring, 1, 2 ** 20, segments.length);
    const accepted = module.call("block_submit", bound, this.handle, array, 1);
    const { result } = readRecord(module.view, BlockRequestLayout, array);
    expect(
      UNUSABLE.includes(accepted) || (accepted === 0 && [...REFUSALS, ...NONSENSE].includes(result)),
      "a request that makes no sense is refused",
      () => `operation ${operation}, ${isPastRecords ? "wrong" : segments.length} segments: ${accepted}, ${result}`,
    );
    module.records.reset();
  }

  /** A request whose segments are these, now and then at an address where there is nothing. */
  private passNonsense(
    operation: number,
    segments: readonly { pointer: number; length: number }[],
  ): { array: number; isPastRecords: boolean } {
    const { module, random } = this.context;
    const isPastRecords = segments.length > 0 && random.below(4) === 0;
    const place = isPastRecords ? module.view.byteLength - 4 : module.pass(SegmentLayout, segments);
    const array = module.pass(
      BlockRequestLayout,
      [{ token: 0xbadn, sector: 0n, operation, segments: place, segment_count: segments.length }],
      "result",
    );
    return { array, isPastRecords };
  }

  private poll(capacity: number): number {
    return this.takeCompletions("block_poll", capacity, (token, result, length) => {
      this.complete(token, result, length);
    });
  }

  private complete(token: bigint, result: number, length: number): void {
    const request = this.ledger.complete(token, result === Result.OK);
    this.freeBuffers.push(request.buffer);
    expect(COMPLETION_RESULTS.includes(result), "a completion's result is one of those described", () => `${result}`);
    const expected = result === Result.OK ? request.bytes : 0;
    expect(length === expected, "a completion's length is what was moved", () => `${length}, not ${expected}`);
    if (result === Result.OK) this.checkSuccess(request);
  }

  /** OK only if the device said so: it writes a status of 0 for what it performed, and for nothing else. */
  private checkSuccess({ operation, sector, bytes, buffer, version, touched }: DiskRequest): void {
    const { machine, mutations } = this.context;
    this.completedOk++;
    const saidSoInMemory = machine.wroteZeroToStack || mutations.appliedAt("memory read") > 0;
    if (saidSoInMemory || this.wasLiedTo) return;
    expect(
      this.completedOk <= this.disk.performed + this.identified,
      "no more succeeds than the device performed",
      () => `${this.completedOk} of ${this.disk.performed + this.identified}`,
    );
    if (mutations.appliedAt("memory write", "forgery", "used ring", "register write") > 0 || operation > 1) return;
    for (let index = 0; index < bytes / SECTOR_BYTES; index++) {
      const isDone = (this.disk.touched[sector + index] ?? 0) > (touched[index] ?? 0);
      expect(isDone, "what succeeds was performed", () => `sector ${sector + index}`);
    }
    if (operation === READ) {
      const isSame = Buffer.compare(machine.readBuffer(buffer, bytes), sectorsOf(sector, bytes, version)) === 0;
      expect(isSame, "a read that succeeds gives what is on the disk", () => `sector ${sector}`);
    }
  }

  /** One request on a device that keeps the rules, to its end. */
  private transfer(operation: number, sector: number, version: number): void {
    const { machine } = this.context;
    const buffer = this.freeBuffers.pop();
    expect(buffer !== undefined, "buffers come back", () => "");
    const bytes = operation === FLUSH ? 0 : 8 * SECTOR_BYTES;
    const data = sectorsOf(sector, bytes, version);
    machine.writeBuffer(buffer, operation === WRITE ? data : new Uint8Array(bytes));
    const request = { operation, sector, bytes, buffer, version, touched: new Uint32Array(0) };
    const lengths = bytes === 0 ? [] : [SECTOR_BYTES, bytes - SECTOR_BYTES];
    const name = `operation ${operation}`;
    expect(this.submit([{ request, lengths }]) === 1, "a device that keeps the rules again works again", () => name);
    const { completedOk } = this;
    this.waitFor(name, () => this.poll(1) === 1);
    expect(this.completedOk === completedOk + 1, "a request to a device that keeps the rules succeeds", () => name);
    if (operation !== READ) return;
    const isSame = Buffer.compare(machine.readBuffer(buffer, bytes), data) === 0;
    expect(isSame, "what was written is read back", () => `sector ${sector}, version ${version}`);
  }
}

function checkInformation(record: RecordOf<typeof BlockInformationLayout>): void {
  const { queue_size: entries, block_size: blockSize } = record;
  expect(isPowerOfTwo(entries) && entries <= 32768, "a queue size is a power of two", () => `${entries}`);
  expect(isPowerOfTwo(blockSize) && blockSize >= 512, "a block size is a power of two", () => `${blockSize}`);
  expect(record.size_max > 0 && record.seg_max > 0, "segments have room for data", () => "");
  expect(record.capacity < 1n << 55n, "a capacity in bytes is a 64-bit number", () => `${record.capacity}`);
  expect(
    (record.features_accepted & ~record.features_offered) === 0n,
    "only offered features are accepted",
    () => `0x${record.features_accepted.toString(16)}`,
  );
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}
