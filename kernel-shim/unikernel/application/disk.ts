/** A disk: one request at a time is described, many can be on their way. */
import { Completion } from "../../../assembly/abi/records";
import {
  BlockInformation,
  BlockOperation,
  BlockOptions,
  BlockRequest,
  BlockStatistics,
} from "../../../assembly/drivers/block/abi";
import { DeviceDescription, describeOptions } from "./device";
import { allocateRecords, recordAt } from "./records";
import { block_information, block_open, block_poll, block_statistics, block_submit } from "./stack";

export const SECTOR_BYTES: u32 = 512;

/** Completions that are taken with one call. */
const BATCH: u32 = 16;

export class Disk {
  readonly handle: i32;
  /** Sectors. */
  readonly capacity: u64;

  private request: BlockRequest = recordAt<BlockRequest>(allocateRecords<BlockRequest>(1), 0);
  private completions: u32 = allocateRecords<Completion>(BATCH);

  /** Opens the disk; `handle` is negative when that fails, a result code. */
  constructor(readonly description: DeviceDescription) {
    const options = allocateRecords<BlockOptions>(1);
    describeOptions(options, description);
    const handle = block_open(description.address, options);
    this.handle = handle;
    const information = recordAt<BlockInformation>(allocateRecords<BlockInformation>(1), 0);
    if (handle > 0) block_information(handle, changetype<u32>(information));
    this.capacity = information.capacity;
  }

  /** Submits one request; `segments` is an array of `Segment`. Returns whether the disk took it. */
  submit(operation: BlockOperation, sector: u64, segments: u32, segmentCount: u32, token: u64): bool {
    const request = this.request;
    request.token = token;
    request.sector = sector;
    request.operation = <u8>operation;
    request.segments = segments;
    request.segment_count = segmentCount;
    return block_submit(this.handle, changetype<u32>(request), 1) == 1;
  }

  /** Takes completions, which are read with `completion`: how many, or a negative result. */
  poll(): i32 {
    return block_poll(this.handle, this.completions, BATCH);
  }

  /** A completion that the last `poll` took. */
  completion(index: u32): Completion {
    return recordAt<Completion>(this.completions, index);
  }

  /** Copies the disk's counters to a record. */
  statistics(record: BlockStatistics): void {
    block_statistics(this.handle, changetype<u32>(record));
  }
}
