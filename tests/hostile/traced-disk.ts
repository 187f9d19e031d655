/** A disk in memory whose sectors have contents that can be told, and that counts what was done to them. */
import { type BlockBackEnd, SECTOR_BYTES } from "../../kernel-shim/emulated-pc/block/back-end.js";

/** Fills a sector with bytes that no status and no length is: 3 to 255. */
export function fillSector(target: Uint8Array, offset: number, sector: number, version: number): void {
  for (let index = 0; index < SECTOR_BYTES; index++) {
    target[offset + index] = 3 + ((sector * 7 + index * 13 + version * 101) % 253);
  }
}

/** What the sectors from `sector` on hold. */
export function sectorsOf(sector: number, bytes: number, version: number): Uint8Array {
  const data = new Uint8Array(bytes);
  for (let offset = 0; offset < bytes; offset += SECTOR_BYTES) {
    fillSector(data, offset, sector + offset / SECTOR_BYTES, version);
  }
  return data;
}

export class TracedDisk implements BlockBackEnd {
  readonly isReadOnly = false;
  /** Operations that the device reported as done. */
  performed = 0;
  /** How often each sector was read or written. */
  readonly touched: Uint32Array;
  private readonly bytes: Uint8Array;

  constructor(readonly sectors: number) {
    this.bytes = sectorsOf(0, sectors * SECTOR_BYTES, 0);
    this.touched = new Uint32Array(sectors);
  }

  read(sector: number, target: Uint8Array): void {
    target.set(this.bytes.subarray(sector * SECTOR_BYTES, sector * SECTOR_BYTES + target.length));
    this.touch(sector, target.length);
  }

  write(sector: number, source: Uint8Array): void {
    this.bytes.set(source, sector * SECTOR_BYTES);
    this.touch(sector, source.length);
  }

  flush(): void {
    this.performed++;
  }

  resize(): void {
    throw new Error("this disk keeps its size");
  }

  close(): void {
    // Nothing to let go of.
  }

  private touch(sector: number, bytes: number): void {
    this.performed++;
    for (let index = 0; index < bytes / SECTOR_BYTES; index++) {
      this.touched[sector + index] = (this.touched[sector + index] ?? 0) + 1;
    }
  }
}
