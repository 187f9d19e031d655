/**
 * What a disk may hold after a crash, sector by sector, given what was written to it and what of that was acknowledged.
 * [virtio-1.2 §5.2.6.2]
 *
 * A write is *safe* once it must survive: as soon as it is acknowledged on a disk without a volatile cache, else once a
 * flush is acknowledged that was submitted after the write's own acknowledgement. A sector may then hold any write to it,
 * acknowledged or not, except one that ended before a safe one began; and what it held at first, unless any write to it
 * is safe. It never holds anything else, nor parts of two.
 */

export const SECTOR_BYTES = 512;

/** What makes a write safe. */
export type Safety = "acknowledged" | "flushed";

/** A sector that holds what it may not hold. */
export interface Finding {
  sector: number;
  kind:
    /** Something older than a safe write. */
    | "lost write"
    /** Every byte was written there, but not together. */
    | "mixture"
    /** Something that nobody wrote there. */
    | "foreign data";
}

interface Write {
  readonly first: number;
  readonly data: Uint8Array;
  /** When it was submitted and acknowledged, by the history's own count of events. */
  readonly began: number;
  ended: number;
  isSafe: boolean;
}

interface Flush {
  readonly began: number;
}

export class DiskHistory {
  private readonly writes = new Map<number, Write>();
  private readonly flushes = new Map<number, Flush>();
  /** Writes to each sector, in the order of their submission. */
  private readonly bySector = new Map<number, Write[]>();
  /** Acknowledged and not safe. */
  private volatile: Write[] = [];
  private events = 0;

  /** @param initial what the disk holds at first; its size is the disk's */
  constructor(
    private readonly initial: Uint8Array,
    private readonly safety: Safety,
  ) {}

  /** A write is about to be submitted; `token` names it until it ends. */
  beginWrite(token: number, first: number, data: Uint8Array): void {
    const write = { first, data, began: ++this.events, ended: Infinity, isSafe: false };
    this.writes.set(token, write);
    for (let sector = first; sector < first + data.length / SECTOR_BYTES; sector++) {
      const there = this.bySector.get(sector);
      if (there === undefined) this.bySector.set(sector, [write]);
      else there.push(write);
    }
  }

  beginFlush(token: number): void {
    this.flushes.set(token, { began: ++this.events });
  }

  /** The write or flush was acknowledged with success. */
  end(token: number): void {
    const flush = this.flushes.get(token);
    const write = this.writes.get(token);
    if (flush !== undefined) {
      this.flushes.delete(token);
      for (const each of this.volatile) each.isSafe ||= each.ended < flush.began;
      this.volatile = this.volatile.filter(({ isSafe }) => !isSafe);
    } else if (write !== undefined) {
      this.writes.delete(token);
      write.ended = ++this.events;
      if (this.safety === "acknowledged") write.isSafe = true;
      else this.volatile.push(write);
    } else {
      throw new RangeError(`${token} names nothing that was begun and has not ended`);
    }
  }

  /** Writes and flushes that were begun and not acknowledged. */
  get inFlight(): number {
    return this.writes.size + this.flushes.size;
  }

  /** Every sector of the image that breaks the rules. */
  judge(image: Uint8Array): Finding[] {
    if (image.length !== this.initial.length) {
      throw new RangeError(`The image has ${image.length} bytes and the disk ${this.initial.length}`);
    }
    const findings: Finding[] = [];
    for (let sector = 0; sector < image.length / SECTOR_BYTES; sector++) {
      const kind = this.judgeSector(sector, sectorOf(image, sector));
      if (kind !== null) findings.push({ sector, kind });
    }
    return findings;
  }

  private judgeSector(sector: number, found: Uint8Array): Finding["kind"] | null {
    const writes = this.bySector.get(sector) ?? [];
    const lastSafeBegin = Math.max(-1, ...writes.filter(({ isSafe }) => isSafe).map(({ began }) => began));
    const held = (write: Write): Uint8Array => sectorOf(write.data, sector - write.first);
    if (lastSafeBegin < 0 && isSame(found, sectorOf(this.initial, sector))) return null;
    const isAllowed = (write: Write): boolean => write.ended > lastSafeBegin && isSame(found, held(write));
    if (writes.some(isAllowed)) return null;
    const versions = [sectorOf(this.initial, sector), ...writes.map(held)];
    if (versions.some((version) => isSame(found, version))) return "lost write";
    const isWritten = (byte: number, index: number): boolean => versions.some((version) => version[index] === byte);
    return found.every(isWritten) ? "mixture" : "foreign data";
  }
}

function sectorOf(bytes: Uint8Array, sector: number): Uint8Array {
  return bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
