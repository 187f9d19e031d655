/** A disk with a volatile write cache: what was not flushed is lost when the power goes. */
import { type BlockBackEnd, SECTOR_BYTES } from "./back-end.js";

export class CachingDisk implements BlockBackEnd {
  /** Sectors that were written and not flushed. */
  private readonly cache = new Map<number, Uint8Array>();

  /** @param stable what keeps its contents; closed with this one */
  constructor(private readonly stable: BlockBackEnd) {}

  get sectors(): number {
    return this.stable.sectors;
  }

  get isReadOnly(): boolean {
    return this.stable.isReadOnly;
  }

  /** Sectors that would be lost now. */
  get unflushed(): number {
    return this.cache.size;
  }

  /** The power goes: everything that was not flushed is as it was before it was written. */
  losePower(): void {
    this.cache.clear();
  }

  read(sector: number, target: Uint8Array): void {
    this.stable.read(sector, target);
    for (let offset = 0; offset < target.length; offset += SECTOR_BYTES) {
      const cached = this.cache.get(sector + offset / SECTOR_BYTES);
      if (cached !== undefined) target.set(cached, offset);
    }
  }

  write(sector: number, source: Uint8Array): void {
    for (let offset = 0; offset < source.length; offset += SECTOR_BYTES) {
      this.cache.set(sector + offset / SECTOR_BYTES, source.slice(offset, offset + SECTOR_BYTES));
    }
  }

  discard(sector: number, sectors: number): void {
    for (let index = 0; index < sectors; index++) this.cache.delete(sector + index);
    this.stable.discard(sector, sectors);
  }

  flush(): void {
    for (const [sector, bytes] of this.cache) this.stable.write(sector, bytes);
    this.cache.clear();
    this.stable.flush();
  }

  resize(sectors: number): void {
    this.flush();
    this.stable.resize(sectors);
  }

  close(): void {
    this.stable.close();
  }
}
