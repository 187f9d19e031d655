/**
 * What the kernel lends at the moment, and to whom: the memory that a device can reach, and nothing else. With it goes
 * what devices and the caller wrote there, to tell what the stack wrote.
 */
import { PAGE_BYTES } from "../memory/dma-pages.js";
import type { Random } from "../random.js";

export interface Loan {
  readonly pointer: number;
  readonly pages: number;
  /** `stack`: from `dma_alloc`. `caller`: from `allocateBuffer`. */
  readonly owner: "stack" | "caller";
  /** What others than the stack wrote there; zero at first. */
  readonly contents: Uint8Array;
}

export class LentMemory {
  private readonly loans = new Map<number, Loan>();
  private readonly loanOfPage = new Map<number, Loan>();
  /** Pointers and lengths of what the stack handed to the caller of its own. */
  private readonly handedOut = new Map<number, number>();

  /** Loans, oldest first. */
  get list(): readonly Loan[] {
    return [...this.loans.values()];
  }

  /** Bytes lent to the stack. */
  get stackBytes(): number {
    let bytes = 0;
    for (const { owner, pages } of this.loans.values()) if (owner === "stack") bytes += pages * PAGE_BYTES;
    return bytes;
  }

  lent(pointer: number, pages: number, owner: Loan["owner"]): void {
    const loan = { pointer, pages, owner, contents: new Uint8Array(pages * PAGE_BYTES) };
    this.loans.set(pointer, loan);
    for (let page = 0; page < pages; page++) this.loanOfPage.set(pointer / PAGE_BYTES + page, loan);
  }

  /** The loan that starts at `pointer`, which is over now; undefined when there was none. */
  takenBack(pointer: number): Loan | undefined {
    const loan = this.loans.get(pointer);
    this.loans.delete(pointer);
    for (let page = 0; page < (loan?.pages ?? 0); page++) this.loanOfPage.delete(pointer / PAGE_BYTES + page);
    return loan;
  }

  /** Somebody else than the stack wrote, within one loan. */
  wrote(pointer: number, bytes: Uint8Array): void {
    const loan = this.loanAt(pointer);
    loan?.contents.set(bytes, pointer - loan.pointer);
  }

  /** The stack handed this to the caller, whose it is until `takenUp`. */
  handOut(pointer: number, length: number): void {
    this.handedOut.set(pointer, length);
  }

  /** The caller gave back what was handed out at `pointer`. */
  takenUp(pointer: number): void {
    this.handedOut.delete(pointer);
  }

  /** What is the caller's: nothing there may change by the stack. */
  *ofCaller(): Generator<{ pointer: number; length: number }> {
    for (const { pointer, pages, owner } of this.loans.values()) {
      if (owner === "caller") yield { pointer, length: pages * PAGE_BYTES };
    }
    for (const [pointer, length] of this.handedOut) yield { pointer, length };
  }

  /** The loan that the byte at `pointer` belongs to. */
  loanAt(pointer: number): Loan | undefined {
    return this.loanOfPage.get(Math.floor(pointer / PAGE_BYTES));
  }

  /** The first byte behind the loans that follow each other from `pointer` on: nobody's. */
  endOf(pointer: number): number {
    let end = pointer - (pointer % PAGE_BYTES);
    while (this.loanAt(end) !== undefined) end += PAGE_BYTES;
    return end;
  }

  /** Whether every byte is lent; neighbouring loans count as one. */
  isLent(pointer: number, length: number): boolean {
    for (let at = pointer; at < pointer + length; at += PAGE_BYTES - (at % PAGE_BYTES)) {
      if (this.loanAt(at) === undefined) return false;
    }
    return true;
  }

  /** A place for `bytes` bytes, aligned to that, in any loan; large ones are not likelier. Null without loans. */
  place(random: Random, bytes: number): { loan: Loan; pointer: number } | null {
    const { list } = this;
    const loan = list[random.below(Math.max(list.length, 1))];
    if (loan === undefined) return null;
    // Every second time near the start, where the few fields are that decide something.
    const span = random.below(2) === 0 ? 512 : loan.pages * PAGE_BYTES;
    return { loan, pointer: loan.pointer + random.below(span / bytes) * bytes };
  }
}
