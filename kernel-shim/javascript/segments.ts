/** Segment lists of a batch, laid out one after the other in one array of records. */

import { SegmentLayout, type Segment } from "./abi.js";
import type { PrivateMemory } from "./private-memory.js";
import { RecordArray } from "./private-memory.js";

const CAPACITY = 512;
const { pointer, length } = SegmentLayout.fields;

export class SegmentLists {
  private readonly records: RecordArray;
  private next = 0;

  constructor(
    private readonly view: DataView,
    memory: PrivateMemory,
  ) {
    this.records = new RecordArray(memory, SegmentLayout.size, CAPACITY);
  }

  /** Starts a batch with room for all segments of `requests`; addresses of the last batch end here. */
  begin(requests: readonly { segments: readonly Segment[] }[]): void {
    let count = 0;
    for (const request of requests) {
      count += request.segments.length;
    }
    this.records.reserve(count);
    this.next = this.records.pointer;
  }

  /** Writes one list; returns its address. */
  add(segments: readonly Segment[]): number {
    const { view } = this;
    const start = this.next;
    let record = start;
    for (const segment of segments) {
      view.setUint32(record + pointer.offset, segment.pointer, true);
      view.setUint32(record + length.offset, segment.length, true);
      record += SegmentLayout.size;
    }
    this.next = record;
    return start;
  }

  dispose(): void {
    this.records.dispose();
  }
}
