/**
 * Writes a file to a disk while it arrives, straight from the buffers that the network card received it in: a request
 * gathers the payloads of several frames, and their buffers go back when it completes.
 */
import { Completion, Segment } from "../../../assembly/abi/records";
import { BlockOperation } from "../../../assembly/drivers/block/abi";
import { Card } from "./card";
import { Disk, SECTOR_BYTES } from "./disk";
import { allocateRecords, recordAt } from "./records";

/** Frames in a request. */
const FRAMES: u32 = 16;
/** Requests that are on their way or being filled. */
const REQUESTS: u32 = 4;

/** One request. */
class Gathering {
  readonly segments: u32 = allocateRecords<Segment>(FRAMES);
  readonly buffers: u32 = <u32>heap.alloc(FRAMES * 4);
  count: u32 = 0;
}

export class Writer {
  /** Bytes of the file that have arrived. */
  length: u64 = 0;
  /** Set when a request failed or was not taken. */
  hasFailed: bool = false;

  private requests: StaticArray<Gathering> = new StaticArray<Gathering>(REQUESTS);
  private filling: u32 = 0;
  private onTheirWay: u32 = 0;
  private sector: u64 = 0;

  constructor(
    private card: Card,
    private disk: Disk,
  ) {
    for (let index: u32 = 0; index < REQUESTS; index++) this.requests[index] = new Gathering();
  }

  /** Forgets what was written, to begin the file again. Requests on their way stay there. */
  restart(): void {
    const request = this.requests[this.filling];
    for (let index: u32 = 0; index < request.count; index++) this.card.release(load<u32>(request.buffers + index * 4));
    request.count = 0;
    this.sector = 0;
    this.length = 0;
  }

  /** Whether another block can be taken. If not, there will be room after a completion. */
  get hasRoom(): bool {
    return this.onTheirWay < REQUESTS;
  }

  /** Whether nothing is on its way. */
  get isIdle(): bool {
    return this.onTheirWay == 0;
  }

  /** Whether `bytes` more fit on the disk. */
  fits(bytes: u64): bool {
    return this.length + bytes <= this.disk.capacity * SECTOR_BYTES;
  }

  /**
   * Takes the next block of the file. Only the last may end within a sector; what follows it in the buffer is zeroed up to
   * the sector's end, and the buffer has room for that.
   *
   * @param buffer the receive buffer it lies in, which goes back to the card once the block is on the disk
   */
  add(block: u32, length: u32, buffer: u32): void {
    const request = this.requests[this.filling];
    const padded = (length + SECTOR_BYTES - 1) & ~(SECTOR_BYTES - 1);
    memory.fill(block + length, 0, padded - length);
    const segment = recordAt<Segment>(request.segments, request.count);
    segment.pointer = block;
    segment.length = padded;
    store<u32>(request.buffers + request.count * 4, buffer);
    request.count++;
    this.length += length;
    if (request.count == FRAMES) this.submit();
  }

  /** Hands over what has been gathered. */
  submit(): void {
    const request = this.requests[this.filling];
    if (request.count == 0) return;
    let bytes: u32 = 0;
    for (let index: u32 = 0; index < request.count; index++) {
      bytes += recordAt<Segment>(request.segments, index).length;
    }
    if (!this.disk.submit(BlockOperation.WRITE, this.sector, request.segments, request.count, this.filling)) {
      this.hasFailed = true;
      return;
    }
    this.sector += bytes / SECTOR_BYTES;
    this.onTheirWay++;
    for (let index: u32 = 0; index < REQUESTS; index++) {
      if (this.requests[index].count == 0) this.filling = index;
    }
  }

  /** Takes the completion of a request. */
  complete(completion: Completion): void {
    if (completion.result != 0) this.hasFailed = true;
    const request = this.requests[<u32>completion.token];
    for (let index: u32 = 0; index < request.count; index++) this.card.release(load<u32>(request.buffers + index * 4));
    request.count = 0;
    // Where all were on their way, this is the one to fill.
    if (this.onTheirWay == REQUESTS) this.filling = <u32>completion.token;
    this.onTheirWay--;
  }
}
