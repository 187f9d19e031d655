/** Hands out guest RAM in pages, and knows which pages are lent: only those may be reached by driver or application. */

/** Bytes in a page. */
export const PAGE = 4096;

interface FreeRun {
  firstPage: number;
  pages: number;
}

export class PageAllocator {
  /** Free runs in ascending order, never adjacent. */
  private readonly free: FreeRun[];
  /** Pages of each loan, by its address. */
  private readonly loans = new Map<number, number>();
  /** 1 for each page of physical memory that is lent. */
  private readonly lent: Uint8Array;

  /**
   * @param firstAddress start of the memory to hand out, a multiple of the page size and not 0
   * @param endAddress address behind it
   */
  constructor(firstAddress: number, endAddress: number) {
    const firstPage = firstAddress / PAGE;
    const endPage = Math.floor(endAddress / PAGE);
    this.free = [{ firstPage, pages: endPage - firstPage }];
    this.lent = new Uint8Array(endPage);
  }

  /** The address of `pages` consecutive pages, or 0 when there is no such run or `pages` is 0. Not cleared. */
  lend(pages: number): number {
    const index = pages > 0 ? this.free.findIndex((run) => run.pages >= pages) : -1;
    const run = this.free[index];
    if (run === undefined) {
      return 0;
    }
    const address = run.firstPage * PAGE;
    this.lent.fill(1, run.firstPage, run.firstPage + pages);
    this.loans.set(address, pages);
    run.firstPage += pages;
    run.pages -= pages;
    if (run.pages === 0) {
      this.free.splice(index, 1);
    }
    return address;
  }

  /** How many pages were lent at exactly this address; 0 when none were. */
  pagesAt(address: number): number {
    return this.loans.get(address) ?? 0;
  }

  /** Takes back the loan that began at `address`; false when there is none. */
  takeBack(address: number): boolean {
    const pages = this.pagesAt(address);
    if (pages === 0) {
      return false;
    }
    const firstPage = address / PAGE;
    this.loans.delete(address);
    this.lent.fill(0, firstPage, firstPage + pages);
    const next = this.free.findIndex((run) => run.firstPage > firstPage);
    const index = next < 0 ? this.free.length : next;
    this.free.splice(index, 0, { firstPage, pages });
    this.mergeWithNext(index);
    this.mergeWithNext(index - 1);
    return true;
  }

  /** True when every byte from `address` on lies in a lent page. */
  isLent(address: number, bytes: number): boolean {
    const endPage = Math.ceil((address + bytes) / PAGE);
    for (let page = Math.floor(address / PAGE); page < endPage; page++) {
      if (this.lent[page] !== 1) {
        return false;
      }
    }
    return true;
  }

  private mergeWithNext(index: number): void {
    const run = this.free[index];
    const next = this.free[index + 1];
    if (run === undefined || next === undefined) {
      return;
    }
    if (run.firstPage + run.pages === next.firstPage) {
      run.pages += next.pages;
      this.free.splice(index + 1, 1);
    }
  }
}
