/** A kernel's clock that tests move on: a time-out of minutes is over at once, and none is over by itself. */

import type { Machine } from "../../../kernel-shim/machine.js";

export class MovableClock {
  private ahead = 0n;

  /** From now on, what the stack is told of the time is this clock's. To be called before the stack is loaded. */
  attach({ kernel }: Machine): void {
    const realTime = kernel.now_ns.bind(kernel);
    kernel.now_ns = () => realTime() + this.ahead;
  }

  moveOn(nanoseconds: bigint): void {
    this.ahead += nanoseconds;
  }
}
