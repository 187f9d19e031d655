/** MSI-X: the capability, the table of messages, and the bits of those that wait behind a mask. [PCI 3.0 §6.8.2] */
import type { Rule } from "../violations.js";
import type { CapabilityBehaviour, CapabilityDescription, PortHandler } from "./function.js";
import { CAPABILITY_MSIX } from "./registers.js";
import { MSIX_ACCESS } from "./rules.js";

const MESSAGE_CONTROL = 2;
const MSIX_ENABLE = 0x8000;
const FUNCTION_MASK = 0x4000;
/** Message address, its high half, message data and vector control. */
const ENTRY_WORDS = 4;
const VECTOR_CONTROL = 3;
const MASK = 1;
const WORD_BYTES = 4;
const BITS = 32;

/** A message as it goes out to memory. */
export interface Message {
  readonly vector: number;
  readonly address: number;
  readonly data: number;
}

/** Where the table and the pending bits lie. */
export interface MsixPlace {
  readonly bar: number;
  /** Offsets in it, multiples of 8. */
  readonly table: number;
  readonly pendingBits: number;
}

export class Msix implements CapabilityBehaviour {
  /** The entries, as they are read and written. */
  readonly table: PortHandler;
  readonly pendingBits: PortHandler;
  private readonly words: Uint32Array;
  private readonly pending = new Set<number>();
  private fields: DataView | null = null;

  /** @param vectors 1 to 2048 */
  constructor(
    readonly vectors: number,
    readonly place: MsixPlace,
    private readonly send: (message: Message) => void,
    private readonly record: (rule: Rule, detail: string) => void,
  ) {
    this.words = new Uint32Array(vectors * ENTRY_WORDS);
    this.powerCycled();
    this.table = {
      read: (offset, width) => (this.accepts(offset, width) ? (this.words[offset / WORD_BYTES] ?? 0) : 0),
      write: (offset, width, value) => {
        if (!this.accepts(offset, width)) return;
        this.words[offset / WORD_BYTES] = value;
        this.sendPending();
      },
    };
    this.pendingBits = {
      read: (offset, width) => (this.accepts(offset, width) ? this.pendingWord(offset / WORD_BYTES) : 0),
      write: (offset) => this.record(MSIX_ACCESS, `write of the pending bits at ${offset}`),
    };
  }

  get tableBytes(): number {
    return this.words.byteLength;
  }

  get pendingBytes(): number {
    return Math.ceil(this.vectors / 64) * 8;
  }

  get capability(): CapabilityDescription {
    const { bar, table, pendingBits } = this.place;
    const control = this.vectors - 1;
    const register = (offset: number): number[] => [0, 8, 16, 24].map((shift) => ((offset | bar) >>> shift) & 0xff);
    return {
      id: CAPABILITY_MSIX,
      bytes: [control & 0xff, control >> 8, ...register(table), ...register(pendingBits)],
      writable: [0, (MSIX_ENABLE | FUNCTION_MASK) >> 8],
      behaviour: this,
    };
  }

  attached(fields: DataView): void {
    this.fields = fields;
  }

  /** The function may have been unmasked. */
  written(): void {
    this.sendPending();
  }

  /** Every entry is masked, and has no message. */
  powerCycled(): void {
    this.words.fill(0);
    for (let vector = 0; vector < this.vectors; vector++) this.words[vector * ENTRY_WORDS + VECTOR_CONTROL] = MASK;
    this.pending.clear();
  }

  get isEnabled(): boolean {
    return (this.control & MSIX_ENABLE) !== 0;
  }

  /** Whether part of a stretch of a base address belongs to the table or to the pending bits. */
  overlaps(bar: number, offset: number, bytes: number): boolean {
    const { table, pendingBits } = this.place;
    const isIn = (start: number, length: number): boolean => offset < start + length && start < offset + bytes;
    return bar === this.place.bar && (isIn(table, this.tableBytes) || isIn(pendingBits, this.pendingBytes));
  }

  /** Sends a vector's message, or remembers to while it is masked. Vectors that the table does not have send none. */
  signal(vector: number): void {
    if (vector >= this.vectors) return;
    this.pending.add(vector);
    this.sendPending();
  }

  private get control(): number {
    return this.fields?.getUint16(MESSAGE_CONTROL, true) ?? 0;
  }

  private sendPending(): void {
    if (this.pending.size === 0 || (this.control & (MSIX_ENABLE | FUNCTION_MASK)) !== MSIX_ENABLE) return;
    for (const vector of this.pending) {
      const [low = 0, high = 0, data = 0, control = 0] = this.words.subarray(vector * ENTRY_WORDS);
      if ((control & MASK) !== 0) continue;
      this.pending.delete(vector);
      this.send({ vector, address: high * 0x1_0000_0000 + low, data });
    }
  }

  private pendingWord(word: number): number {
    let bits = 0;
    for (const vector of this.pending) if (Math.floor(vector / BITS) === word) bits |= 1 << (vector % BITS);
    return bits >>> 0;
  }

  private accepts(offset: number, width: number): boolean {
    if (width === WORD_BYTES && offset % WORD_BYTES === 0) return true;
    this.record(MSIX_ACCESS, `${width} bytes at ${offset}`);
    return false;
  }
}
