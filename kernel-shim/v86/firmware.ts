/**
 * What a PC's firmware does before a kernel runs, as far as interrupts are concerned: v86 assigns ports by itself, but
 * routes no PCI interrupt. And which ports are those of virtio functions.
 */

import type { Emulator } from "./emulator.js";

/** Consecutive ports. */
export interface PortRange {
  readonly base: number;
  readonly length: number;
}

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const CONFIG_ENABLE = 0x8000_0000;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;
const FIRST_BAR = 4;
const IO_SPACE = 1;
const PORT_MASK = 0xfffc;
const VIRTIO_VENDOR = 0x1af4;

/** The PIIX3, function 0 of slot 1, and its registers PIRQRCA to PIRQRCD. [82371SB §2.2.9] */
const ISA_BRIDGE = 1 << 3;
const PIRQ_ROUTES = 0x60;
/** What PIRQA# to PIRQD# are routed to: inputs of the interrupt controllers that no device of v86 uses. */
const ROUTES = [10, 11, 9, 3] as const;

/** Of `device_status` in the common configuration. [virtio-1.2 §4.1.4.3] */
const DEVICE_STATUS = 0x14;

export class Firmware {
  constructor(private readonly emulator: Emulator) {}

  /** Resets virtio devices and routes interrupts. */
  start(): void {
    const { ports } = this.emulator;
    for (const [common] of this.virtioRanges()) {
      if (common !== undefined) ports.port_write8(common.base + DEVICE_STATUS, 0);
    }
    for (const [pirq, line] of ROUTES.entries()) this.writeConfiguration(ISA_BRIDGE, PIRQ_ROUTES + pirq, line);
    for (const [pciAddress, device] of this.emulator.pci.devices.entries()) {
      const pin = device === undefined ? 0 : this.readConfiguration(pciAddress, INTERRUPT_PIN);
      if (pin > 0) this.writeConfiguration(pciAddress, INTERRUPT_LINE, this.interruptLine(pciAddress, pin));
    }
  }

  /** The input that a pin of a function is routed to. Throws a RangeError for what is not on the only bus. */
  interruptLine(pciAddress: number, pin: number): number {
    if (this.emulator.pci.devices[pciAddress] === undefined || pin < 1 || pin > ROUTES.length) {
      throw new RangeError(`No function 0x${pciAddress.toString(16)} has an interrupt pin ${pin}`);
    }
    // Slot 1 begins with PIRQA#, and each slot with the next.
    return ROUTES[((pciAddress >> 3) + pin - 2) & 3] ?? ROUTES[0];
  }

  /** The inputs that PCI functions assert at the moment. */
  assertedLines(): number[] {
    const { interruptInputs } = this.emulator;
    return ROUTES.filter((line) => ((interruptInputs >> line) & 1) === 1);
  }

  /** Of each virtio function the ports of its base address registers, by their index. */
  virtioRanges(): (PortRange | undefined)[][] {
    const { devices, device_spaces } = this.emulator.pci;
    return devices.flatMap((device, pciAddress) => {
      const space = device_spaces[pciAddress];
      if (device === undefined || ((space?.[0] ?? 0) & 0xffff) !== VIRTIO_VENDOR) return [];
      return [
        device.pci_bars.map((bar, index) => {
          const value = space?.[FIRST_BAR + index] ?? 0;
          if (bar === undefined || (value & IO_SPACE) === 0) return undefined;
          return { base: value & PORT_MASK, length: bar.size };
        }),
      ];
    });
  }

  private readConfiguration(pciAddress: number, register: number): number {
    this.select(pciAddress, register);
    return this.emulator.ports.port_read8(CONFIG_DATA + (register & 3));
  }

  private writeConfiguration(pciAddress: number, register: number, value: number): void {
    this.select(pciAddress, register);
    this.emulator.ports.port_write8(CONFIG_DATA + (register & 3), value);
  }

  private select(pciAddress: number, register: number): void {
    this.emulator.ports.port_write32(CONFIG_ADDRESS, CONFIG_ENABLE | (pciAddress << 8) | (register & 0xfc));
  }
}
