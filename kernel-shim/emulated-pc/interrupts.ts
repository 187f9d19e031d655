/**
 * Interrupts as the kernel sees them. Level-triggered lines that functions share: the four pins of a slot, swizzled
 * through bridges, meet in four wires, and those in two lines. [PCI 3.0 §2.2.6; PCI-to-PCI Bridge 1.2 §9.1] And messages,
 * each with a number of its own. [PCI 3.0 §6.8]
 */
import type { Message } from "./pci/msix.js";

/** The interrupt lines behind the four wires of the root bus. Two for four, so that devices share them. */
const LINES_OF_WIRES = [11, 10, 11, 10] as const;

/** The line that a pin is wired to. `slots` lead from the function up to the root bus: its own slot first. */
export function lineOfPin(pin: number, slots: readonly number[]): number {
  let wire = pin - 1;
  for (const slot of slots) wire = (wire + slot) % LINES_OF_WIRES.length;
  return LINES_OF_WIRES[wire] ?? LINES_OF_WIRES[0];
}

export class InterruptLines {
  /** Which functions, or memory-mapped devices, pull each line. */
  private readonly sources = new Map<number, Set<object>>();

  /** Whether somebody pulls a line at the moment. */
  set(line: number, source: object, isAsserted: boolean): void {
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

/** Numbers of messages begin here, above those of lines. */
const FIRST_MESSAGE = 0x100;
/** Where the interrupt controller takes messages. */
const MESSAGE_ADDRESS = 0xfee0_0000;

/** The interrupt controller's side of MSI-X: it gives out messages, and keeps those that came until they are taken. */
export class MessageInterrupts {
  private allocated = 0;
  private readonly pending = new Set<number>();

  /** A message that nobody has yet, as it goes into a table entry, and the number under which it is reported. */
  allocate(): Omit<Message, "vector"> & { interrupt: number } {
    const data = this.allocated++;
    return { address: MESSAGE_ADDRESS, data, interrupt: FIRST_MESSAGE + data };
  }

  /** Whether a message is one of those that were given out: it is pending from now on. */
  arrive({ address, data }: Message): boolean {
    if (address !== MESSAGE_ADDRESS || data >= this.allocated) return false;
    this.pending.add(FIRST_MESSAGE + data);
    return true;
  }

  get isAnyPending(): boolean {
    return this.pending.size > 0;
  }

  /** The messages that came since the last call, lowest number first. */
  take(): number[] {
    const taken = [...this.pending].sort((left, right) => left - right);
    this.pending.clear();
    return taken;
  }
}
