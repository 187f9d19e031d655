/** Who answers at a port or at an address: decoding by base addresses, functions and bridges. [PCI 3.0 §6.2.5] */
import type { Rule, Violations } from "../violations.js";
import { describePlace, everything, type PciBridge, type PciBus } from "./bus.js";
import type { BaseAddressDescription, PciFunction } from "./function.js";
import * as registers from "./registers.js";
import * as rules from "./rules.js";

/** One stretch that somebody answers, or would answer if decoding were on. */
export interface DecodedRange {
  readonly base: number;
  readonly end: number;
  readonly bar: BaseAddressDescription;
  readonly pciFunction: PciFunction;
  /** For people. */
  readonly name: string;
  readonly isDecoding: boolean;
}

export class AddressSpace {
  private decoded: DecodedRange[] | null = null;
  private recent: DecodedRange | null = null;

  constructor(
    private readonly kind: "io" | "memory",
    private readonly bus: PciBus,
    private readonly violations: Violations,
  ) {}

  /** Who decodes what may have changed. */
  changed(): void {
    this.decoded = null;
    this.recent = null;
  }

  read(address: number, width: number): number {
    const found = this.answering(address);
    if (found?.bar.handler === undefined) return allOnes(width);
    return found.bar.handler.read(address - found.base, width) >>> 0;
  }

  write(address: number, width: number, value: number): void {
    const found = this.answering(address);
    found?.bar.handler?.write(address - found.base, width, value);
  }

  /** The ranges that an address lies in, whether or not they are decoded. */
  candidatesAt(address: number): readonly DecodedRange[] {
    this.decoded ??= this.decode();
    return this.decoded.filter(({ base, end }) => address >= base && address < end);
  }

  /** Who answers an access; records what is wrong with it. */
  private answering(address: number): DecodedRange | undefined {
    const { recent } = this;
    if (recent !== null && address >= recent.base && address < recent.end) return recent;
    const candidates = this.candidatesAt(address);
    const decoding = candidates.filter(({ isDecoding }) => isDecoding);
    const [found] = decoding;
    if (decoding.length > 1)
      this.record(rules.ADDRESS_CONFLICT, decoding.map(({ name }) => name).join(" and "), address);
    const [silent] = candidates;
    if (found === undefined && silent !== undefined) this.record(rules.DECODING_OFF, silent.name, address);
    // Kept only where nothing has to be recorded at each access.
    this.recent = candidates.length === 1 && found !== undefined ? found : null;
    return found;
  }

  private record(rule: Rule, source: string, address: number): void {
    this.violations.record(rule, source, `${this.kind === "io" ? "port" : "address"} 0x${address.toString(16)}`);
  }

  private decode(): DecodedRange[] {
    const result: DecodedRange[] = [];
    const enable = this.kind === "io" ? registers.COMMAND_IO : registers.COMMAND_MEMORY;
    for (const place of everything(this.bus)) {
      const { pciFunction, bridges } = place;
      for (const bar of pciFunction.baseAddresses) {
        const base = pciFunction.baseAddress(bar);
        if ((bar.kind === "io") !== (this.kind === "io") || base === 0) continue;
        const last = base + bar.size - 1;
        const isForwarded = bridges.every((bridge) => this.isForwarded(bridge, base, last));
        result.push({
          base,
          end: base + bar.size,
          bar,
          pciFunction,
          name: `${pciFunction.description.name} ${describePlace(place)}`,
          isDecoding: isForwarded && (pciFunction.command & enable) !== 0,
        });
      }
    }
    return result;
  }

  private isForwarded(bridge: PciBridge, base: number, last: number): boolean {
    const windows = this.kind === "io" ? [bridge.ioWindow] : bridge.memoryWindows;
    return windows.some((window) => base >= window.base && last <= window.last);
  }
}

/** What nobody answers. */
export function allOnes(width: number): number {
  return 2 ** (8 * width) - 1;
}
