/**
 * What the stack did to a scripted machine, in order.
 *
 * A test asks for the order in which things happened, which is what most of the rules between a driver and a device
 * are about. It may watch one 16-bit number in memory, which is noted with each entry: so a test sees what memory held
 * when a barrier was passed or a port was written.
 */

/** What an entry is about, and what its numbers are. `tests/unit/scripted/script.ts` has the same list. */
export const TraceKind = {
  /** Port, or low half of a physical address; value, width in bytes. */
  in: 1,
  /** The same. */
  out: 2,
  /** PCI address × 256 + offset, value, width in bytes. */
  configurationWrite: 3,
  wmb: 4,
  rmb: 5,
  mb: 6,
  relax: 7,
  /** Pages, pointer. */
  allocate: 8,
  /** Pages, pointer. */
  free: 9,
  /** Pointer. */
  translate: 10,
  /** Message, and its two numbers. */
  log: 11,
  /** Window, bytes. */
  map: 12,
  /** Window, bytes. */
  unmap: 13,
} as const;

interface Entry {
  readonly kind: number;
  readonly numbers: readonly number[];
  readonly watched: number;
}

/** Entries kept; later ones are only counted. */
const ENTRIES_MAX = 20_000;

export class Trace {
  private entries: Entry[] = [];
  private counts = new Map<number, number>();
  private watch: () => number = () => 0;

  add(kind: number, ...numbers: number[]): void {
    this.counts.set(kind, this.count(kind) + 1);
    if (this.entries.length === ENTRIES_MAX) return;
    this.entries.push({ kind, numbers: numbers.map((number) => number >>> 0), watched: this.watch() });
  }

  clear(): void {
    this.entries = [];
    this.counts.clear();
  }

  watchWith(watch: () => number): void {
    this.watch = watch;
  }

  /** How many entries of that kind there were since `clear`. */
  count(kind: number): number {
    return this.counts.get(kind) ?? 0;
  }

  /** The first entry from place `from` on with that kind and first number, -1 when there is none. */
  find(kind: number, first: number, from: number): number {
    return this.entries.findIndex(
      (entry, place) => place >= from && entry.kind === kind && (entry.numbers[0] ?? 0) === first >>> 0,
    );
  }

  /** Place of the next entry of a kind, whatever it is about; -1: there is none. */
  next(kind: number, from: number): number {
    return this.entries.findIndex((entry, place) => place >= from && entry.kind === kind);
  }

  /** A number of an entry, 0 where it has none. */
  number(place: number, which: number): number {
    return this.at(place).numbers[which] ?? 0;
  }

  /** What the watched place in memory held when the entry was made. */
  watched(place: number): number {
    return this.at(place).watched;
  }

  private at(place: number): Entry {
    const entry = this.entries[place];
    if (!entry) throw new RangeError(`the trace has no entry ${String(place)}`);
    return entry;
  }
}
