/** A disk in a file: opened once, written in place, flushed to the storage below. */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { type BlockBackEnd, SECTOR_BYTES } from "./back-end.js";

export class ImageFile implements BlockBackEnd {
  private readonly descriptor: number;
  private sectorCount: number;
  private isOpen = true;

  /**
   * Opens a raw image. Throws when there is none, when it is no file, when its size is 0 or no multiple of 512, or
   * when it may not be opened for writing as asked.
   *
   * @param isReadOnly opens the file for reading only, and lets the device offer a read-only disk
   */
  constructor(
    readonly path: string,
    readonly isReadOnly: boolean,
  ) {
    this.descriptor = openSync(path, isReadOnly ? "r" : "r+");
    try {
      this.sectorCount = countSectors(this.descriptor, path);
    } catch (error) {
      closeSync(this.descriptor);
      throw error;
    }
  }

  get sectors(): number {
    return this.sectorCount;
  }

  read(sector: number, target: Uint8Array): void {
    const start = sector * SECTOR_BYTES;
    for (let done = 0; done < target.length;) {
      const count = readSync(this.descriptor, target, done, target.length - done, start + done);
      if (count === 0) throw new Error(`${this.path} ended before byte ${start + target.length}`);
      done += count;
    }
  }

  write(sector: number, source: Uint8Array): void {
    const start = sector * SECTOR_BYTES;
    for (let done = 0; done < source.length;) {
      done += writeSync(this.descriptor, source, done, source.length - done, start + done);
    }
  }

  discard(): void {
    // Files cannot be given holes from here.
  }

  flush(): void {
    fsyncSync(this.descriptor);
  }

  resize(sectors: number): void {
    ftruncateSync(this.descriptor, sectors * SECTOR_BYTES);
    this.sectorCount = sectors;
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    closeSync(this.descriptor);
  }
}

function countSectors(descriptor: number, path: string): number {
  const status = fstatSync(descriptor);
  if (!status.isFile()) throw new Error(`${path} is not a file`);
  if (status.size === 0) throw new Error(`${path} is empty`);
  if (status.size % SECTOR_BYTES !== 0) {
    throw new Error(`${path} has ${status.size} bytes, which is no multiple of ${SECTOR_BYTES}`);
  }
  return status.size / SECTOR_BYTES;
}
