/**
 * The order that barriers ask for: all requests before one are complete when it begins, and none behind it begins before
 * it is complete. [virtio-1.2 §5.2.6.3]
 */

interface Waiting {
  readonly isBarrier: boolean;
  readonly begin: () => void;
}

export class Barriers {
  private waiting: Waiting[] = [];
  private begun = 0;
  private isBarrierBegun = false;

  /** Whether a request without a barrier may begin at once, unordered. */
  get areNone(): boolean {
    return this.waiting.length === 0 && !this.isBarrierBegun;
  }

  /** Begins a request as soon as the order allows. */
  add(isBarrier: boolean, begin: () => void): void {
    this.waiting.push({ isBarrier, begin });
    this.advance();
  }

  /** A request has begun that nothing asked for the order of. */
  began(): void {
    this.begun++;
  }

  /** A request that had begun is complete. */
  completed(): void {
    this.begun--;
    if (this.begun === 0) this.isBarrierBegun = false;
    this.advance();
  }

  /** The device was reset: nothing waits, and nothing that had begun will be completed. */
  clear(): void {
    this.waiting = [];
    this.begun = 0;
    this.isBarrierBegun = false;
  }

  private advance(): void {
    for (;;) {
      const [next] = this.waiting;
      if (next === undefined || this.isBarrierBegun || (next.isBarrier && this.begun > 0)) return;
      this.waiting.shift();
      this.begun++;
      this.isBarrierBegun = next.isBarrier;
      next.begin();
    }
  }
}
