/**
 * Completions of one device, sorted into the caller's and the binding's own.
 *
 * The caller's tokens are numbers up to 2^53 - 1. The blocking conveniences submit requests of their own beside
 * them, with tokens above, and their completions go to whoever waits for them; a convenience that meets a completion
 * of the caller's keeps it for the next `poll`.
 */

import { CompletionLayout } from "./abi.js";
import { VirtioError } from "./error.js";
import type { PrivateMemory } from "./private-memory.js";
import { RecordArray } from "./private-memory.js";
import { readSafeUint64 } from "./records.js";

/** What became of one submitted request or transmitted frame. */
export interface Completion {
  /** As the caller gave it. */
  token: number;
  /** `Result.OK` or a negative `Result`. */
  result: number;
  /** Bytes of payload moved; 0 on errors. */
  length: number;
}

/** Called once when a request of the binding's own completes. */
export type OwnCompletion = (result: number, length: number) => void;

/** Upper half of the binding's own tokens; no number up to 2^53 - 1 has it. */
const OWN_UPPER_HALF = 0xffff_ffff;
const CAPACITY = 256;

const { token, result, length } = CompletionLayout.fields;

/** The device whose completions these are. */
export interface CompletionSource {
  /** `block_poll` or `net_reclaim`; returns how many records it wrote, or throws. */
  takeCompletions(records: number, capacity: number): number;
  /** True once a closed device has nothing left to take. */
  readonly isGone: boolean;
}

export class CompletionReader {
  private readonly records: RecordArray;
  private readonly own = new Map<number, OwnCompletion>();
  private kept: Completion[] = [];
  private nextOwnToken = 0;

  constructor(
    private readonly view: DataView,
    memory: PrivateMemory,
    private readonly source: CompletionSource,
  ) {
    this.records = new RecordArray(memory, CompletionLayout.size, CAPACITY);
  }

  /** Makes a token for a request of the binding's own. */
  register(completed: OwnCompletion): bigint {
    while (this.own.has(this.nextOwnToken)) {
      this.nextOwnToken = (this.nextOwnToken + 1) >>> 0;
    }
    const lowerHalf = this.nextOwnToken;
    this.nextOwnToken = (lowerHalf + 1) >>> 0;
    this.own.set(lowerHalf, completed);
    return (BigInt(OWN_UPPER_HALF) << 32n) | BigInt(lowerHalf);
  }

  /** Forgets a token whose request was refused. */
  unregister(ownToken: bigint): void {
    this.own.delete(Number(ownToken & 0xffff_ffffn));
  }

  /** Takes up to `max` completions of the caller's, those kept earlier first. */
  poll(max: number): Completion[] {
    if (this.kept.length > 0) {
      return this.kept.splice(0, max);
    }
    const found: Completion[] = [];
    let isMoreLikely = max > 0;
    while (isMoreLikely) {
      const asked = Math.min(max - found.length, this.records.capacity);
      isMoreLikely = this.readMore(asked, found) === asked && found.length < max && !this.source.isGone;
    }
    return found;
  }

  /** As `read`. What was found before is not lost because the device then has nothing more: 0 instead of an error. */
  private readMore(capacity: number, into: Completion[]): number {
    try {
      return this.read(capacity, into);
    } catch (error) {
      if (into.length === 0 || !(error instanceof VirtioError)) throw error;
      return 0;
    }
  }

  /** Takes what there is for the binding's own requests, and keeps the caller's for `poll`. */
  collectOwn(): void {
    let isMoreLikely = true;
    while (isMoreLikely) {
      isMoreLikely = this.readMore(this.records.capacity, this.kept) === this.records.capacity && !this.source.isGone;
    }
  }

  /** How many of the binding's own requests are under way. */
  get ownUnderWay(): number {
    return this.own.size;
  }

  dispose(): void {
    this.records.dispose();
  }

  private read(max: number, callers: Completion[]): number {
    const { view, records } = this;
    const count = this.source.takeCompletions(records.pointer, max);
    for (let index = 0, record = records.pointer; index < count; index++, record += CompletionLayout.size) {
      const resultCode = view.getInt32(record + result.offset, true);
      const bytes = view.getUint32(record + length.offset, true);
      if (view.getUint32(record + token.offset + 4, true) === OWN_UPPER_HALF) {
        const lowerHalf = view.getUint32(record + token.offset, true);
        const completed = this.own.get(lowerHalf);
        if (completed === undefined) {
          throw new Error(
            `a request of the binding's own (number ${lowerHalf}) completed twice or was never submitted`,
          );
        }
        this.own.delete(lowerHalf);
        completed(resultCode, bytes);
      } else {
        callers.push({ token: readSafeUint64(view, record + token.offset), result: resultCode, length: bytes });
      }
    }
    return count;
  }
}
