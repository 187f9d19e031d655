/**
 * What a BIOS does at power-on: numbers buses, gives base addresses and bridge windows their place, and writes down
 * which interrupt line each pin is wired to. [PCI Firmware 3.0 §3; PCI-to-PCI Bridge 1.2 §3.2.5]
 */
import { PciBridge, type PciBus } from "./bus.js";
import type { BaseAddressDescription, PciFunction } from "./function.js";
import * as registers from "./registers.js";

/** Ports and memory that firmware gives away; the grants for the kernel start behind. */
export const FIRMWARE_IO_BASE = 0x6000;
export const FIRMWARE_IO_END = 0xc000;
export const FIRMWARE_MEMORY_BASE = 0xf000_0000;
/** As Firecracker has it. */
const FIRMWARE_HIGH_BASE = 0x40_0000_0000;

const IO_WINDOW_BYTES = 0x1000;
const MEMORY_WINDOW_BYTES = 0x10_0000;

export class Firmware {
  private nextBus = 1;
  private nextPort = FIRMWARE_IO_BASE;
  private nextAddress = FIRMWARE_MEMORY_BASE;
  private nextHighAddress = FIRMWARE_HIGH_BASE;

  /**
   * @param lineOf the interrupt line that a function's pin is wired to
   * @param usesHighMemory whether 64-bit base addresses of the root bus are put far above 4 GiB
   */
  constructor(
    private readonly lineOf: (pciFunction: PciFunction) => number,
    private readonly usesHighMemory: boolean,
  ) {}

  /** Configures everything on a bus and behind its bridges. */
  configure(bus: PciBus): void {
    const functions = [...bus.entries()].map(({ pciFunction }) => pciFunction);
    for (const pciFunction of functions) {
      if (pciFunction instanceof PciBridge) this.configureBridge(pciFunction, bus.number);
      else if (pciFunction.description.firmware !== false) this.configureDevice(pciFunction, bus);
    }
  }

  private configureBridge(bridge: PciBridge, primary: number): void {
    if (bridge.description.firmware === false) return;
    const secondary = this.nextBus++;
    bridge.poke(registers.PRIMARY_BUS, [primary, secondary, 0xff]);
    this.nextPort = roundUp(this.nextPort, IO_WINDOW_BYTES);
    this.nextAddress = roundUp(this.nextAddress, MEMORY_WINDOW_BYTES);
    const firstPort = this.nextPort;
    const firstAddress = this.nextAddress;
    this.configure(bridge.bus);
    this.nextPort = roundUp(this.nextPort, IO_WINDOW_BYTES);
    this.nextAddress = roundUp(this.nextAddress, MEMORY_WINDOW_BYTES);
    bridge.poke(registers.SUBORDINATE_BUS, [this.nextBus - 1]);
    // A window whose limit lies below its base is closed.
    bridge.poke(registers.IO_BASE, [(firstPort >> 8) & 0xf0, ((this.nextPort - 1) >> 8) & 0xf0]);
    const base = Math.floor(firstAddress / 0x1_0000) & 0xfff0;
    const limit = Math.floor((this.nextAddress - 1) / 0x1_0000) & 0xfff0;
    bridge.poke(registers.MEMORY_BASE, [base & 0xff, base >> 8, limit & 0xff, limit >> 8, 0xf0, 0xff, 0, 0]);
    this.setCommand(bridge, registers.COMMAND_IO | registers.COMMAND_MEMORY | registers.COMMAND_BUS_MASTER);
  }

  private configureDevice(pciFunction: PciFunction, bus: PciBus): void {
    for (const bar of pciFunction.baseAddresses) {
      if (bar.firmware === false) continue;
      if (this.usesHighMemory && bar.kind === "memory64" && bus.bridge === null) this.assignHigh(pciFunction, bar);
      else this.assign(pciFunction, bar);
    }
    const { interruptPin, isEnabledByFirmware } = pciFunction.description;
    if ((interruptPin ?? 0) !== 0) pciFunction.poke(registers.INTERRUPT_LINE, [this.lineOf(pciFunction)]);
    if (isEnabledByFirmware === true) this.setCommand(pciFunction, registers.COMMAND_IO | registers.COMMAND_MEMORY);
  }

  private assign(pciFunction: PciFunction, bar: BaseAddressDescription): void {
    const offset = registers.BASE_ADDRESS + 4 * bar.index;
    if (bar.kind === "io") {
      this.nextPort = roundUp(this.nextPort, bar.size);
      if (this.nextPort + bar.size > FIRMWARE_IO_END)
        throw new Error("the devices of this machine need too many ports");
      pciFunction.write(offset, 4, this.nextPort);
      this.nextPort += bar.size;
    } else {
      this.nextAddress = roundUp(this.nextAddress, bar.size);
      pciFunction.write(offset, 4, this.nextAddress);
      this.nextAddress += bar.size;
    }
  }

  private assignHigh(pciFunction: PciFunction, bar: BaseAddressDescription): void {
    const offset = registers.BASE_ADDRESS + 4 * bar.index;
    this.nextHighAddress = roundUp(this.nextHighAddress, bar.size);
    pciFunction.write(offset, 4, this.nextHighAddress % 0x1_0000_0000);
    pciFunction.write(offset + 4, 4, Math.floor(this.nextHighAddress / 0x1_0000_0000));
    this.nextHighAddress += bar.size;
  }

  private setCommand(pciFunction: PciFunction, bits: number): void {
    pciFunction.poke(registers.COMMAND, [bits & 0xff, bits >> 8]);
  }
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
