/**
 * A mock PCI bus: functions whose configuration space is nothing but values and bits that can be written, so that a
 * test can make them answer any nonsense, and counters of what it costs to find out.
 *
 * The unit tests of `assembly/pci` import it; `tests/unit/pci/machine.ts` declares what they call.
 */

import type { KernelImports } from "../../kernel-shim/machine.js";

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;

const COMMAND = 0x04;
const STATUS = 0x06;
const HEADER_TYPE = 0x0e;
const BASE_ADDRESS_0 = 0x10;
const SECONDARY_BUS_NUMBER = 0x19;
const SUBORDINATE_BUS_NUMBER = 0x1a;
const SECONDARY_STATUS = 0x1e;
const ALL_ONES = 0xffff_ffff;

/** One function, and what is behind it if it is a bridge. */
class MockFunction {
  readonly values = new DataView(new ArrayBuffer(256));
  readonly writable = new DataView(new ArrayBuffer(256));
  /** By device × 8 + function. */
  readonly behind = new Map<number, MockFunction>();

  get isBridge(): boolean {
    return (this.values.getUint8(HEADER_TYPE) & 0x7f) === 1;
  }

  /** The function at a place on bus `bus` or behind it, as configuration cycles find it. */
  find(bus: number, slot: number): MockFunction | undefined {
    const secondary = this.values.getUint8(SECONDARY_BUS_NUMBER);
    if (bus === secondary) return this.behind.get(slot);
    for (const candidate of this.behind.values()) {
      if (!candidate.isBridge) continue;
      const first = candidate.values.getUint8(SECONDARY_BUS_NUMBER);
      const last = candidate.values.getUint8(SUBORDINATE_BUS_NUMBER);
      if (first > secondary && bus >= first && bus <= last) return candidate.find(bus, slot);
    }
    return undefined;
  }
}

export class MockPciBus {
  /** Stands for the host bridge; its bus has number 0. Functions are named by their place in the array. */
  private functions = [new MockFunction()];
  private selected = 0;
  private constant: number | undefined;
  private reads = 0;
  private writes = 0;
  private faults = 0;

  private isPluggedIn = false;

  /** A kernel with this bus in the place of its own, from the first `pci_clear` on. */
  before<Kernel extends KernelImports>(kernel: Kernel): Kernel {
    const isMine = (port: number): boolean => this.isPluggedIn && port >= CONFIG_ADDRESS && port < CONFIG_DATA + 4;
    return {
      ...kernel,
      in8: (port) => (isMine(port) ? this.readLane(port) : kernel.in8(port)),
      in16: (port) => (isMine(port) ? this.readLane(port) : kernel.in16(port)),
      in32: (port) => (isMine(port) ? this.read(port) : kernel.in32(port)),
      out8: (port, value) => (isMine(port) ? this.write(port, value, 1) : kernel.out8(port, value)),
      out16: (port, value) => (isMine(port) ? this.write(port, value, 2) : kernel.out16(port, value)),
      out32: (port, value) => (isMine(port) ? this.write(port, value, 4) : kernel.out32(port, value)),
    };
  }

  /** What tests call. */
  readonly controls = {
    /** An empty machine. */
    pci_clear: (): undefined => {
      this.isPluggedIn = true;
      this.functions = [new MockFunction()];
      this.constant = undefined;
      this.reads = this.writes = this.faults = 0;
    },
    /** Plugs a function in behind a bridge, or into bus 0 when `bridge` is 0. Returns its name, above 0. */
    pci_add: (bridge: number, slot: number): number => {
      const added = new MockFunction();
      this.named(bridge).behind.set(slot, added);
      return this.functions.push(added) - 1;
    },
    /** What the doubleword at `offset` reads. */
    pci_set: (name: number, offset: number, value: number): undefined => {
      this.named(name).values.setUint32(offset, value, true);
    },
    pci_get: (name: number, offset: number): number => this.named(name).values.getUint32(offset, true),
    /** Which bits of the doubleword at `offset` can be written. */
    pci_writable: (name: number, offset: number, bits: number): undefined => {
      this.named(name).writable.setUint32(offset, bits, true);
    },
    /** From now on every register of every function reads `value`. */
    pci_answer_always: (value: number): undefined => {
      this.constant = value;
    },
    /** Reads and writes of CONFIG_DATA since this was asked last. */
    pci_reads: (): number => {
      const count = this.reads;
      this.reads = 0;
      return count;
    },
    pci_writes: (): number => {
      const count = this.writes;
      this.writes = 0;
      return count;
    },
    /**
     * How often a port of configuration space was used in a way it is not made for, bits of a status register were
     * cleared, or ones were written to a base address register of a function that answers to addresses.
     */
    pci_faults: (): number => this.faults,
  };

  private named(name: number): MockFunction {
    const found = this.functions[name];
    if (!found) throw new RangeError(`no function ${name}`);
    return found;
  }

  private get target(): MockFunction | undefined {
    if (this.selected >>> 31 === 0) return undefined;
    return this.named(0).find((this.selected >>> 16) & 0xff, (this.selected >>> 8) & 0xff);
  }

  /** A read of less than a doubleword, which answers with all that stands above it, too. */
  private readLane(port: number): number {
    return this.read(CONFIG_DATA) >>> (8 * (port - CONFIG_DATA));
  }

  private read(port: number): number {
    if (port !== CONFIG_DATA) this.faults++;
    this.reads++;
    return this.constant ?? this.target?.values.getUint32(this.selected & 0xfc, true) ?? ALL_ONES;
  }

  private write(port: number, value: number, width: number): void {
    if (port === CONFIG_ADDRESS && width === 4) {
      this.selected = value >>> 0;
      return;
    }
    const lane = port - CONFIG_DATA;
    if (lane < 0 || lane % width !== 0 || lane + width > 4) this.faults++;
    this.writes++;
    const target = this.target;
    if (!target) return;
    const offset = (this.selected & 0xfc) + lane;
    if (this.isHarmful(target, offset, value, width)) this.faults++;
    for (let byte = 0; byte < width; byte++) {
      const bits = target.writable.getUint8(offset + byte);
      const kept = target.values.getUint8(offset + byte) & ~bits;
      target.values.setUint8(offset + byte, kept | ((value >>> (8 * byte)) & bits));
    }
  }

  private isHarmful(target: MockFunction, offset: number, value: number, width: number): boolean {
    const touches = (register: number) => offset < register + 2 && offset + width > register;
    if (touches(STATUS) || (target.isBridge && touches(SECONDARY_STATUS))) return true;
    const isBar = offset >= BASE_ADDRESS_0 && offset < BASE_ADDRESS_0 + 4 * (target.isBridge ? 2 : 6);
    return isBar && value >>> 0 === ALL_ONES && (target.values.getUint16(COMMAND, true) & 3) !== 0;
  }
}
