/**
 * Level-triggered interrupt lines that functions share: the four pins of a slot, swizzled through bridges, meet in
 * four wires, and those in two lines. [PCI 3.0 §2.2.6; PCI-to-PCI Bridge 1.2 §9.1]
 */
import type { PciFunction } from "./pci/function.js";

/** The interrupt lines behind the four wires of the root bus. Two for four, so that devices share them. */
const LINES_OF_WIRES = [11, 10, 11, 10] as const;

/** The line that a pin is wired to. `slots` lead from the function up to the root bus: its own slot first. */
export function lineOfPin(pin: number, slots: readonly number[]): number {
  let wire = pin - 1;
  for (const slot of slots) wire = (wire + slot) % LINES_OF_WIRES.length;
  return LINES_OF_WIRES[wire] ?? LINES_OF_WIRES[0];
}

export class InterruptLines {
  /** Which functions pull each line. */
  private readonly sources = new Map<number, Set<PciFunction>>();

  /** Whether a function pulls a line at the moment. */
  set(line: number, source: PciFunction, isAsserted: boolean): void {
    let sources = this.sources.get(line);
    if (sources === undefined) {
      sources = new Set();
      this.sources.set(line, sources);
    }
    if (isAsserted) sources.add(source);
    else sources.delete(source);
  }

  /** The lines that somebody pulls, lowest first. */
  get asserted(): number[] {
    const lines: number[] = [];
    for (const [line, sources] of this.sources) if (sources.size > 0) lines.push(line);
    return lines.sort((left, right) => left - right);
  }

  get isAnyAsserted(): boolean {
    for (const sources of this.sources.values()) if (sources.size > 0) return true;
    return false;
  }
}
