/**
 * The way from the processor to PCI: its ports lead to configuration space, by configuration mechanism 1, and to I/O
 * base addresses, its memory accesses to memory base addresses. [PCI 3.0 §3.2.2.3.2, §6.2.5]
 */
import type { Rule, Violations } from "../violations.js";
import { AddressSpace, allOnes } from "./address-space.js";
import { PciBus } from "./bus.js";
import type { FunctionObserver, PciFunction } from "./function.js";
import * as rules from "./rules.js";

export const CONFIGURATION_ADDRESS_PORT = 0xcf8;
export const CONFIGURATION_DATA_PORT = 0xcfc;
/** Both registers of mechanism 1. */
export const CONFIGURATION_PORTS = 8;

const ENABLE = 0x8000_0000;
const RESERVED_ADDRESS_BITS = 0x7f00_0003;

export class HostBridge {
  readonly bus = new PciBus(null);
  readonly memory: AddressSpace;
  private readonly ports: AddressSpace;
  private address = 0;

  constructor(
    private readonly violations: Violations,
    private readonly interruptChanged: (pciFunction: PciFunction) => void,
  ) {
    this.ports = new AddressSpace("io", this.bus, violations);
    this.memory = new AddressSpace("memory", this.bus, violations);
  }

  /** What functions on this machine report to. */
  readonly observer: FunctionObserver = {
    decodingChanged: () => {
      this.ports.changed();
      this.memory.changed();
    },
    interruptChanged: (pciFunction) => this.interruptChanged(pciFunction),
    broken: (rule: Rule, pciFunction, detail) => this.violations.record(rule, pciFunction.description.name, detail),
  };

  read(port: number, width: number): number {
    if (port >= CONFIGURATION_ADDRESS_PORT && port < CONFIGURATION_ADDRESS_PORT + CONFIGURATION_PORTS) {
      return this.readConfiguration(port, width);
    }
    return this.ports.read(port, width);
  }

  write(port: number, width: number, value: number): void {
    if (port >= CONFIGURATION_ADDRESS_PORT && port < CONFIGURATION_ADDRESS_PORT + CONFIGURATION_PORTS) {
      this.writeConfiguration(port, width, value);
    } else {
      this.ports.write(port, width, value);
    }
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
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
