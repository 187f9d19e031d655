/**
 * MSI-X messages. A message is a device's write to an address of the kernel's choice [PCI 3.0 §6.8.2], and no processor
 * runs here that an interrupt controller could tell. So each message has a word in guest RAM of its own: one that changed
 * says that it came.
 */

import type { GuestMemory } from "./guest-memory.js";

/** A page of ordinary RAM below what is lent to the stack or to applications. */
const WORDS = 0x1000;
const WORD_BYTES = 4;
const MOST_MESSAGES = 1024;
/** What a message writes: one byte changes, so that no half of it is ever seen. */
const ARRIVED = 1;
/** Behind the numbers of interrupt lines. */
const FIRST_NUMBER = 0x100;

/** An entry of the table: address, its upper half, data, and a bit that masks it. [PCI 3.0 §6.8.2.6 to §6.8.2.9] */
const ENTRY_BYTES = 16;
const MESSAGE_ADDRESS = 0;
const MESSAGE_UPPER_ADDRESS = 4;
const MESSAGE_DATA = 8;
const VECTOR_CONTROL = 12;

export class Messages {
  /** The numbers that a table's entries were given; they stay its own when it is programmed again. */
  private readonly tables = new Map<number, number[]>();
  private given = 0;

  /** @param writeRegister writes 32 bits at a physical address, by which tables are reached */
  constructor(
    private readonly memory: GuestMemory,
    private readonly writeRegister: (address: number, value: number) => void,
  ) {}

  /**
   * Programs the first entries of a table and unmasks them. Returns the number of each message. Throws a RangeError when
   * there are no more messages to be given out.
   */
  connect(table: number, vectors: number): number[] {
    const numbers = this.tables.get(table) ?? [];
    this.tables.set(table, numbers);
    while (numbers.length < vectors) {
      if (this.given === MOST_MESSAGES) {
        throw new RangeError(`There are no more than ${MOST_MESSAGES} messages`);
      }
      numbers.push(FIRST_NUMBER + this.given++);
    }
    const connected = numbers.slice(0, vectors);
    connected.forEach((number, vector) => {
      const entry = table + ENTRY_BYTES * vector;
      const word = this.wordOf(number);
      this.memory.write32(word, 0);
      this.writeRegister(entry + MESSAGE_ADDRESS, word);
      this.writeRegister(entry + MESSAGE_UPPER_ADDRESS, 0);
      this.writeRegister(entry + MESSAGE_DATA, ARRIVED);
      this.writeRegister(entry + VECTOR_CONTROL, 0);
    });
    return connected;
  }

  /** Whether any could come. */
  get areConnected(): boolean {
    return this.given > 0;
  }

  /** The messages that came since the last call, once each. */
  take(): number[] {
    const taken: number[] = [];
    if (!this.areConnected) {
      return taken;
    }
    const words = new DataView(this.memory.read(WORDS, WORD_BYTES * this.given).buffer);
    for (let index = 0; index < this.given; index++) {
      if (words.getUint32(WORD_BYTES * index, true) === 0) {
        continue;
      }
      // Before the caller looks at what it is about: a message that comes from now on is news.
      this.memory.write32(WORDS + WORD_BYTES * index, 0);
      taken.push(FIRST_NUMBER + index);
    }
    return taken;
  }

  private wordOf(number: number): number {
    return WORDS + WORD_BYTES * (number - FIRST_NUMBER);
  }
}
