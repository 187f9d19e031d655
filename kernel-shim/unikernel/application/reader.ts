/** Reads a file back from a disk and computes its SHA-256: while one part is hashed, the next is read. */
import { Completion, Segment } from "../../../assembly/abi/records";
import { BlockOperation } from "../../../assembly/drivers/block/abi";
import { Disk, SECTOR_BYTES } from "./disk";
import { allocateRecords, allocateShared, recordAt } from "./records";
import { sha256_finish, sha256_start, sha256_update } from "./unikernel";

const PART_BYTES: u32 = 65536;
const PARTS: u32 = 2;
export const DIGEST_BYTES: u32 = 32;

export class Reader {
  /** Set when a request failed or was not taken. */
  hasFailed: bool = false;
  /** Where the digest is, once `isDone`. */
  readonly digest: u32 = <u32>heap.alloc(DIGEST_BYTES);

  private parts: u32 = allocateShared(PARTS * PART_BYTES);
  private segment: Segment = recordAt<Segment>(allocateRecords<Segment>(1), 0);
  /** Bit n: part n has been read. */
  private ready: u32 = 0;
  private requested: u64 = 0;
  private hashed: u64 = 0;
  private length: u64 = 0;

  constructor(private disk: Disk) {}

  /** Begins with the first `length` bytes of the disk. */
  start(length: u64): void {
    this.length = length;
    this.hasFailed = this.parts == 0;
    sha256_start();
    for (let part: u32 = 0; part < PARTS; part++) this.request();
    this.finishIfDone();
  }

  get isDone(): bool {
    return this.hashed == this.length;
  }

  /** Reads the next part, if there is one, into the memory that it is the turn of. */
  private request(): void {
    if (this.requested >= this.length || this.hasFailed) return;
    const part = <u32>(this.requested / PART_BYTES) % PARTS;
    const wanted = min<u64>(this.length - this.requested, PART_BYTES);
    this.segment.pointer = this.parts + part * PART_BYTES;
    this.segment.length = (<u32>wanted + SECTOR_BYTES - 1) & ~(SECTOR_BYTES - 1);
    const sector = this.requested / SECTOR_BYTES;
    if (!this.disk.submit(BlockOperation.READ, sector, changetype<u32>(this.segment), 1, part)) this.hasFailed = true;
    this.requested += wanted;
  }

  /** Takes the completion of a request. */
  complete(completion: Completion): void {
    if (completion.result != 0) {
      this.hasFailed = true;
      return;
    }
    this.ready |= 1 << (<u32>completion.token);
    // In the order of the file, whatever the order of completion.
    for (;;) {
      const part = <u32>(this.hashed / PART_BYTES) % PARTS;
      if ((this.ready & (1 << part)) == 0) break;
      this.ready &= ~(1 << part);
      const bytes = <u32>min<u64>(this.length - this.hashed, PART_BYTES);
      sha256_update(this.parts + part * PART_BYTES, bytes);
      this.hashed += bytes;
      this.request();
    }
    this.finishIfDone();
  }

  private finishIfDone(): void {
    if (this.isDone) sha256_finish(this.digest);
  }
}
