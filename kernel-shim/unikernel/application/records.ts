/** Memory that is taken once, when the application starts, and never given back. */
import { dma_alloc } from "../../../assembly/kernel";

const PAGE_BYTES: u32 = 4096;

/** Takes a zeroed array of records. Those that come in arrays have a size that needs no rounding. */
export function allocateRecords<Record>(count: u32): u32 {
  const bytes = <u32>offsetof<Record>() * count;
  const records = <u32>heap.alloc(bytes);
  memory.fill(records, 0, bytes);
  return records;
}

/** The record of that index in an array. */
export function recordAt<Record>(records: u32, index: u32): Record {
  return changetype<Record>(records + index * <u32>offsetof<Record>());
}

/** Borrows memory that devices reach; 0 when there is none. */
export function allocateShared(bytes: u32): u32 {
  return dma_alloc((bytes + PAGE_BYTES - 1) / PAGE_BYTES);
}
