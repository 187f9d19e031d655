/** Guest RAM lent to the stack and to the application: neither may give back what the other has. */

import { PAGE, PageAllocator } from "./page-allocator.js";

export class PageLoans {
  private readonly pages: PageAllocator;
  /** Addresses of the loans that the stack has. */
  private readonly ofStack = new Set<number>();

  /**
   * @param firstAddress start of the memory to hand out, a multiple of the page size and not 0
   * @param endAddress address after it
   * @param clear writes zeroes
   */
  constructor(
    firstAddress: number,
    endAddress: number,
    private readonly clear: (address: number, bytes: number) => void,
  ) {
    this.pages = new PageAllocator(firstAddress, endAddress);
  }

  /** Lends zeroed pages to the application: the physical address, or 0 when there are not so many. */
  lend(pages: number): number {
    const address = this.pages.lend(pages);
    if (address !== 0) this.clear(address, pages * PAGE);
    return address;
  }

  /** The same to the stack, as `dma_alloc`. */
  lendToStack(pages: number): number {
    const address = this.lend(pages);
    if (address !== 0) this.ofStack.add(address);
    return address;
  }

  /** Takes back what the application was lent; false when nothing was lent to it there. */
  takeBack(address: number): boolean {
    return !this.ofStack.has(address) && this.pages.takeBack(address);
  }

  /** Takes back what the stack was lent, as `dma_free`; false when it has no loan of so many pages there. */
  takeBackFromStack(address: number, pages: number): boolean {
    if (!this.ofStack.has(address) || this.pages.pagesAt(address) !== pages) return false;
    this.ofStack.delete(address);
    return this.pages.takeBack(address);
  }

  /** Whether every byte lies in a lent page. */
  isLent(address: number, bytes: number): boolean {
    return this.pages.isLent(address, bytes);
  }
}
