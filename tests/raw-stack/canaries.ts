/** Memory that is nobody's, filled with one value, and checked for it. */
import assert from "node:assert/strict";

const VALUE = 0xa5;

export class Canaries {
  private readonly ranges: { readonly start: number; readonly end: number }[] = [];

  constructor(private readonly memory: WebAssembly.Memory) {}

  /** Fills a range. An empty one is none. */
  add(start: number, end: number): void {
    if (end <= start) return;
    this.bytes(start, end).fill(VALUE);
    this.ranges.push({ start, end });
  }

  /** Fails when a byte is another one. */
  check(): void {
    for (const { start, end } of this.ranges) {
      const changed = this.bytes(start, end).findIndex((byte) => byte !== VALUE);
      if (changed >= 0) assert.fail(`memory that is nobody's was written at 0x${(start + changed).toString(16)}`);
    }
  }

  private bytes(start: number, end: number): Buffer {
    return Buffer.from(this.memory.buffer, start, end - start);
  }
}
