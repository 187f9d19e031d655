/**
 * Registers in memory as the stack reaches them: through windows that the kernel granted, and nothing else. An access
 * outside of them reads all ones, or is dropped, and is recorded.
 */
import { allOnes } from "./pci/address-space.js";
import type { Rule, Violations } from "./violations.js";

export const REGISTERS_NOT_MAPPED: Rule = {
  id: "registers-not-mapped",
  section: "kernel interface",
  text: "only registers that the kernel mapped at that time are accessed",
};
export const REGISTERS_ALIGNMENT: Rule = {
  id: "registers-alignment",
  section: "kernel interface",
  text: "accesses of registers are naturally aligned",
};
export const UNMAP_MISMATCH: Rule = {
  id: "unmap-mismatch",
  section: "kernel interface",
  text: "mmio_unmap ends exactly what one mmio_map began",
};

/** The machine's physical addresses, as far as registers lie there. */
export interface RegisterSpace {
  /** Whether a driver may have these registers: a device's own, decoded at the moment. */
  isGrantable(address: number, bytes: number): boolean;
  read(address: number, width: number): number;
  write(address: number, width: number, value: number): void;
}

interface Mapping {
  readonly address: number;
  readonly bytes: number;
  /** How often it was mapped and not ended. */
  count: number;
}

/** Windows begin here, far from 0, with room between them. */
const FIRST_WINDOW = 0x1000;
const END_OF_WINDOWS = 0xffff_0000;
const GAP = 0x1000;

export class Mappings {
  /** What the stack asked for and did not get, for people. */
  readonly refusals: string[] = [];
  /** By their windows. */
  private readonly mappings = new Map<number, Mapping>();
  private nextWindow = FIRST_WINDOW;
  private recentWindow = 0;
  private recent: Mapping | null = null;

  constructor(
    private readonly space: RegisterSpace,
    private readonly violations: Violations,
  ) {}

  /** Returns the window, 0 when the registers are not the stack's to have. */
  map(address: bigint, bytes: number): number {
    const start = Number(address);
    const isValid = bytes > 0 && start % 4 === 0 && Number.isSafeInteger(start);
    if (!isValid || !this.space.isGrantable(start, bytes)) {
      this.refusals.push(`${bytes} bytes at 0x${address.toString(16)}`);
      return 0;
    }
    for (const [window, mapping] of this.mappings) {
      if (mapping.address !== start || mapping.bytes !== bytes) continue;
      mapping.count++;
      return window;
    }
    const window = this.findRoom(bytes);
    if (window !== 0) this.mappings.set(window, { address: start, bytes, count: 1 });
    return window;
  }

  unmap(window: number, bytes: number): void {
    const mapping = this.mappings.get(window);
    if (mapping?.bytes !== bytes) {
      this.violations.record(UNMAP_MISMATCH, "mappings", `${bytes} bytes at window 0x${window.toString(16)}`);
      return;
    }
    mapping.count--;
    if (mapping.count > 0) return;
    this.mappings.delete(window);
    this.recent = null;
  }

  /** How many mappings have not been ended. */
  get count(): number {
    return [...this.mappings.values()].reduce((sum, { count }) => sum + count, 0);
  }

  /** Whether registers are mapped at a pointer at the moment. */
  covers(pointer: number, width: number): boolean {
    return this.locate(pointer, width) >= 0;
  }

  read(pointer: number, width: number): number {
    const address = this.check(pointer, width);
    return address < 0 ? allOnes(width) : this.space.read(address, width);
  }

  write(pointer: number, width: number, value: number): void {
    const address = this.check(pointer, width);
    if (address >= 0) this.space.write(address, width, value);
  }

  private check(pointer: number, width: number): number {
    const detail = (): string => `${width} bytes at 0x${pointer.toString(16)}`;
    const address = this.locate(pointer, width);
    if (address < 0) this.violations.record(REGISTERS_NOT_MAPPED, "mappings", detail());
    else if (address % width !== 0) this.violations.record(REGISTERS_ALIGNMENT, "mappings", detail());
    return address;
  }

  /** The physical address behind a pointer, -1 when it is not mapped. */
  private locate(pointer: number, width: number): number {
    const { recent } = this;
    const offset = pointer - this.recentWindow;
    if (recent !== null && offset >= 0 && offset + width <= recent.bytes) return recent.address + offset;
    for (const [window, mapping] of this.mappings) {
      if (pointer < window || pointer + width > window + mapping.bytes) continue;
      this.recentWindow = window;
      this.recent = mapping;
      return mapping.address + pointer - window;
    }
    return -1;
  }

  /** Windows are used again as late as possible, which shows stale ones. */
  private findRoom(bytes: number): number {
    const step = Math.ceil(bytes / GAP) * GAP + GAP;
    if (step > END_OF_WINDOWS - FIRST_WINDOW) return 0;
    const tries = this.mappings.size + 2;
    for (let attempt = 0; attempt < tries; attempt++) {
      if (this.nextWindow + step > END_OF_WINDOWS) this.nextWindow = FIRST_WINDOW;
      const window = this.nextWindow;
      this.nextWindow += step;
      const isFree = [...this.mappings].every(([other, { bytes: otherBytes }]) => {
        return window + bytes <= other || other + otherBytes <= window;
      });
      if (isFree) return window;
    }
    return 0;
  }
}
