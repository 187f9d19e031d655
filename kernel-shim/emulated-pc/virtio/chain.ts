/**
 * One buffer that the driver made available: the segments of its descriptor chain, checked before anything of it is
 * used. [virtio-1.2 §2.7.5]
 */
import type { DmaView } from "../memory/dma-view.js";
import type { Rule } from "../violations.js";
import { DESCRIPTOR_BYTES, VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE } from "./constants.js";
import * as rules from "./rules.js";

/** A stretch of guest memory. */
export interface ChainSegment {
  /** Physical. */
  readonly address: number;
  /** Bytes, at least 1. */
  readonly length: number;
}

const KNOWN_FLAGS = VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_INDIRECT;
const WORDS = 4;

/** The time between two resets of a queue. */
export interface QueueLife {
  isOver: boolean;
}

export class Chain {
  /** Descriptors of the queue's own table that the chain occupies, the head first. */
  readonly descriptors: number[] = [];
  readonly readable: ChainSegment[] = [];
  readonly writable: ChainSegment[] = [];
  /** Bytes in `readable` and `writable`. */
  readableBytes = 0;
  writableBytes = 0;
  /** The descriptors as they were when the device fetched them, address low, high, length, flags and next. */
  private readonly words: number[] = [];
  private readonly wordAddresses: number[] = [];

  constructor(
    readonly head: number,
    private readonly dma: DmaView,
    private readonly life: QueueLife,
  ) {}

  /** The queue was reset since: the chain is the driver's again, and nothing of it is read or written any more. */
  get isOver(): boolean {
    return this.life.isOver;
  }

  /**
   * Copies up to `length` bytes of the readable part, from `offset` on, to `target` at `start`. Returns how many there
   * were.
   */
  read(offset: number, target: Uint8Array, start: number, length: number): number {
    return this.copy(this.readable, offset, length, (address, done, bytes) => {
      this.dma.read(address, target, start + done, bytes);
    });
  }

  /**
   * Copies up to `length` bytes of `source` from `start` on to the writable part at `offset`. Returns how many there
   * was room for.
   */
  write(offset: number, source: Uint8Array, start: number, length: number): number {
    return this.copy(this.writable, offset, length, (address, done, bytes) => {
      this.dma.write(address, source, start + done, bytes);
    });
  }

  /** Whether the descriptors in memory are still those that the device fetched. */
  isUnchanged(): boolean {
    for (let index = 0; index < this.wordAddresses.length; index++) {
      const address = this.wordAddresses[index] ?? 0;
      for (let word = 0; word < WORDS; word++) {
        if (this.dma.read32(address + 4 * word) !== this.words[WORDS * index + word]) return false;
      }
    }
    return true;
  }

  /**
   * Follows the chain and fills in the segments. Returns the rule that the driver broke, or null.
   *
   * @param table physical address of the descriptor table
   * @param size entries of the queue
   * @param indirectAllowed whether INDIRECT_DESC was negotiated
   * @param isOwned whether the device holds a descriptor already
   */
  walk(table: number, size: number, indirectAllowed: boolean, isOwned: (index: number) => boolean): Rule | null {
    let base = table;
    let entries = size;
    let index = this.head;
    let isIndirect = false;
    for (let count = 0; ; count++) {
      if (index >= entries) return count === 0 ? rules.HEAD_RANGE : rules.DESCRIPTOR_NEXT_RANGE;
      if (count >= size) return rules.DESCRIPTOR_LOOP;
      if (!isIndirect) {
        if (this.descriptors.includes(index)) return rules.DESCRIPTOR_LOOP;
        if (isOwned(index)) return rules.DESCRIPTOR_REUSED;
        this.descriptors.push(index);
      }
      const at = base + DESCRIPTOR_BYTES * index;
      const low = this.fetch(at);
      const high = this.fetch(at + 4);
      const length = this.fetch(at + 8);
      const last = this.fetch(at + 12);
      this.wordAddresses.push(at);
      const address = high * 0x1_0000_0000 + low;
      const flags = last & 0xffff;
      if ((flags & ~KNOWN_FLAGS) !== 0) return rules.DESCRIPTOR_FLAGS;
      if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) {
        if (!indirectAllowed) return rules.INDIRECT_NOT_NEGOTIATED;
        if (isIndirect) return rules.INDIRECT_NESTED;
        if ((flags & VIRTQ_DESC_F_NEXT) !== 0) return rules.INDIRECT_WITH_NEXT;
        const tableEntries = length / DESCRIPTOR_BYTES;
        if (!Number.isInteger(tableEntries) || tableEntries < 1 || tableEntries > size)
          return rules.INDIRECT_TABLE_SIZE;
        // A table that is not lent reads as descriptors full of ones, which break another rule at once.
        this.dma.check(address, length);
        isIndirect = true;
        base = address;
        entries = tableEntries;
        index = 0;
        // A table may be as long as the queue; the descriptor that refers to it holds no buffer and does not count.
        count = -1;
        continue;
      }
      const broken = this.add(address, length, (flags & VIRTQ_DESC_F_WRITE) !== 0);
      if (broken !== null) return broken;
      if ((flags & VIRTQ_DESC_F_NEXT) === 0) return null;
      index = last >>> 16;
    }
  }

  private fetch(address: number): number {
    const word = this.dma.read32(address);
    this.words.push(word);
    return word;
  }

  private add(address: number, length: number, isWritable: boolean): Rule | null {
    if (length === 0) return rules.DESCRIPTOR_EMPTY;
    if (!isWritable && this.writable.length > 0) return rules.DESCRIPTOR_ORDER;
    (isWritable ? this.writable : this.readable).push({ address, length });
    if (isWritable) this.writableBytes += length;
    else this.readableBytes += length;
    return this.readableBytes + this.writableBytes > 0x1_0000_0000 ? rules.CHAIN_BYTES : null;
  }

  private copy(
    segments: readonly ChainSegment[],
    offset: number,
    length: number,
    move: (address: number, done: number, bytes: number) => void,
  ): number {
    let skip = offset;
    let done = 0;
    if (this.isOver) return 0;
    for (const segment of segments) {
      if (done === length) break;
      if (skip >= segment.length) {
        skip -= segment.length;
        continue;
      }
      const bytes = Math.min(segment.length - skip, length - done);
      move(segment.address + skip, done, bytes);
      skip = 0;
      done += bytes;
    }
    return done;
  }
}
