/**
 * The memory of a scripted machine that is lent to devices: part of linear memory for the mapped build, memory of its own
 * for the ported one.
 *
 * Physical addresses are unlike pointers, and no page gets one twice, so that mixing them up or keeping an old one
 * shows. A page that was taken back is full of junk. What the ported build does to memory that is not lent throws.
 */

const PAGE_BYTES = 4096;
/** Where lent memory lies in linear memory, as agreed with the unit tests' host. */
const MAPPED_START = 0x0010_0000;
const MAPPED_END = 0x0200_0000;
/** What the ported build calls the first byte: a number that is negative to whoever forgets that it has no sign. */
const PORTED_POINTER = 0x8010_0000;
/** The first physical address: more than 32 bits. */
const PHYSICAL_START = 0x1_4000_0000;
const NO_ADDRESS = -1n;
const JUNK = 0xa5;

export class LentMemory {
  private readonly start: number;
  private readonly pointerBase: number;
  private readonly pageCount = (MAPPED_END - MAPPED_START) / PAGE_BYTES;
  /** For each page of the pool, the pages of the loan that begins there; 0: none does. */
  private readonly loans: number[];
  private readonly lent: boolean[];
  /** By page number, of the pool or not: physical page number, with a fraction where a script says that none begins. */
  private frames = new Map<number, number>();
  private nextFrame = PHYSICAL_START / PAGE_BYTES;
  private allocationsLeft = Infinity;
  private scriptedAnswer: number | undefined;
  /** What was lent by a scripted answer: pages, by pointer. */
  private readonly scriptedLoans = new Map<number, number>();
  /** Pages that the stack has borrowed and not given back. */
  borrowed = 0;

  /** @param buffer where memory lies now: linear memory, or, ported, memory that nothing else uses */
  constructor(
    private readonly buffer: ArrayBufferLike,
    private readonly ported: boolean,
  ) {
    this.start = ported ? 0 : MAPPED_START;
    this.pointerBase = ported ? PORTED_POINTER : MAPPED_START;
    this.loans = new Array<number>(this.pageCount).fill(0);
    this.lent = new Array<boolean>(this.pageCount).fill(false);
  }

  /** Bytes of the memory that the ported build needs apart. */
  static get portedBytes(): number {
    return MAPPED_END - MAPPED_START;
  }

  /** Takes everything back. */
  reset(): void {
    this.loans.forEach((pages, first) => {
      if (pages !== 0) this.takeBack(this.pointerBase + first * PAGE_BYTES);
    });
    this.frames.clear();
    this.allocationsLeft = Infinity;
    this.scriptedAnswer = undefined;
    this.scriptedLoans.clear();
    this.borrowed = 0;
  }

  /** `dma_alloc` of the stack. */
  allocate(pages: number): number {
    const scripted = this.scriptedAnswer;
    this.scriptedAnswer = undefined;
    if (scripted !== undefined) {
      this.scriptedLoans.set(scripted, pages);
      this.borrowed += pages;
      return scripted;
    }
    if (this.allocationsLeft <= 0) return 0;
    this.allocationsLeft--;
    const pointer = this.lend(pages);
    if (pointer !== 0) this.borrowed += pages;
    return pointer;
  }

  /** `dma_free` of the stack: exactly what was borrowed. */
  free(pointer: number, pages: number): void {
    const isScripted = this.scriptedLoans.get(pointer) === pages;
    if (!isScripted && this.lentPages(pointer) !== pages) {
      throw new RangeError(`${String(pages)} pages at ${this.name(pointer)} are not a loan`);
    }
    if (isScripted) this.scriptedLoans.delete(pointer);
    else this.takeBack(pointer);
    this.borrowed -= pages;
  }

  /** Lends zeroed pages; contiguous, and apart from every other loan. Returns 0 when there are not enough. */
  lend(pages: number): number {
    const first = this.firstFree(pages);
    if (first < 0 || pages === 0) return 0;
    this.loans[first] = pages;
    for (let page = first; page < first + pages; page++) {
      this.lent[page] = true;
      this.frames.set(this.pointerBase / PAGE_BYTES + page, this.nextFrame++);
    }
    this.nextFrame++;
    new Uint8Array(this.buffer, this.start + first * PAGE_BYTES, pages * PAGE_BYTES).fill(0);
    return this.pointerBase + first * PAGE_BYTES;
  }

  takeBack(pointer: number): void {
    const first = (pointer - this.pointerBase) / PAGE_BYTES;
    const pages = this.lentPages(pointer);
    if (pages === 0) throw new RangeError(`${this.name(pointer)} is not lent`);
    this.loans[first] = 0;
    for (let page = first; page < first + pages; page++) {
      this.lent[page] = false;
      this.frames.delete(this.pointerBase / PAGE_BYTES + page);
    }
    new Uint8Array(this.buffer, this.start + first * PAGE_BYTES, pages * PAGE_BYTES).fill(JUNK);
  }

  /** The next `count` calls of `dma_alloc` succeed, no further one. */
  failAfter(count: number): void {
    this.allocationsLeft = count;
  }

  /** What the next call of `dma_alloc` returns, whatever that is. */
  answer(pointer: number): void {
    this.scriptedAnswer = pointer;
  }

  /** Says where a page lies, of the pool or not. */
  translate(pointer: number, physical: bigint): void {
    const frame = Number(physical / BigInt(PAGE_BYTES)) + Number(physical % BigInt(PAGE_BYTES)) / PAGE_BYTES;
    if (physical === BigInt.asUintN(64, NO_ADDRESS)) this.frames.delete(this.page(pointer));
    else this.frames.set(this.page(pointer), frame);
  }

  /** Gives each of the pages from `pointer` on a place of its own, the last the lowest. */
  scatter(pointer: number, pages: number): void {
    this.nextFrame += 2 * pages;
    for (let page = 0; page < pages; page++) this.frames.set(this.page(pointer) + page, this.nextFrame - 2 * page);
    this.nextFrame += 2;
  }

  physical(pointer: number): bigint {
    const frame = this.frames.get(this.page(pointer));
    if (frame === undefined) return NO_ADDRESS;
    const offset = (frame % 1) * PAGE_BYTES + (pointer % PAGE_BYTES);
    return BigInt(Math.floor(frame)) * BigInt(PAGE_BYTES) + BigInt(offset);
  }

  /** The pointer to the byte at a physical address. */
  pointer(physical: bigint): number {
    const frame = Number(physical / BigInt(PAGE_BYTES));
    for (const [page, at] of this.frames) {
      if (at === frame) return page * PAGE_BYTES + Number(physical % BigInt(PAGE_BYTES));
    }
    throw new RangeError(`nothing is lent at physical 0x${physical.toString(16)}`);
  }

  read(pointer: number, bytes: 1 | 2 | 4): number {
    const at = this.offset(pointer, bytes);
    const view = new DataView(this.buffer);
    return bytes === 1 ? view.getUint8(at) : bytes === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
  }

  write(pointer: number, bytes: 1 | 2 | 4, value: number): void {
    const at = this.offset(pointer, bytes);
    const view = new DataView(this.buffer);
    if (bytes === 1) view.setUint8(at, value);
    else if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }

  private offset(pointer: number, bytes: number): number {
    const offset = pointer - this.pointerBase;
    if (pointer % bytes !== 0) throw new RangeError(`${this.name(pointer)} is not aligned to ${String(bytes)}`);
    if (this.lent[Math.floor(offset / PAGE_BYTES)] !== true) throw new RangeError(`${this.name(pointer)} is not lent`);
    return this.start + offset;
  }

  private lentPages(pointer: number): number {
    return this.loans[(pointer - this.pointerBase) / PAGE_BYTES] ?? 0;
  }

  /** The lowest free pages; reuse as early as possible shows what is kept of earlier loans. */
  private firstFree(pages: number): number {
    let run = 0;
    for (let page = 0; page < this.pageCount; page++) {
      run = this.lent[page] === true ? 0 : run + 1;
      if (run === pages) return page - pages + 1;
    }
    return -1;
  }

  private page(pointer: number): number {
    return Math.floor(pointer / PAGE_BYTES);
  }

  private name(pointer: number): string {
    return `pointer 0x${pointer.toString(16)}${this.ported ? " (ported)" : ""}`;
  }
}
