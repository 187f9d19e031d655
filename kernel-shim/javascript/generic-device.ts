/** A device of any type: its configuration, and chains of buffers in its queues, for callers who know what they mean. */

import { GenericChainLayout, type PciFunction, type Segment } from "./abi.js";
import type { Submitted } from "./block-device.js";
import type { Completion } from "./completions.js";
import type { StackContext } from "./context.js";
import { Device } from "./device.js";
import { check } from "./error.js";
import { RecordArray } from "./private-memory.js";
import { writeRecord } from "./records.js";
import { SegmentLists } from "./segments.js";

/** A chain of buffers, at least one in all. */
export interface GenericChain {
  /** Comes back in the completion: a whole number from 0 to 2^53 - 1. */
  token: number;
  /** What the device reads. */
  readable?: readonly Segment[];
  /** What it writes. */
  writable?: readonly Segment[];
}

/** Bytes of a field of the configuration. */
export type FieldWidth = 1 | 2 | 4;

const CHAINS = 64;
const FIELDS = 64;
const WIDEST = 4;

export class GenericDevice extends Device {
  private readonly chains: RecordArray;
  private readonly segmentLists: SegmentLists;
  private readonly fields: RecordArray;
  private polledQueue = 0;

  constructor(context: StackContext<Device>, pciFunction: PciFunction, handle: number) {
    super(context, pciFunction, handle);
    const { privateMemory, view } = context;
    this.chains = new RecordArray(privateMemory, GenericChainLayout.size, CHAINS);
    this.segmentLists = new SegmentLists(view, privateMemory);
    this.fields = new RecordArray(privateMemory, WIDEST, FIELDS);
  }

  /**
   * Reads `count` fields of the configuration that follow each other, as they were at one moment. `width` is theirs in the
   * specification; a field of 64 bits is two of 4 bytes.
   */
  readConfiguration(offset: number, width: FieldWidth, count = 1): number[] {
    const { exports, view } = this.context;
    this.fields.reserve(count);
    const { pointer } = this.fields;
    const result = exports.generic_read_configuration(this.handle, offset, width, count, pointer);
    check("generic_read_configuration", result);
    return Array.from({ length: count }, (_, index) => {
      const at = pointer + index * width;
      if (width === 1) return view.getUint8(at);
      return width === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
    });
  }

  /** Writes a field of the configuration. */
  writeConfiguration(offset: number, width: FieldWidth, value: number): void {
    const result = this.context.exports.generic_write_configuration(this.handle, offset, width, value);
    check("generic_write_configuration", result);
  }

  /**
   * Gives chains to a queue, in order, with one notification at most, up to the first that is refused. The memory behind
   * the segments is the device's until the completion is taken with `poll`.
   */
  submit(queue: number, chains: readonly GenericChain[]): Submitted {
    const { exports, view } = this.context;
    const lists = chains.map(({ readable = [], writable = [] }) => ({ segments: [...readable, ...writable] }));
    this.chains.reserve(chains.length);
    this.segmentLists.begin(lists);
    const { pointer } = this.chains;
    chains.forEach(({ token, readable = [], writable = [] }, index) => {
      writeRecord(view, GenericChainLayout, pointer + index * GenericChainLayout.size, {
        token: BigInt(token),
        segments: this.segmentLists.add(lists[index]?.segments ?? []),
        readable: readable.length,
        writable: writable.length,
      });
    });
    const accepted = check("generic_submit", exports.generic_submit(this.handle, queue, pointer, chains.length));
    const refused = pointer + accepted * GenericChainLayout.size + GenericChainLayout.fields.result.offset;
    return { accepted, refusal: accepted < chains.length ? view.getInt32(refused, true) : 0 };
  }

  /** Takes up to `max` completions of a queue; `length` says how many bytes the device wrote into the chain. */
  poll(queue: number, max = Number.MAX_SAFE_INTEGER): Completion[] {
    this.polledQueue = queue;
    return this.completions.poll(max);
  }

  /** As `poll`, but waits for the first completion; none when so much of the machine's time is over before. */
  waitForCompletions(queue: number, timeoutMilliseconds = this.timeoutMilliseconds): Completion[] {
    let completions: Completion[] = [];
    this.waitUntil(() => {
      completions = this.poll(queue);
      return completions.length > 0;
    }, timeoutMilliseconds);
    return completions;
  }

  protected override callForCompletions(records: number, capacity: number): number {
    const count = this.context.exports.generic_poll(this.handle, this.polledQueue, records, capacity);
    return check("generic_poll", count);
  }

  protected override releaseBuffers(): void {
    // All buffers are the caller's.
  }

  protected override releaseRecords(): void {
    this.chains.dispose();
    this.segmentLists.dispose();
    this.fields.dispose();
  }
}
