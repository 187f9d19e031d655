/** A guest that drives a disk without its driver: chains of its own, some of which are requests, and the configuration. */
import {
  BlockOperation,
  GenericChainLayout,
  GenericOptionsLayout,
  Result,
  SegmentLayout,
} from "../../kernel-shim/javascript/abi.js";
import { readRecord } from "../../kernel-shim/javascript/records.js";
import { SECTOR_BYTES } from "../../kernel-shim/emulated-pc/block/back-end.js";
import type { BlockDevice } from "../../kernel-shim/emulated-pc/block/device.js";
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import * as bounds from "./bounds.js";
import { BATCH_RESULTS, DeviceGuest, type GuestContext, UNUSABLE } from "./device-guest.js";
import { expect } from "./finding.js";
import { expectResult } from "./hosted-module.js";
import { Ledger, UNTOUCHED, wasAccepted } from "./oracles.js";
import { sectorsOf, type TracedDisk } from "./traced-disk.js";

const PAGE_BYTES = 4096;
const BUFFER_BYTES = 2 * PAGE_BYTES;
const BUFFERS = 6;
const HEADER_BYTES = 16;
/** Where header, status and data of a request lie in its buffer. */
const STATUS = 64;
const DATA = PAGE_BYTES;
const NO_STATUS = 0xff;
/** Segments of a chain, and fields that are read at once. */
const SEGMENTS = 4;
const FIELDS = 8;
/** More than a whole request takes, whose data may lie in two places. */
const DESCRIPTORS_OF_A_REQUEST = 8;
/** The only queue of the disk. */
const QUEUE = 0;

interface Segment {
  readonly pointer: number;
  readonly length: number;
}

interface DiskChain {
  readonly buffer: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

const REFUSALS: readonly number[] = [Result.E_FULL, Result.E_SEGMENTS];

/** For chains that make no sense. */
const NONSENSE: readonly number[] = [...REFUSALS, Result.E_ARGUMENT, Result.E_ADDRESS];

export class GenericGuest extends DeviceGuest {
  readonly kind = "generic";
  private readonly ledger = new Ledger<DiskChain>();
  private readonly freeBuffers: number[];
  /** As it was asked for; 0: none was. */
  private queueSizeMax = 0;

  constructor(
    context: GuestContext,
    private readonly disk: TracedDisk,
    private readonly block: BlockDevice,
  ) {
    super(context, block);
    this.freeBuffers = Array.from({ length: BUFFERS }, (_, index) =>
      context.machine.allocateBuffer(BUFFER_BYTES, { scattered: index % 2 === 0 }),
    );
  }

  open(withOptions: boolean): number {
    const { module, random } = this.context;
    const chosen = withOptions ? this.chooseOptions() : this.plainOptions();
    this.queueSizeMax = chosen.queue_size_max;
    const queues = withOptions ? pick(random, [1, 1, 1, 1, 0, 2, 0xffff]) : 1;
    const options = module.pass(GenericOptionsLayout, [{ ...chosen, type: this.block.type, queue_count: queues }]);
    return this.openWith("generic_open", options);
  }

  step(): void {
    const { random } = this.context;
    switch (random.below(14)) {
      case 0:
        this.readConfiguration();
        return;
      case 1:
        this.writeConfiguration();
        return;
      case 2:
      case 3:
      case 4:
        this.submitSome();
        return;
      case 5:
      case 6:
      case 7:
        this.poll(1 + random.below(4));
        return;
      default:
        this.commonStep(random.below(8));
    }
  }

  moveData(): void {
    // A device that makes its ring as small as it was asked to has no room for a whole request.
    if (this.queueSizeMax !== 0 && this.queueSizeMax < DESCRIPTORS_OF_A_REQUEST) return;
    const { machine, random } = this.context;
    const sector = random.below(this.disk.sectors - 4);
    for (const version of [1, 0]) {
      const data = sectorsOf(sector, 2 * SECTOR_BYTES, version);
      this.transfer(BlockOperation.WRITE, sector, data);
      const buffer = this.transfer(BlockOperation.READ, sector, new Uint8Array(data.length));
      const isSame = Buffer.compare(machine.readBuffer(buffer + DATA, data.length), data) === 0;
      expect(isSame, "what was written is read back", () => `sector ${sector}, version ${version}`);
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
    this.submitSome();
  }

  private readConfiguration(): void {
    const { module, random } = this.context;
    const count = random.below(FIELDS);
    const width = pick(random, [1, 2, 4, 4, 3]);
    const values = module.records.take(width * FIELDS);
    module.records.pass(values, width * FIELDS, (offset) => offset < width * count);
    const bound = bounds.configurationImports(this.place.costs, count);
    const offset = this.chooseOffset(width);
    const result = module.call("generic_read_configuration", bound, this.handle, offset, width, count, values);
    expectResult("generic_read_configuration", result, [
      Result.E_ARGUMENT,
      Result.E_RANGE,
      Result.E_CONFIGURATION,
      ...UNUSABLE,
    ]);
    module.records.reset();
  }

  private writeConfiguration(): void {
    const { module, random } = this.context;
    const width = pick(random, [1, 2, 4]);
    const offset = this.chooseOffset(width);
    const bound = this.place.costs.access;
    const result = module.call("generic_write_configuration", bound, this.handle, offset, width, random.below(2));
    expectResult("generic_write_configuration", result, [Result.E_ARGUMENT, Result.E_RANGE, ...UNUSABLE]);
  }

  private chooseOffset(width: number): number {
    const { random } = this.context;
    return pick(random, [0, 32, width * random.below(16), random.below(80), 0x100, 0x1000, 0xffff_fffc]);
  }

  /** Requests of the disk, and chains that it can make nothing of. */
  private submitSome(): void {
    const { random } = this.context;
    const chains: DiskChain[] = [];
    for (let count = 1 + random.below(3); count > 0; count--) {
      const buffer = this.freeBuffers.pop();
      if (buffer === undefined) break;
      const isRequest = random.below(4) > 0;
      const sector = random.below(this.disk.sectors);
      chains.push(
        isRequest
          ? this.request(buffer, BlockOperation.READ, sector, new Uint8Array(SECTOR_BYTES * (1 + random.below(8))))
          : { buffer, readable: this.chooseSegments(buffer, 0), writable: this.chooseSegments(buffer, 1) },
      );
    }
    this.submit(chains);
  }

  private chooseSegments(buffer: number, least: number): Segment[] {
    const { random } = this.context;
    return Array.from({ length: least + random.below(SEGMENTS / 2) }, () => {
      const offset = random.below(BUFFER_BYTES);
      return { pointer: buffer + offset, length: 1 + random.below(BUFFER_BYTES - offset) };
    });
  }

  private request(buffer: number, operation: number, sector: number, data: Uint8Array): DiskChain {
    const { machine } = this.context;
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    header.setUint32(0, operation, true);
    header.setUint32(8, sector, true);
    machine.writeBuffer(buffer, new Uint8Array(header.buffer));
    machine.writeBuffer(buffer + STATUS, Uint8Array.of(NO_STATUS));
    machine.writeBuffer(buffer + DATA, data);
    const head = { pointer: buffer, length: HEADER_BYTES };
    const body = { pointer: buffer + DATA, length: data.length };
    const status = { pointer: buffer + STATUS, length: 1 };
    return operation === BlockOperation.WRITE
      ? { buffer, readable: [head, body], writable: [status] }
      : { buffer, readable: [head], writable: [body, status] };
  }

  /** Hands chains in. Returns how many were accepted, or the negative result. */
  private submit(chains: readonly DiskChain[]): number {
    const { module } = this.context;
    const tokens = chains.map(() => this.ledger.token());
    const array = module.pass(
      GenericChainLayout,
      chains.map(({ readable, writable }, index) => ({
        token: tokens[index] ?? 0n,
        segments: module.pass(SegmentLayout, [...readable, ...writable]),
        readable: readable.length,
        writable: writable.length,
        result: UNTOUCHED,
      })),
      "result",
    );
    this.countRing(chains.length);
    const segments = chains.length * SEGMENTS;
    const bound = bounds.submitImports(this.place.costs, this.ring, chains.length, 3 * segments, segments);
    const accepted = module.call("generic_submit", bound, this.handle, QUEUE, array, chains.length);
    expectResult("generic_submit", accepted, BATCH_RESULTS);
    expect(accepted <= chains.length, "no more is accepted than was given", () => `${accepted}`);
    chains.forEach((chain, index) => {
      const { result } = readRecord(module.view, GenericChainLayout, array + index * GenericChainLayout.size);
      if (wasAccepted("request", index, accepted, result, REFUSALS)) this.ledger.accept(tokens[index] ?? 0n, chain);
      else this.freeBuffers.push(chain.buffer);
    });
    module.records.reset();
    return accepted;
  }

  protected submitNonsense(): void {
    const { module, machine, random } = this.context;
    const buffer = this.freeBuffers[0];
    if (buffer === undefined) return;
    const good = { pointer: buffer, length: HEADER_BYTES };
    const segments = pick<Segment[]>(random, [
      [],
      [good, { pointer: buffer, length: 0 }],
      [good, { pointer: buffer, length: 0xffff_ffff }],
      // Not lent: nobody's, and the page behind a buffer's last.
      [{ pointer: PAGE_BYTES, length: 16 }, good],
      [good, { pointer: machine.lent.endOf(buffer) - 16, length: 32 }],
    ]);
    const isPastRecords = segments.length > 0 && random.below(4) === 0;
    const place = isPastRecords ? module.view.byteLength - 4 : module.pass(SegmentLayout, segments);
    const readable = random.below(segments.length + 1);
    const writable = segments.length - readable;
    const array = module.pass(GenericChainLayout, [{ token: 0xbadn, segments: place, readable, writable }], "result");
    this.countRing(1);
    const bound = bounds.submitImports(this.place.costs, this.ring, 1, 2 ** 20, segments.length);
    const accepted = module.call("generic_submit", bound, this.handle, QUEUE, array, 1);
    const { result } = readRecord(module.view, GenericChainLayout, array);
    expect(
      UNUSABLE.includes(accepted) || (accepted === 0 && NONSENSE.includes(result)),
      "a request that makes no sense is refused",
      () => `${JSON.stringify(segments)}: ${accepted}, ${result}`,
    );
    module.records.reset();
  }

  private poll(capacity: number): number {
    this.countRing(0);
    return this.takeCompletions(
      "generic_poll",
      capacity,
      (token, result, length) => this.complete(token, result, length),
      QUEUE,
    );
  }

  private complete(token: bigint, result: number, length: number): void {
    const { buffer, writable } = this.ledger.complete(token, result === Result.OK);
    this.freeBuffers.push(buffer);
    const isKnown = result === Result.OK || result === Result.E_RESET;
    expect(isKnown, "a chain was used, or caught by a reset", () => `${result}`);
    const room = writable.reduce((sum, segment) => sum + segment.length, 0);
    const most = result === Result.OK ? room : 0;
    expect(length <= most, "no more was written into a chain than it has room for", () => `${length} of ${most}`);
  }

  /** One request on a disk that keeps the rules, to its end. Returns its buffer. */
  private transfer(operation: number, sector: number, data: Uint8Array): number {
    const buffer = this.freeBuffers.pop();
    expect(buffer !== undefined, "buffers come back", () => "");
    const name = `operation ${operation}`;
    const accepted = this.submit([this.request(buffer, operation, sector, data)]);
    expect(accepted === 1, "a device that keeps the rules again works again", () => name);
    this.waitFor(name, () => this.poll(1) === 1);
    const [status] = this.context.machine.readBuffer(buffer + STATUS, 1);
    expect(status === 0, "a request to a device that keeps the rules succeeds", () => `${name}: ${status}`);
    return buffer;
  }

  /** A ring has at most one chain for each that is out. The device alone knows how large it is. */
  private countRing(more: number): void {
    const chains = this.ledger.outstanding + more;
    this.ring = { entries: chains, descriptors: 2 * SEGMENTS * chains };
  }
}
