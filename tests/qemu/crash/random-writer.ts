/** Random writes and flushes, many in flight, until the machine dies, told to a history of the disk as they happen. */

import {
  BlockOperation,
  resultName,
  type BlockDevice,
  type BlockRequest,
} from "../../../kernel-shim/javascript/index.js";
import { QemuError } from "../../../kernel-shim/qemu/qemu-error.js";
import type { Machine } from "../../../kernel-shim/machine.js";
import { cut, flushRequest } from "../../cases/block/requests.js";
import { pattern } from "../../cases/pattern.js";
import type { Random } from "../../cases/random.js";
import { SECTOR_BYTES, type DiskHistory } from "./disk-history.js";

const LONGEST_SECTORS = 16;
const SLOT_BYTES = LONGEST_SECTORS * SECTOR_BYTES;
/** Sectors that half of the writes go to, so that much is written again and again. */
const HOT_SECTORS = 64;
const BATCH_MAX = 6;
/** Patterns of neighbouring numbers overlap: those of different writes must not. */
const PATTERN_STEP = 8192;

export interface WriterOptions {
  /** Requests in flight, at most. */
  depth: number;
  /** Writes for each flush, on average; no flushes when left out. */
  writesPerFlush?: number;
  /** A flush waits until nothing is in flight, and everything else until it has ended. */
  isFlushAlone?: boolean;
}

/** How far it got. */
export interface Progress {
  writes: number;
  flushes: number;
}

export class RandomWriter {
  /** What was acknowledged. */
  readonly acknowledged: Progress = { writes: 0, flushes: 0 };
  private readonly freeSlots: number[];
  private readonly slots = new Map<number, number>();
  private readonly flushTokens = new Set<number>();
  private readonly sectors: number;
  /** A flush that has to be alone is in flight. */
  private isFlushing = false;
  private nextToken = 1;

  constructor(
    private readonly machine: Machine,
    private readonly disk: BlockDevice,
    private readonly history: DiskHistory,
    private readonly random: Random,
    private readonly options: WriterOptions,
  ) {
    this.sectors = Number(disk.information().capacity);
    const memory = machine.allocateBuffer(options.depth * SLOT_BYTES);
    this.freeSlots = Array.from({ length: options.depth }, (_, index) => memory + index * SLOT_BYTES);
  }

  /** Returns when QEMU is gone. Throws when anything else goes wrong. */
  runUntilKilled(): void {
    try {
      for (;;) {
        this.submitBatch();
        const completions = this.disk.poll();
        // Looking at memory alone, nobody learns that QEMU has gone.
        if (completions.length === 0) this.machine.waitForInterrupt(0);
        for (const { token, result } of completions) {
          if (result !== 0) throw new Error(`request ${token}: ${resultName(result)}`);
          this.acknowledge(token);
        }
      }
    } catch (error) {
      if (!(error instanceof QemuError && error.message.startsWith("QEMU ended"))) throw error;
    }
  }

  private submitBatch(): void {
    const { random, options } = this;
    const requests: BlockRequest[] = [];
    for (let count = random.between(1, BATCH_MAX); count > 0; count--) {
      const isFlush = options.writesPerFlush !== undefined && random.below(options.writesPerFlush + 1) === 0;
      if (options.isFlushAlone === true && this.mustWait(isFlush)) break;
      const slot = this.freeSlots.pop();
      if (slot === undefined) break;
      const token = this.nextToken++;
      this.slots.set(token, slot);
      requests.push(isFlush ? this.flush(token) : this.write(token, slot));
    }
    if (requests.length === 0) return;
    const { accepted, refusal } = this.disk.submit(requests);
    if (accepted !== requests.length) throw new Error(`request refused: ${resultName(refusal)}`);
  }

  private mustWait(isFlush: boolean): boolean {
    if (this.isFlushing || (isFlush && this.slots.size > 0)) return true;
    this.isFlushing = isFlush;
    return false;
  }

  private flush(token: number): BlockRequest {
    this.flushTokens.add(token);
    this.history.beginFlush(token);
    return flushRequest(token);
  }

  private write(token: number, pointer: number): BlockRequest {
    const { random, sectors } = this;
    const count = random.between(1, LONGEST_SECTORS);
    const area = random.below(2) === 0 ? HOT_SECTORS : sectors;
    const sector = random.below(area - count + 1);
    const data = pattern(token * PATTERN_STEP, count * SECTOR_BYTES);
    this.machine.writeBuffer(pointer, data);
    this.history.beginWrite(token, sector, data);
    const first = random.between(1, data.length - 1);
    return { token, operation: BlockOperation.WRITE, sector, segments: cut(pointer, [first, data.length - first]) };
  }

  private acknowledge(token: number): void {
    const slot = this.slots.get(token);
    if (slot === undefined) throw new Error(`request ${token} completed twice, or was never submitted`);
    this.slots.delete(token);
    this.freeSlots.push(slot);
    this.history.end(token);
    if (this.flushTokens.delete(token)) {
      this.acknowledged.flushes++;
      this.isFlushing = false;
    } else {
      this.acknowledged.writes++;
    }
  }
}
