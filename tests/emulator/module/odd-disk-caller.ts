/** An odd but legal caller of a disk. Regions of the disk in flight do not overlap, so that all data can be checked. */
import assert from "node:assert/strict";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { BlockOperation, Result, resultName } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { pattern } from "../../cases/pattern.js";
import { Random } from "../../cases/random.js";
import { assertResult, HostedModule, type Request, type Segment } from "./hosted.js";
import { CAPACITIES, type Choice, OddCaller, pick, pickMachine, TIMEOUT } from "./odd-caller.js";

const SECTOR_BYTES = 512;
/** What one request can be about: so many sectors of the disk, and as much memory. */
const REGION_SECTORS = 8;
const REGION_BYTES = REGION_SECTORS * SECTOR_BYTES;
const REGIONS = 48;
/** The sizes that the disk has by turns: the regions, and something behind. */
const CAPACITIES_IN_SECTORS = [REGIONS * REGION_SECTORS, REGIONS * REGION_SECTORS + 100];

const VIRTIO_BLK_F_SEG_MAX = 2 ** 2;
const VIRTIO_BLK_F_FLUSH = 2 ** 9;
const HUGE_RING = 32768;

interface Flight {
  readonly operation: number;
  /** The region of READ and WRITE. */
  readonly region: number;
  readonly sectors: number;
}

export class OddDiskCaller extends OddCaller {
  private readonly contents: MemoryDisk;
  private readonly disk: BlockDevice;
  private readonly memory: number;
  private readonly flights = new Map<bigint, Flight>();
  private readonly freeRegions = new Set(Array.from({ length: REGIONS }, (_, index) => index));
  private token = 0n;
  private accepted = 0n;

  constructor(build: Build, seed: number, queueSize: number) {
    const random = new Random(seed);
    const contents = new MemoryDisk((CAPACITIES_IN_SECTORS[0] ?? 0) * SECTOR_BYTES);
    const { completion, ringFeatures } = pickMachine(random);
    const features = ringFeatures + random.below(2) * VIRTIO_BLK_F_FLUSH + random.below(2) * VIRTIO_BLK_F_SEG_MAX;
    const disk = new BlockDevice({ backEnd: contents, queueSizes: [queueSize], segMax: 2, features });
    const isHuge = queueSize === HUGE_RING;
    const memory = isHuge ? { memoryBytes: 16 * 1024 * 1024, arenaBytes: 2 * 1024 * 1024 } : {};
    super(new HostedModule(build, { devices: [disk], completion, seed, ...memory }), disk, random);
    this.contents = contents;
    this.disk = disk;
    this.memory = this.module.pc.allocateBuffer(REGIONS * REGION_BYTES, { scattered: true });
    this.open();
    assert.ok(this.handle > 0);
  }

  protected get out(): number {
    return this.flights.size;
  }

  protected readonly choices: readonly Choice[] = [
    ...this.generalChoices,
    [12, () => this.submit()],
    [12, () => this.poll(pick(this.random, CAPACITIES))],
    [2, () => this.allow(this.module.exports.block_await_all(this.handle), 0, 1)],
    [1, () => this.describe()],
    [1, () => this.disk.resize(pick(this.random, CAPACITIES_IN_SECTORS))],
    [1, () => this.allow(this.module.exports.reset(this.handle), 0)],
    [1, () => this.close()],
    [3, () => this.open()],
  ];

  protected end(): void {
    this.module.letDevicesWork();
    for (let turn = 0; this.handle !== 0 && this.out > 0; turn++) {
      assert.ok(turn < 4, `${this.out} requests never complete`);
      this.poll(64);
      this.module.letDevicesWork();
    }
    this.open();
    this.submit();
    this.module.letDevicesWork();
    this.poll(64);
    assert.equal(this.out, 0);
    this.describe();
    assert.equal(this.module.exports.close(this.handle), 0);
  }

  private open(): void {
    const handle = this.module.openDisk(this.disk, { timeout_ns: TIMEOUT });
    if (this.handle === 0) {
      assert.ok(handle > 0, resultName(handle));
      this.handle = handle;
      this.accepted = 0n;
    } else {
      assertResult(handle, Result.E_IN_USE);
    }
  }

  private close(): void {
    const left = this.module.exports.close(this.handle);
    if (this.handle === 0 || this.isClosing) {
      assertResult(left, Result.E_HANDLE);
      return;
    }
    assert.equal(left, this.out);
    this.isClosing = left > 0;
    if (left === 0) this.handle = 0;
  }

  private submit(): void {
    const requests: Request[] = [];
    const made = new Map<bigint, Flight>();
    for (let left = this.random.between(0, 6); left > 0; left--) {
      const [region] = this.freeRegions;
      if (region === undefined) break;
      const flight = this.makeFlight(region);
      if (flight.operation !== BlockOperation.FLUSH) this.freeRegions.delete(region);
      made.set(++this.token, flight);
      requests.push(this.requestOf(this.token, flight));
    }
    const { count, results } = this.module.submit(this.handle, requests);
    if (this.handle === 0 || this.isClosing) assertResult(count, Result.E_HANDLE);
    else this.checkRefusal(requests, results, count);
    requests.forEach(({ token }, index) => {
      const flight = made.get(token);
      assert.ok(flight !== undefined);
      if (index < count) this.flights.set(token, flight);
      else if (flight.operation !== BlockOperation.FLUSH) this.freeRegions.add(flight.region);
    });
    this.accepted += BigInt(Math.max(count, 0));
  }

  private checkRefusal(requests: readonly Request[], results: readonly number[], count: number): void {
    assert.ok(count >= 0, resultName(count));
    if (count === requests.length) return;
    const { operation, segments = [] } = requests[count] ?? {};
    const result = results[count] ?? 0;
    const hasFlush = this.disk.hasNegotiated(VIRTIO_BLK_F_FLUSH);
    if (operation === BlockOperation.FLUSH && !hasFlush) assertResult(result, Result.E_UNSUPPORTED);
    else if (this.mayEverFit(segments)) assertResult(result, Result.E_FULL);
    else assert.ok(result === Result.E_FULL || result === Result.E_SEGMENTS, resultName(result));
  }

  /** Whether an empty ring has room for a request of these segments, as the description says: no block is split. */
  private mayEverFit(segments: readonly Segment[]): boolean {
    const { record } = this.module.blockInformation(this.handle);
    return (
      segments.length <= record.request_segments_max && segments.every(({ length }) => length % SECTOR_BYTES === 0)
    );
  }

  private makeFlight(region: number): Flight {
    const operation = pick(this.random, [
      BlockOperation.READ,
      BlockOperation.READ,
      BlockOperation.WRITE,
      BlockOperation.WRITE,
      BlockOperation.FLUSH,
    ]);
    return { operation, region, sectors: this.random.between(1, REGION_SECTORS) };
  }

  /** One to three segments of any lengths, in the region's own memory. */
  private requestOf(token: bigint, { operation, region, sectors }: Flight): Request {
    if (operation === BlockOperation.FLUSH) return { token, operation };
    const pointer = this.memory + region * REGION_BYTES;
    const bytes = sectors * SECTOR_BYTES;
    if (operation === BlockOperation.WRITE) this.module.pc.writeBuffer(pointer, pattern(Number(token), bytes));
    const unit = pick(this.random, [1, SECTOR_BYTES]);
    const segments: Segment[] = [];
    for (let offset = 0; offset < bytes;) {
      const units = this.random.between(1, (bytes - offset) / unit);
      const length = segments.length === 2 ? bytes - offset : units * unit;
      segments.push({ pointer: pointer + offset, length });
      offset += length;
    }
    return { token, operation, sector: BigInt(region * REGION_SECTORS), segments };
  }

  private poll(capacity: number): void {
    const { count, completions } = this.module.poll(this.handle, capacity);
    if (this.handle === 0) {
      assertResult(count, Result.E_HANDLE);
      return;
    }
    assert.ok(count >= 0, resultName(count));
    for (const { token, result, length } of completions) {
      const flight = this.flights.get(token);
      assert.ok(flight !== undefined, `request ${token} completes, and is not out`);
      this.flights.delete(token);
      this.check(flight, result, length);
      if (flight.operation !== BlockOperation.FLUSH) this.freeRegions.add(flight.region);
    }
    if (this.isClosing && this.out === 0) {
      this.isClosing = false;
      this.handle = 0;
    }
  }

  private check({ operation, region, sectors }: Flight, result: number, length: number): void {
    if (result === Result.E_RESET) {
      assert.equal(length, 0);
      return;
    }
    assertResult(result, Result.OK);
    const bytes = operation === BlockOperation.FLUSH ? 0 : sectors * SECTOR_BYTES;
    assert.equal(length, bytes);
    const start = region * REGION_BYTES;
    const inMemory = this.module.pc.readBuffer(this.memory + start, bytes);
    assert.ok(Buffer.compare(inMemory, this.contents.bytes.subarray(start, start + bytes)) === 0, "other data");
  }

  private describe(): void {
    const information = this.module.blockInformation(this.handle);
    const statistics = this.module.blockStatistics(this.handle);
    const expected = this.handle === 0 ? Result.E_HANDLE : Result.OK;
    assertResult(information.result, expected);
    assertResult(statistics.result, expected);
    if (this.handle !== 0) assert.equal(statistics.record.requests, this.accepted);
  }
}
