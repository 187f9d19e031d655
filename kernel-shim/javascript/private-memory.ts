/**
 * Linear memory for records: what `Machine.reservePrivate` hands out for good, lent out and taken back by size, so
 * that opening and closing devices for years needs no more of it than the devices open at the same time.
 */

import type { Machine } from "../machine.js";

const SMALLEST_BLOCK = 64;

export class PrivateMemory {
  /** Blocks given back, by size. */
  private readonly free = new Map<number, number[]>();

  constructor(private readonly machine: Machine) {}

  /** Lends at least `bytes` bytes, aligned to 16; contents are whatever the last user left. */
  take(bytes: number): number {
    const size = blockSize(bytes);
    return this.free.get(size)?.pop() ?? this.machine.reservePrivate(size);
  }

  /** Takes back what `take(bytes)` lent. */
  give(pointer: number, bytes: number): void {
    const size = blockSize(bytes);
    const blocks = this.free.get(size);
    if (blocks) {
      blocks.push(pointer);
    } else {
      this.free.set(size, [pointer]);
    }
  }
}

function blockSize(bytes: number): number {
  let size = SMALLEST_BLOCK;
  while (size < bytes) {
    size *= 2;
  }
  return size;
}

/** An array of equal records that grows to what the largest call so far needed. Growing loses the contents. */
export class RecordArray {
  /** Address of the first record; changes when the array grows. */
  pointer: number;
  private capacityNow: number;

  constructor(
    private readonly memory: PrivateMemory,
    private readonly recordBytes: number,
    capacity: number,
  ) {
    this.pointer = memory.take(recordBytes * capacity);
    this.capacityNow = capacity;
  }

  get capacity(): number {
    return this.capacityNow;
  }

  /** Makes room for `count` records. */
  reserve(count: number): void {
    if (count <= this.capacityNow) {
      return;
    }
    let capacity = this.capacityNow;
    while (capacity < count) {
      capacity *= 2;
    }
    const pointer = this.memory.take(this.recordBytes * capacity);
    this.dispose();
    this.pointer = pointer;
    this.capacityNow = capacity;
  }

  /** Gives the memory back; the array must not be used any more. */
  dispose(): void {
    this.memory.give(this.pointer, this.recordBytes * this.capacityNow);
  }
}
