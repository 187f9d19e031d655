/** Lists of sector ranges of a batch, laid out one after the other in one array of records. */

import { BlockRangeFlag, BlockRangeLayout } from "./abi.js";
import type { PrivateMemory } from "./private-memory.js";
import { RecordArray } from "./private-memory.js";
import { writeUint64 } from "./records.js";

/** Sectors that a request names without moving data: whole blocks. */
export interface BlockRange {
  /** First sector of 512 bytes. */
  sector: number | bigint;
  /** At least 1. */
  sectors: number;
  /** `WRITE_ZEROES` only: the device may give up the storage, too. */
  unmap?: boolean;
}

const CAPACITY = 16;
const { sector, num_sectors, flags } = BlockRangeLayout.fields;

export class RangeLists {
  private readonly records: RecordArray;
  private next = 0;

  constructor(
    private readonly view: DataView,
    memory: PrivateMemory,
  ) {
    this.records = new RecordArray(memory, BlockRangeLayout.size, CAPACITY);
  }

  /** Starts a batch with room for all ranges of `requests`; addresses of the last batch end here. */
  begin(requests: readonly { ranges?: readonly BlockRange[] }[]): void {
    let count = 0;
    for (const request of requests) {
      count += request.ranges?.length ?? 0;
    }
    this.records.reserve(count);
    this.next = this.records.pointer;
  }

  /** Writes one list; returns its address. */
  add(ranges: readonly BlockRange[]): number {
    const { view } = this;
    const start = this.next;
    let record = start;
    for (const range of ranges) {
      writeUint64(view, record + sector.offset, range.sector);
      view.setUint32(record + num_sectors.offset, range.sectors, true);
      view.setUint32(record + flags.offset, range.unmap === true ? BlockRangeFlag.UNMAP : 0, true);
      record += BlockRangeLayout.size;
    }
    this.next = record;
    return start;
  }

  dispose(): void {
    this.records.dispose();
  }
}
