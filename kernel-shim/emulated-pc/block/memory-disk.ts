/** A disk in memory. */
import { type BlockBackEnd, SECTOR_BYTES } from "./back-end.js";

/** What discarded sectors are filled with, so that nobody gets used to zeroes, or to what was there. */
const DISCARDED = 0xdc;

export class MemoryDisk implements BlockBackEnd {
  /** The disk's contents, for tests to look at and to change. */
  bytes: Uint8Array;
  /** How often the driver flushed. */
  flushes = 0;

  /**
   * @param contents the disk itself, or its size in bytes; a multiple of 512
   * @param isReadOnly whether the device offers it as read-only
   */
  constructor(
    contents: Uint8Array | number,
    readonly isReadOnly = false,
  ) {
    this.bytes = typeof contents === "number" ? new Uint8Array(contents) : contents;
    if (this.bytes.length % SECTOR_BYTES !== 0) {
      throw new Error(`a disk of ${this.bytes.length} bytes is no multiple of ${SECTOR_BYTES}`);
    }
  }

  get sectors(): number {
    return this.bytes.length / SECTOR_BYTES;
  }

  read(sector: number, target: Uint8Array): void {
    const start = sector * SECTOR_BYTES;
    target.set(this.bytes.subarray(start, start + target.length));
  }

  write(sector: number, source: Uint8Array): void {
    this.bytes.set(source, sector * SECTOR_BYTES);
  }

  discard(sector: number, sectors: number): void {
    this.bytes.fill(DISCARDED, sector * SECTOR_BYTES, (sector + sectors) * SECTOR_BYTES);
  }

  flush(): void {
    this.flushes++;
  }

  resize(sectors: number): void {
    const resized = new Uint8Array(sectors * SECTOR_BYTES);
    resized.set(this.bytes.subarray(0, resized.length));
    this.bytes = resized;
  }

  close(): void {
    // Nothing to let go of.
  }
}
