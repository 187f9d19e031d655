/**
 * Which registers in memory the stack may reach: those that it mapped. A window is the physical address itself, as QEMU's
 * address space is reached by numbers, not by pointers; so windows overlap where, and only where, the registers do.
 */

/** Consecutive physical addresses. */
export interface RegisterRange {
  readonly base: number;
  readonly bytes: number;
}

/** A range, and how often it was mapped and not unmapped. */
interface Mapping extends RegisterRange {
  count: number;
}

/** Pointers of the module have 32 bits. */
const END_OF_POINTERS = 0x1_0000_0000;

export class RegisterGrants {
  private readonly mappings: Mapping[] = [];

  /** @param registers where devices have registers that a driver may be granted, at the moment */
  constructor(private readonly registers: () => readonly RegisterRange[]) {}

  /** Returns the window; 0 when not all of this is one device's registers. Counted: each call needs its `unmap`. */
  map(address: bigint, bytes: number): number {
    const base = Number(address);
    const end = base + bytes;
    if (bytes === 0 || base % 4 !== 0 || end > END_OF_POINTERS) {
      return 0;
    }
    if (!this.registers().some((range) => base >= range.base && end <= range.base + range.bytes)) {
      return 0;
    }
    const mapping = this.find(base, bytes);
    if (mapping === undefined) {
      this.mappings.push({ base, bytes, count: 1 });
    } else {
      mapping.count++;
    }
    return base;
  }

  /** Ends what one call of `map` began; false, and nothing happens, when there was none. */
  unmap(window: number, bytes: number): boolean {
    const mapping = this.find(window, bytes);
    if (mapping === undefined) {
      return false;
    }
    mapping.count--;
    if (mapping.count === 0) {
      this.mappings.splice(this.mappings.indexOf(mapping), 1);
    }
    return true;
  }

  /** Whether `width` bytes at `pointer` may be reached in one access, which is aligned. */
  allows(pointer: number, width: number): boolean {
    if (pointer % width !== 0) {
      return false;
    }
    return this.mappings.some(({ base, bytes }) => pointer >= base && pointer + width <= base + bytes);
  }

  private find(base: number, bytes: number): Mapping | undefined {
    return this.mappings.find((mapping) => mapping.base === base && mapping.bytes === bytes);
  }
}
