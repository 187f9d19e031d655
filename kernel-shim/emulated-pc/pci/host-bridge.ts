/**
 * The way from the processor's ports to configuration space and to I/O base addresses: configuration mechanism 1 and
 * the decoding of functions and bridges. [PCI 3.0 §3.2.2.3.2, §6.2.5]
 */
import type { Rule, Violations } from "../violations.js";
import { describePlace, everything, PciBus } from "./bus.js";
import type { FunctionObserver, PciFunction, PortHandler } from "./function.js";
import * as registers from "./registers.js";
import * as rules from "./rules.js";

export const CONFIGURATION_ADDRESS_PORT = 0xcf8;
export const CONFIGURATION_DATA_PORT = 0xcfc;
/** Both registers of mechanism 1. */
export const CONFIGURATION_PORTS = 8;

const ENABLE = 0x8000_0000;
const RESERVED_ADDRESS_BITS = 0x7f00_0003;

/** One stretch of ports that somebody answers, or would answer if decoding were on. */
interface DecodedPorts {
  base: number;
  end: number;
  handler: PortHandler | null;
  name: string;
  isDecoding: boolean;
}

export class HostBridge {
  readonly bus = new PciBus(null);
  private address = 0;
  private decoded: DecodedPorts[] | null = null;
  private recent: DecodedPorts | null = null;

  /** @param observer gets what functions report, besides the bridge itself */
  constructor(
    private readonly violations: Violations,
    private readonly interruptChanged: (pciFunction: PciFunction) => void,
  ) {}

  /** What functions on this machine report to. */
  readonly observer: FunctionObserver = {
    decodingChanged: () => {
      this.decoded = null;
      this.recent = null;
    },
    interruptChanged: (pciFunction) => this.interruptChanged(pciFunction),
    broken: (rule: Rule, pciFunction, detail) => this.violations.record(rule, pciFunction.description.name, detail),
  };

  read(port: number, width: number): number {
    if (port >= CONFIGURATION_ADDRESS_PORT && port < CONFIGURATION_ADDRESS_PORT + CONFIGURATION_PORTS) {
      return this.readConfiguration(port, width);
    }
    const found = this.portsAt(port);
    if (found?.handler === null || found?.handler === undefined || !found.isDecoding) return allOnes(width);
    return found.handler.read(port - found.base, width) >>> 0;
  }

  write(port: number, width: number, value: number): void {
    if (port >= CONFIGURATION_ADDRESS_PORT && port < CONFIGURATION_ADDRESS_PORT + CONFIGURATION_PORTS) {
      this.writeConfiguration(port, width, value);
      return;
    }
    const found = this.portsAt(port);
    if (found?.isDecoding === true) found.handler?.write(port - found.base, width, value);
  }

  /** The function that configuration cycles for an address reach. */
  functionAt(address: number): PciFunction | undefined {
    return this.bus.find(address >> 8)?.functionAt((address >> 3) & 31, address & 7);
  }

  private readConfiguration(port: number, width: number): number {
    if (port < CONFIGURATION_DATA_PORT) {
      if (port === CONFIGURATION_ADDRESS_PORT && width === 4) return this.address;
      this.violations.record(rules.CONFIGURATION_ADDRESS, "host bridge", `read of ${width} bytes at port ${hex(port)}`);
      return allOnes(width);
    }
    const found = this.selected(port, width);
    return found === undefined ? allOnes(width) : found.read(this.registerOffset(port), width);
  }

  private writeConfiguration(port: number, width: number, value: number): void {
    if (port >= CONFIGURATION_DATA_PORT) {
      this.selected(port, width)?.write(this.registerOffset(port), width, value);
      return;
    }
    const isWhole = port === CONFIGURATION_ADDRESS_PORT && width === 4;
    if (!isWhole || (value & RESERVED_ADDRESS_BITS) !== 0) {
      const what = `write of ${width} bytes at port ${hex(port)}: ${hex(value)}`;
      this.violations.record(rules.CONFIGURATION_ADDRESS, "host bridge", what);
    }
    if (isWhole) this.address = (value & ~RESERVED_ADDRESS_BITS) >>> 0;
  }

  private registerOffset(port: number): number {
    return (this.address & 0xfc) + (port & 3);
  }

  private selected(port: number, width: number): PciFunction | undefined {
    if (port % width !== 0) {
      this.violations.record(rules.CONFIGURATION_ALIGNMENT, "host bridge", `${width} bytes at port ${hex(port)}`);
      return undefined;
    }
    if ((this.address & ENABLE) === 0) return undefined;
    return this.functionAt((this.address >>> 8) & 0xffff);
  }

  private portsAt(port: number): DecodedPorts | null {
    const recent = this.recent;
    if (recent !== null && port >= recent.base && port < recent.end) return recent;
    this.decoded ??= this.decode();
    const candidates = this.decoded.filter((ports) => port >= ports.base && port < ports.end);
    const decoding = candidates.filter((ports) => ports.isDecoding);
    const found = decoding[0] ?? candidates[0] ?? null;
    if (decoding.length > 1) {
      const names = decoding.map((ports) => ports.name).join(" and ");
      this.violations.record(rules.ADDRESS_CONFLICT, names, `port ${hex(port)}`);
    }
    if (found?.isDecoding === false) this.violations.record(rules.DECODING_OFF, found.name, `port ${hex(port)}`);
    // Kept only where nothing has to be recorded at each access.
    this.recent = candidates.length === 1 && found?.isDecoding === true ? found : null;
    return found;
  }

  private decode(): DecodedPorts[] {
    const result: DecodedPorts[] = [];
    for (const place of everything(this.bus)) {
      const { pciFunction, bridges } = place;
      for (const bar of pciFunction.baseAddresses) {
        const base = pciFunction.baseAddress(bar);
        if (bar.kind !== "io" || base === 0) continue;
        const isForwarded = bridges.every(
          ({ ioWindow }) => base >= ioWindow.base && base + bar.size - 1 <= ioWindow.last,
        );
        result.push({
          base,
          end: base + bar.size,
          handler: bar.handler ?? null,
          name: `${pciFunction.description.name} ${describePlace(place)}`,
          isDecoding: isForwarded && (pciFunction.command & registers.COMMAND_IO) !== 0,
        });
      }
    }
    return result;
  }
}

function allOnes(width: number): number {
  return width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
