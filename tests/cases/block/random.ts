/** A long random sequence of requests, many in flight, compared with a model of the disk. */

import assert from "node:assert/strict";
import {
  BlockOperation,
  Result,
  resultName,
  type BlockDevice,
  type BlockRequest,
  type Completion,
  type Segment,
} from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { VIRTIO_BLK_F_FLUSH } from "../features.js";
import { initialSectors, pattern } from "../pattern.js";
import { Random } from "../random.js";
import { cut, flushRequest, ID_BYTES, idRequest, PAGE_BYTES, SECTOR_BYTES } from "./requests.js";

const REQUESTS = 200_000;
const SECTORS = 2048;
const SERIAL = "model-disk";
const LONGEST_SECTORS = 16;
/** Memory of one request in flight: the longest, from any byte of a page on. */
const SLOT_BYTES = LONGEST_SECTORS * SECTOR_BYTES + PAGE_BYTES;
const SLOTS_MAX = 256;
/** Rings with fewer entries take no request of several segments whose pages are all apart. */
const SCATTERED_QUEUE_MIN = 64;
const PIECES_MAX = 5;
const BATCH_MAX = 12;

interface InFlight {
  request: BlockRequest;
  pointer: number;
  first: number;
  sectors: number;
}

/** Bytes that every write takes its data from, at any multiple of 4. */
const source = pattern(77, 1 << 20);

/** The disk as it must be, and which sectors are being read or written. */
class DiskModel {
  readonly bytes = initialSectors(0, SECTORS);
  private readonly readers = new Uint16Array(SECTORS);
  private readonly written = new Uint8Array(SECTORS);

  /** Whether a request's outcome is certain while everything else is in flight. */
  isFree(first: number, sectors: number, isWrite: boolean): boolean {
    for (let sector = first; sector < first + sectors; sector++) {
      if (this.written[sector] !== 0 || (isWrite && this.readers[sector] !== 0)) return false;
    }
    return true;
  }

  hold(first: number, sectors: number, isWrite: boolean, change: 1 | -1): void {
    const counts = isWrite ? this.written : this.readers;
    for (let sector = first; sector < first + sectors; sector++) counts[sector] = (counts[sector] ?? 0) + change;
  }

  part(first: number, sectors: number): Uint8Array {
    return this.bytes.subarray(first * SECTOR_BYTES, (first + sectors) * SECTOR_BYTES);
  }
}

class RandomRun {
  private readonly model = new DiskModel();
  private readonly inFlight = new Map<number, InFlight>();
  private readonly freeSlots: number[];
  private readonly hasFlush: boolean;
  private next = 0;
  private completed = 0;

  constructor(
    private readonly context: CaseContext,
    private readonly disk: BlockDevice,
    private readonly random: Random,
    private readonly total: number,
  ) {
    const { queue_size, features_accepted } = disk.information();
    const count = Math.min(queue_size, SLOTS_MAX);
    const isScatterable = queue_size >= SCATTERED_QUEUE_MIN;
    const half = Math.ceil(count / 2);
    const together = context.allocate(half * SLOT_BYTES);
    const apart = context.allocate(half * SLOT_BYTES, { scattered: isScatterable });
    this.freeSlots = Array.from(
      { length: count },
      (_, index) => (index % 2 === 0 ? together : apart) + (index >> 1) * SLOT_BYTES,
    );
    this.hasFlush = (features_accepted & VIRTIO_BLK_F_FLUSH) !== 0n;
  }

  run(): void {
    const { context, disk, random } = this;
    context.waitLongUntil(() => {
      this.submitBatch();
      if (random.below(4) !== 0) {
        for (const completion of disk.poll(1 + random.below(40))) this.check(completion);
      }
      return this.completed === this.total;
    }, `${this.total} random requests`);
    assert.equal(this.inFlight.size, 0);
    const found = context.disk().contents(0, SECTORS);
    assert.ok(Buffer.compare(found, this.model.bytes) === 0, "the disk at the end is not what it must be");
    assert.equal(disk.statistics().requests, BigInt(this.total));
    assert.equal(disk.statistics().errors, 0n);
  }

  private submitBatch(): void {
    const batch: InFlight[] = [];
    const wanted = 1 + this.random.below(BATCH_MAX);
    while (batch.length < wanted && this.next + batch.length < this.total) {
      const each = this.create(this.next + batch.length);
      if (each === null) break;
      batch.push(each);
      this.hold(each, 1);
    }
    if (batch.length === 0) return;
    const { accepted, refusal } = this.disk.submit(batch.map(({ request }) => request));
    if (refusal !== 0) assert.equal(resultName(refusal), resultName(Result.E_FULL));
    batch.forEach((each, index) => {
      if (index < accepted) {
        this.inFlight.set(each.request.token, each);
      } else {
        this.hold(each, -1);
        this.freeSlots.push(each.pointer - (each.pointer % PAGE_BYTES));
      }
    });
    this.next += accepted;
  }

  /** A random request that goes together with those in flight; null when there is no place for one now. */
  private create(token: number): InFlight | null {
    const { random } = this;
    const slot = this.freeSlots.pop();
    if (slot === undefined) return null;
    const pointer = slot + random.below(PAGE_BYTES);
    const choice = random.below(100);
    if (choice < 3 && this.hasFlush) return { request: flushRequest(token), pointer, first: 0, sectors: 0 };
    if (choice < 6) return { request: idRequest(pointer, token), pointer, first: 0, sectors: 0 };
    const sectors = random.below(10) === 0 ? random.between(1, LONGEST_SECTORS) : random.between(1, 4);
    const first = random.below(SECTORS - sectors + 1);
    const operation = choice < 53 ? BlockOperation.WRITE : BlockOperation.READ;
    if (!this.model.isFree(first, sectors, operation === BlockOperation.WRITE)) {
      this.freeSlots.push(slot);
      return null;
    }
    const segments = this.cutAnyhow(pointer, sectors * SECTOR_BYTES);
    if (operation === BlockOperation.WRITE) {
      const from = random.below((source.length - sectors * SECTOR_BYTES) / 4) * 4;
      this.context.machine.writeBuffer(pointer, source.subarray(from, from + sectors * SECTOR_BYTES));
    }
    return { request: { token, operation, sector: first, segments }, pointer, first, sectors };
  }

  private cutAnyhow(pointer: number, bytes: number): Segment[] {
    const { random } = this;
    const lengths: number[] = [];
    let left = bytes;
    for (let piece = random.below(PIECES_MAX); piece > 0 && left > 1; piece--) {
      const length = random.between(1, left - 1);
      lengths.push(length);
      left -= length;
    }
    lengths.push(left);
    return cut(pointer, lengths);
  }

  private hold({ request, first, sectors }: InFlight, change: 1 | -1): void {
    this.model.hold(first, sectors, request.operation === BlockOperation.WRITE, change);
  }

  private check({ token, result, length }: Completion): void {
    const found = this.inFlight.get(token);
    assert.ok(found, `request ${token} completed twice, or was never submitted`);
    this.inFlight.delete(token);
    const { request, pointer, first, sectors } = found;
    if (result !== 0) assert.fail(`request ${token}: ${resultName(result)}`);
    const bytes = sectors * SECTOR_BYTES;
    const { machine } = this.context;
    switch (request.operation) {
      case BlockOperation.READ: {
        assert.equal(length, bytes);
        const isRight = Buffer.compare(machine.readBuffer(pointer, bytes), this.model.part(first, sectors)) === 0;
        assert.ok(isRight, `request ${token} read something else than sectors ${first} to ${first + sectors - 1} hold`);
        break;
      }
      case BlockOperation.WRITE:
        assert.equal(length, bytes);
        // The buffer still holds what was written: the device only reads it.
        this.model.part(first, sectors).set(machine.readBuffer(pointer, bytes));
        break;
      case BlockOperation.GET_ID:
        assert.equal(length, ID_BYTES);
        assert.equal(Buffer.from(machine.readBuffer(pointer, SERIAL.length)).toString(), SERIAL);
        break;
      default:
        assert.equal(length, 0);
    }
    this.hold(found, -1);
    this.freeSlots.push(pointer - (pointer % PAGE_BYTES));
    this.completed++;
  }
}

export const randomRequests: readonly Case[] = [
  {
    name: `${REQUESTS} random requests against a model of the disk`,
    disks: [{ sectors: SECTORS, serial: SERIAL }],
    run(context) {
      new RandomRun(context, context.openDisk(), new Random(1), context.repetitions(REQUESTS)).run();
    },
  },
  {
    name: "random requests without optional features",
    disks: [{ sectors: SECTORS, serial: SERIAL, offers: { anyLayout: false } }],
    run(context) {
      const disk = context.openDisk(0, { features: 0n });
      new RandomRun(context, disk, new Random(2), context.repetitions(REQUESTS / 10)).run();
    },
  },
];
