/** Waiting in synchronous code without burning a core. */

const neverNotified = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread for about `milliseconds` (fractions work; the kernel adds some 0.06 ms). */
export function sleep(milliseconds: number): void {
  Atomics.wait(neverNotified, 0, 0, milliseconds);
}
