/** A disk in memory whose sectors have contents that can be told, and that counts what was done to them. */
import { type BlockBackEnd, SECTOR_BYTES } from "../../kernel-shim/emulated-pc/block/back-end.js";

/** The values of bytes: those that no status and no short length is. */
const VALUES = 253;
const SMALLEST_VALUE = 3;

/** Bytes grow by 13 from one to the next; every sector is a part of this, from its first value on. */
const pattern = Uint8Array.from(
  { length: VALUES + SECTOR_BYTES },
  (_, index) => SMALLEST_VALUE + ((index * 13) % VALUES),
);
/** Where in the pattern a value stands. */
const places = new Map(Array.from(pattern.subarray(0, VALUES), (value, place) => [value, place]));

/** What the sectors from `sector` on hold. */
export function sectorsOf(sector: number, bytes: number, version: number): Uint8Array {
  const data = new Uint8Array(bytes);
  for (let offset = 0; offset < bytes; offset += SECTOR_BYTES) {
    const first = SMALLEST_VALUE + (((sector + offset / SECTOR_BYTES) * 7 + version * 101) % VALUES);
    const place = places.get(first) ?? 0;
    data.set(pattern.subarray(place, place + Math.min(SECTOR_BYTES, bytes - offset)), offset);
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
    // Zeroes, which no data begins with: what is read stays what can be told.
    if (source[0] === 0) {
      this.touch(sector, source.length);
      return;
    }
    this.bytes.set(source, sector * SECTOR_BYTES);
    this.touch(sector, source.length);
  }

  discard(sector: number, sectors: number): void {
    this.touch(sector, sectors * SECTOR_BYTES);
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
