/**
 * What must hold after every call of the stack, whatever its devices do: memory that is nobody's stays as it was,
 * records change only where they may, requests complete exactly once, received bytes lie in buffers of the stack's.
 */
import type { HostileMachine } from "../../kernel-shim/emulated-pc/hostile/hostile-machine.js";
import { PAGE_BYTES } from "../../kernel-shim/emulated-pc/memory/dma-pages.js";
import { Result } from "../../kernel-shim/javascript/index.js";
import { expect, Finding } from "./finding.js";

/** What memory that nobody may write is filled with. */
export const GUARD = 0xa5;
const guards = Buffer.alloc(4 * 1024 * 1024, GUARD);

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Linear memory that belongs to nobody: outside the module's data, its private memory, records, and what is lent. */
export class GuardedMemory {
  private readonly ranges: Range[] = [];
  private pool: Range = { start: 0, end: 0 };

  constructor(private readonly machine: HostileMachine) {
    machine.memoryTakenBack = (pointer, pages) => {
      if (machine.build === "mapped") this.bytes(pointer, pointer + pages * PAGE_BYTES).fill(GUARD);
    };
  }

  /** Adds a range that is filled with GUARD. */
  add(start: number, end: number): void {
    this.bytes(start, end).fill(GUARD);
    this.ranges.push({ start, end });
  }

  /** Adds the pages that are lent from: those not lent at a time are nobody's. All are filled with GUARD. */
  addPool(start: number, end: number): void {
    this.bytes(start, end).fill(GUARD);
    this.pool = { start, end };
  }

  check(): void {
    for (const { start, end } of this.ranges) this.checkRange(start, end);
    let start = this.pool.start;
    for (let page = start; page <= this.pool.end; page += PAGE_BYTES) {
      if (page < this.pool.end && this.machine.lent.loanAt(page) === undefined) continue;
      this.checkRange(start, page);
      start = page + PAGE_BYTES;
    }
  }

  private checkRange(start: number, end: number): void {
    if (end <= start || this.bytes(start, end).equals(guards.subarray(0, end - start))) return;
    const at = start + this.bytes(start, end).findIndex((byte) => byte !== GUARD);
    throw new Finding("memory that is nobody's changed", `at 0x${at.toString(16)}`);
  }

  private bytes(start: number, end: number): Buffer {
    return Buffer.from(this.machine.memory.buffer, start, end - start);
  }
}

/** Records of one call, each at a place of its own between guards. */
export class CallRecords {
  private next: number;
  private readonly blocks: { start: number; end: number; before: Buffer; mayChange: (offset: number) => boolean }[] =
    [];

  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly start: number,
    private readonly end: number,
  ) {
    Buffer.from(memory.buffer, start, end - start).fill(GUARD);
    this.next = start;
  }

  /** Bytes for a record or an array, aligned to 8. What was there is not theirs to rely on. */
  take(bytes: number): number {
    const pointer = this.next + 16;
    this.next = pointer + Math.ceil(bytes / 8) * 8;
    if (this.next + 16 > this.end) throw new Error(`there is no room for ${bytes} bytes of records`);
    return pointer;
  }

  /** Says that the call may change these bytes of what `take` gave; all values must be there already. */
  pass(pointer: number, bytes: number, mayChange: (offset: number) => boolean): void {
    const before = Buffer.from(Buffer.from(this.memory.buffer, pointer, bytes));
    this.blocks.push({ start: pointer, end: pointer + bytes, before, mayChange });
  }

  /** Checks everything after the call. */
  check(): void {
    let guarded = this.start;
    for (const { start, end, before, mayChange } of this.blocks) {
      this.checkGuard(guarded, start);
      guarded = end;
      const after = Buffer.from(this.memory.buffer, start, end - start);
      if (after.equals(before)) continue;
      const changed = after.findIndex((byte, offset) => byte !== before[offset] && !mayChange(offset));
      expect(changed < 0, "the stack wrote to a record that it only reads", () => `byte ${changed}`);
    }
    this.checkGuard(guarded, this.end);
  }

  /** Forgets the records of the last call. */
  reset(): void {
    Buffer.from(this.memory.buffer, this.start, this.next - this.start).fill(GUARD);
    this.next = this.start;
    this.blocks.length = 0;
  }

  private checkGuard(start: number, end: number): void {
    const isIntact = Buffer.from(this.memory.buffer, start, end - start).equals(guards.subarray(0, end - start));
    expect(
      isIntact,
      "the stack wrote beside a record",
      () => `between 0x${start.toString(16)} and 0x${end.toString(16)}`,
    );
  }
}

/** Requests accepted and not completed, by token. */
export class Ledger<Request> {
  private readonly open = new Map<bigint, { request: Request; mayBeOk: boolean }>();
  private issued = 0n;

  /** A token that no request has had. */
  token(): bigint {
    this.issued += 1n;
    return this.issued * 0x1_0000_0001n;
  }

  get outstanding(): number {
    return this.open.size;
  }

  accept(token: bigint, request: Request): void {
    this.open.set(token, { request, mayBeOk: true });
  }

  /** The device was reset or closed: what is out cannot come back as OK any more. */
  deviceWasReset(): void {
    for (const entry of this.open.values()) entry.mayBeOk = false;
  }

  /** A completion: returns the request, which is not outstanding any more. */
  complete(token: bigint, isOk: boolean): Request {
    const entry = this.open.get(token);
    expect(entry !== undefined, "a request completes exactly once", () => `token 0x${token.toString(16)}`);
    expect(!isOk || entry.mayBeOk, "nothing in flight during a reset comes back as OK", () => `token ${token}`);
    this.open.delete(token);
    return entry.request;
  }
}

/** Receive buffers as the caller gets to know them: which it has, and where each lies. */
export class ReceivedLedger {
  /** Where the bytes of those are that the caller has. */
  private readonly held = new Map<number, number>();
  /** First byte of each buffer, the packet header included. */
  private readonly bases = new Map<number, number>();

  constructor(
    private readonly machine: HostileMachine,
    private readonly bufferBytes: number,
    private readonly headerBytes: number,
  ) {}

  get ids(): number[] {
    return [...this.held.keys()];
  }

  receive(id: number, pointer: number, length: number, isFirst: boolean): void {
    const base = isFirst ? pointer - this.headerBytes : pointer;
    const end = pointer + length;
    expect(!this.held.has(id), "a receive buffer is handed out once", () => `buffer ${id}`);
    expect(end <= base + this.bufferBytes, "received bytes lie within their buffer", () => `${length} bytes`);
    const loans = [base, base + this.bufferBytes - 1].map((at) => this.machine.lent.loanAt(at));
    expect(
      loans.every((loan) => loan?.owner === "stack" && loan === loans[0]),
      "received bytes lie in memory that the stack borrowed",
      () => `buffer ${id} at 0x${base.toString(16)}`,
    );
    const known = this.bases.get(id);
    expect(known === undefined || known === base, "a buffer does not move", () => `buffer ${id}`);
    if (known === undefined) {
      for (const [other, start] of this.bases) {
        const isApart = base + this.bufferBytes <= start || start + this.bufferBytes <= base;
        expect(isApart, "receive buffers do not overlap", () => `buffers ${id} and ${other}`);
      }
    }
    this.bases.set(id, base);
    const changed = this.machine.changedByStack(pointer, length);
    expect(changed < 0, "received bytes are the device's", () => `buffer ${id}, byte ${changed - pointer}`);
    this.machine.lent.handOut(pointer, length);
    this.held.set(id, pointer);
  }

  release(id: number): void {
    const pointer = this.held.get(id);
    if (pointer !== undefined) this.machine.lent.takenUp(pointer);
    this.held.delete(id);
  }
}

/** What `result` of each record of a batch is before the call. */
export const UNTOUCHED = 77;

/**
 * Whether the stack accepted record `index` of a batch. The record must say so: of the first one that was refused why, and
 * of those after it nothing.
 *
 * @param accepted as the call returned it
 * @param refusals reasons that a caller who keeps the rules may be given
 */
export function wasAccepted(
  what: "request" | "frame",
  index: number,
  accepted: number,
  result: number,
  refusals: readonly number[],
): boolean {
  if (index < accepted) {
    expect(result === Result.OK, `an accepted ${what} says so`, () => `${result}`);
    return true;
  }
  const isRight = index === accepted ? refusals.includes(result) : result === UNTOUCHED;
  expect(isRight, `a refused ${what} says why`, () => `${result}`);
  return false;
}
