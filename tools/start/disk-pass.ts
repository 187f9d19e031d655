/**
 * Moves a whole disk through the driver once: large requests, as many in flight as there are buffers, submitted in
 * batches, and completed in any order.
 */

import {
  BlockOperation,
  DeviceTimeout,
  Result,
  SECTOR_BYTES,
  VirtioError,
  type BlockDevice,
  type BlockRequest,
  type VirtioStack,
} from "../../kernel-shim/javascript/index.js";
import type { PassResult } from "./result.js";

const MEGABYTE = 1e6;
const MILLISECONDS_PER_SECOND = 1000;

/** How a disk is moved. */
export interface DiskPlan {
  /** Bytes to move, from the disk's start on; whole blocks. */
  bytes: number;
  /** Bytes of a request. */
  requestBytes: number;
  /** Device-reachable memory for one request each. */
  buffers: readonly number[];
}

/** What is done with a piece of the disk: filled in before it is written, looked at after it was read. */
export type Visit = (bytes: Uint8Array, firstSector: number) => void;

export class DiskPass {
  private readonly pieces: number;
  private readonly operation: BlockOperation;
  private readonly contents: Uint8Array;
  private readonly freeBuffers: number[];
  /** Where each piece is, from its submission until it was visited, by its number. */
  private readonly bufferOf = new Map<number, number>();
  private readonly completed = new Set<number>();
  private prepared: BlockRequest[] = [];
  private nextToPrepare = 0;
  private nextToFinish = 0;
  private inFlight = 0;
  /** Time spent on contents, which is not the driver's. */
  private visitMilliseconds = 0;

  /**
   * @param visit is called with the pieces in the order of the disk
   * @param advance is called with the number of bytes that are done in addition
   */
  constructor(
    private readonly stack: VirtioStack,
    private readonly disk: BlockDevice,
    private readonly name: PassResult["name"],
    private readonly plan: DiskPlan,
    private readonly visit: Visit,
    private readonly advance: (bytes: number) => void,
  ) {
    this.pieces = Math.ceil(plan.bytes / plan.requestBytes);
    this.operation = name === "write" ? BlockOperation.WRITE : BlockOperation.READ;
    this.contents = new Uint8Array(plan.requestBytes);
    this.freeBuffers = [...plan.buffers];
  }

  /** Does it, once. Throws `VirtioError` for the first request that fails, `DeviceTimeout` when none completes. */
  run(): PassResult {
    const { disk } = this;
    const before = disk.statistics();
    const started = performance.now();
    disk.enableInterrupts();
    while (this.nextToFinish < this.pieces) {
      this.prepareRequests();
      this.submitRequests();
      this.takeCompletions();
      this.finishPieces();
    }
    disk.disableInterrupts();
    const milliseconds = Math.max(performance.now() - started - this.visitMilliseconds, Number.EPSILON);
    const after = disk.statistics();
    const seconds = milliseconds / MILLISECONDS_PER_SECOND;
    const { bytes } = this.plan;
    return {
      name: this.name,
      bytes,
      requests: this.pieces,
      seconds,
      megabytesPerSecond: bytes / MEGABYTE / seconds,
      requestsPerSecond: this.pieces / seconds,
      notificationsPerRequest: Number(after.notifications - before.notifications) / this.pieces,
      interruptsPerRequest: Number(after.interrupts - before.interrupts) / this.pieces,
    };
  }

  private prepareRequests(): void {
    while (this.nextToPrepare < this.pieces) {
      const pointer = this.freeBuffers.pop();
      if (pointer === undefined) {
        return;
      }
      const piece = this.nextToPrepare++;
      const { length, sector } = this.extent(piece);
      if (this.name === "write") {
        const part = this.contents.subarray(0, length);
        this.visitPiece(part, sector);
        this.stack.machine.writeBuffer(pointer, part);
      }
      this.bufferOf.set(piece, pointer);
      this.prepared.push({ token: piece, sector, operation: this.operation, segments: [{ pointer, length }] });
    }
  }

  private submitRequests(): void {
    if (this.prepared.length === 0) {
      return;
    }
    const { accepted, refusal } = this.disk.submit(this.prepared);
    this.inFlight += accepted;
    const isForLater = refusal === Result.E_FULL && this.inFlight > 0;
    if (refusal !== 0 && !isForLater) {
      throw new VirtioError(this.name, refusal);
    }
    this.prepared = this.prepared.slice(accepted);
  }

  private takeCompletions(): void {
    const completions = this.disk.waitForCompletions();
    if (completions.length === 0) {
      throw new DeviceTimeout(`the disk left ${this.inFlight} requests to ${this.name} unanswered`);
    }
    for (const { token, result } of completions) {
      if (result !== Result.OK) {
        throw new VirtioError(`${this.name} at sector ${this.extent(token).sector}`, result);
      }
      this.completed.add(token);
      this.inFlight--;
    }
  }

  private finishPieces(): void {
    while (this.completed.delete(this.nextToFinish)) {
      const piece = this.nextToFinish++;
      const pointer = this.bufferOf.get(piece);
      if (pointer === undefined) {
        throw new Error(`a request for piece ${piece} completed, and none was submitted`);
      }
      this.bufferOf.delete(piece);
      this.freeBuffers.push(pointer);
      const { length, sector } = this.extent(piece);
      if (this.name === "read") {
        this.visitPiece(this.stack.machine.readBuffer(pointer, length), sector);
      }
      this.advance(length);
    }
  }

  private extent(piece: number): { length: number; sector: number } {
    const { bytes, requestBytes } = this.plan;
    const start = piece * requestBytes;
    return { length: Math.min(requestBytes, bytes - start), sector: start / SECTOR_BYTES };
  }

  private visitPiece(bytes: Uint8Array, sector: number): void {
    const started = performance.now();
    this.visit(bytes, sector);
    this.visitMilliseconds += performance.now() - started;
  }
}
