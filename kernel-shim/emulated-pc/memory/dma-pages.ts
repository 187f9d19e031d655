/**
 * The pages that the kernel lends to devices, and their physical addresses. Only whole pages are lent: what devices
 * may reach of a page, they may reach all of.
 *
 * A pool of pages, named by pointers that follow each other, and frames, which are where a device finds them. The two
 * are joined while a page is lent, and only then. In a mapped machine frames lie somewhere else than pages do:
 * contiguous ones near 1 GiB, scattered ones above 4 GiB and never next to each other, so that a driver that mixes up
 * pointers and addresses, forgets a page boundary or keeps 32 bits of an address shows at once.
 */
import { Random } from "../random.js";

export const PAGE_BYTES = 4096;

/** Where contiguous frames start. */
const CONTIGUOUS_BASE = 0x4000_0000;
/** Where scattered frames start. */
const SCATTERED_BASE = 0x1_2000_0000;
/** Scattered frames for each page of the pool: enough room to hardly ever reuse one soon. */
const SCATTERED_FRAMES_PER_PAGE = 2;

export interface DmaPagesOptions {
  /** Where the pool lies; asked for again when it grew and the old one was detached. */
  buffer: () => ArrayBufferLike;
  /** The pool's first byte in the buffer, a multiple of 4096. */
  start: number;
  /** Behind the pool's last byte, a multiple of 4096. */
  end: number;
  /** The pointer that names the pool's first byte, a multiple of 4096 and not 0. */
  pointerBase: number;
  /** Physical addresses equal pointers: there is nothing to translate. */
  identity: boolean;
  /** For the choice of scattered frames. */
  seed: number;
}

/** Who borrowed: the stack with `dma_alloc`, or its host for buffers of its own. Each gives back what it borrowed. */
export type Borrower = "stack" | "host";

export interface Loan {
  readonly pages: number;
  readonly borrower: Borrower;
}

export class DmaPages {
  private memory: Uint8Array;
  private view: DataView;
  private readonly pageCount: number;
  /** The frame that each page is lent at, -1 while it is not lent. */
  private readonly frameOfPage: Int32Array;
  /** The page behind each frame, -1 in frames not in use. Contiguous frames first, then the scattered ones. */
  private readonly pageOfFrame: Int32Array;
  /** By their first page. */
  private readonly loans = new Map<number, Loan>();
  private readonly random: Random;
  /** Where the search for free pages and contiguous frames goes on: reuse as late as possible shows stale addresses. */
  private nextPage = 0;
  private nextFrame = 0;

  constructor(private readonly options: DmaPagesOptions) {
    const buffer = options.buffer();
    this.memory = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.pageCount = (options.end - options.start) / PAGE_BYTES;
    this.frameOfPage = new Int32Array(this.pageCount).fill(-1);
    const scattered = options.identity ? 0 : this.pageCount * SCATTERED_FRAMES_PER_PAGE;
    this.pageOfFrame = new Int32Array(this.pageCount + scattered).fill(-1);
    this.random = new Random(options.seed);
  }

  /** The whole buffer; offsets from `offsetOf` and `offsetOfPointer` count from its start. */
  get bytes(): Uint8Array {
    if (this.memory.length === 0) this.attach();
    return this.memory;
  }

  /** The same buffer for single values. */
  get data(): DataView {
    if (this.memory.length === 0) this.attach();
    return this.view;
  }

  /**
   * Lends `pages` pages with consecutive pointers, zeroed; physically contiguous unless `scattered`. Returns the
   * pointer, or 0 when there is no such stretch.
   */
  lend(pages: number, scattered: boolean, borrower: Borrower = "host"): number {
    const first = this.findPages(pages);
    if (first < 0) return 0;
    if (this.options.identity) {
      for (let page = first; page < first + pages; page++) this.join(page, page);
    } else if (scattered || pages === 1) {
      if (!this.joinScattered(first, pages)) return 0;
    } else if (!this.joinContiguous(first, pages)) {
      return 0;
    }
    this.loans.set(first, { pages, borrower });
    this.nextPage = first + pages;
    const start = this.options.start + first * PAGE_BYTES;
    this.bytes.fill(0, start, start + pages * PAGE_BYTES);
    return this.options.pointerBase + first * PAGE_BYTES;
  }

  /** The loan that starts at `pointer`. */
  loanAt(pointer: number): Loan | undefined {
    return this.loans.get((pointer - this.options.pointerBase) / PAGE_BYTES);
  }

  /** Ends the loan that starts at `pointer`; there must be one. */
  takeBack(pointer: number): void {
    const first = (pointer - this.options.pointerBase) / PAGE_BYTES;
    this.separate(first, this.loans.get(first)?.pages ?? 0);
    this.loans.delete(first);
  }

  /** Physical address of the byte at `pointer`, -1 when its page is not lent. */
  addressOf(pointer: number): number {
    const distance = pointer - this.options.pointerBase;
    const frame = distance < 0 ? -1 : (this.frameOfPage[Math.floor(distance / PAGE_BYTES)] ?? -1);
    return frame < 0 ? -1 : this.frameAddress(frame) + (distance % PAGE_BYTES);
  }

  /** Offset in `bytes` of what lies at a physical address, -1 when that is not lent. */
  offsetOf(address: number): number {
    const frame = this.frameAt(address);
    const page = this.pageOfFrame[frame] ?? -1;
    return page < 0 ? -1 : this.options.start + page * PAGE_BYTES + (address % PAGE_BYTES);
  }

  /** The pointer that names the byte at an offset in `bytes`. */
  pointerTo(offset: number): number {
    return this.options.pointerBase + offset - this.options.start;
  }

  /** Offset in `bytes` of what a pointer names, -1 when `length` bytes from there are not all lent. */
  offsetOfPointer(pointer: number, length: number): number {
    const distance = pointer - this.options.pointerBase;
    if (distance < 0 || distance + length > this.pageCount * PAGE_BYTES) return -1;
    const last = Math.floor((distance + Math.max(length, 1) - 1) / PAGE_BYTES);
    for (let page = Math.floor(distance / PAGE_BYTES); page <= last; page++) {
      if ((this.frameOfPage[page] ?? -1) < 0) return -1;
    }
    return this.options.start + distance;
  }

  private attach(): void {
    const buffer = this.options.buffer();
    this.memory = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  private frameAt(address: number): number {
    if (this.options.identity) return Math.floor((address - this.options.pointerBase) / PAGE_BYTES);
    if (address < SCATTERED_BASE) {
      const frame = Math.floor((address - CONTIGUOUS_BASE) / PAGE_BYTES);
      return frame < this.pageCount ? frame : -1;
    }
    return this.pageCount + Math.floor((address - SCATTERED_BASE) / PAGE_BYTES);
  }

  private frameAddress(frame: number): number {
    if (this.options.identity) return this.options.pointerBase + frame * PAGE_BYTES;
    return frame < this.pageCount
      ? CONTIGUOUS_BASE + frame * PAGE_BYTES
      : SCATTERED_BASE + (frame - this.pageCount) * PAGE_BYTES;
  }

  private join(page: number, frame: number): void {
    this.frameOfPage[page] = frame;
    this.pageOfFrame[frame] = page;
  }

  /** Pages that were joined to frames are free again. */
  private separate(first: number, count: number): void {
    for (let page = first; page < first + count; page++) {
      const frame = this.frameOfPage[page] ?? -1;
      this.frameOfPage[page] = -1;
      if (frame >= 0) this.pageOfFrame[frame] = -1;
    }
  }

  private findPages(count: number): number {
    const later = findRun(this.frameOfPage, this.nextPage, this.pageCount, count);
    return later >= 0 ? later : findRun(this.frameOfPage, 0, this.pageCount, count);
  }

  private joinContiguous(first: number, count: number): boolean {
    const later = findRun(this.pageOfFrame, this.nextFrame, this.pageCount, count);
    const frame = later >= 0 ? later : findRun(this.pageOfFrame, 0, this.pageCount, count);
    if (frame < 0) return false;
    for (let index = 0; index < count; index++) this.join(first + index, frame + index);
    this.nextFrame = frame + count;
    return true;
  }

  private joinScattered(first: number, count: number): boolean {
    let previous = -1;
    for (let index = 0; index < count; index++) {
      previous = this.findScatteredFrame(previous);
      if (previous < 0) {
        this.separate(first, index);
        return false;
      }
      this.join(first + index, previous);
    }
    return true;
  }

  private findScatteredFrame(previous: number): number {
    const frames = this.pageOfFrame.length - this.pageCount;
    const start = this.random.below(frames);
    for (let step = 0; step < frames; step++) {
      const frame = this.pageCount + ((start + step) % frames);
      if (this.pageOfFrame[frame] === -1 && frame !== previous + 1) return frame;
    }
    return -1;
  }
}

/** First of `count` neighbouring entries of -1 between `from` and `to`, or -1. */
function findRun(entries: Int32Array, from: number, to: number, count: number): number {
  if (count < 1) return -1;
  let length = 0;
  for (let index = from; index < to; index++) {
    length = entries[index] === -1 ? length + 1 : 0;
    if (length === count) return index - count + 1;
  }
  return -1;
}
