/** The slots of memory-mapped devices: where they are, and what is in them. [virtio-1.2 §4.2] */
import type { MmioSlot } from "../machine.js";
import { allOnes } from "./pci/address-space.js";
import type { PortHandler } from "./pci/function.js";
import { emptySlot } from "./virtio/registers/mmio-identity.js";
import type { Violations } from "./violations.js";

/** How a host lays its slots out. */
export interface MmioLayout {
  /** Address of the first one. */
  readonly base: number;
  /** Bytes from one to the next. */
  readonly stride: number;
  readonly slots: number;
  /** Interrupt line of the first one; each has its own. */
  readonly interrupt: number;
  /** Which end devices are plugged in from. */
  readonly fill: "first" | "last";
  /** What slots show that have nothing in them. */
  readonly version: 1 | 2;
}

/** Where machines have their slots whose profile says nothing about them. */
export const DEFAULT_MMIO_LAYOUT: MmioLayout = {
  base: 0xfeb0_0000,
  stride: 512,
  slots: 8,
  interrupt: 24,
  fill: "last",
  version: 2,
};

export class MmioSlots {
  readonly list: readonly MmioSlot[];
  private readonly handlers: PortHandler[];
  private readonly isTaken: boolean[] = [];

  constructor(
    private readonly layout: MmioLayout,
    private readonly violations: Violations,
  ) {
    const { base, stride, slots, interrupt } = layout;
    this.list = Array.from({ length: slots }, (_, index) => ({
      base: BigInt(base + index * stride),
      bytes: stride,
      interrupt: interrupt + index,
    }));
    this.handlers = this.list.map((slot) => this.empty(slot));
  }

  /** Puts a device into the next free slot, or into the given one, and returns it. */
  plug(handlerFor: (slot: MmioSlot) => PortHandler, wanted?: number): MmioSlot {
    const indices = [...this.list.keys()];
    if (this.layout.fill === "last") indices.reverse();
    const index = wanted ?? indices.find((candidate) => this.isTaken[candidate] !== true);
    const slot = index === undefined ? undefined : this.list[index];
    if (index === undefined || slot === undefined || this.isTaken[index] === true) {
      throw new Error("there is no such free MMIO slot");
    }
    this.isTaken[index] = true;
    this.handlers[index] = handlerFor(slot);
    return slot;
  }

  unplug(slot: MmioSlot): void {
    const index = this.list.indexOf(slot);
    this.isTaken[index] = false;
    this.handlers[index] = this.empty(slot);
  }

  /** Whether a range lies in one slot. */
  holds(address: number, bytes: number): boolean {
    const index = this.indexOf(address);
    return index >= 0 && (address - this.layout.base) % this.layout.stride <= this.layout.stride - bytes;
  }

  read(address: number, width: number): number {
    const handler = this.handlers[this.indexOf(address)];
    return handler?.read((address - this.layout.base) % this.layout.stride, width) ?? allOnes(width);
  }

  write(address: number, width: number, value: number): void {
    this.handlers[this.indexOf(address)]?.write((address - this.layout.base) % this.layout.stride, width, value);
  }

  private indexOf(address: number): number {
    const index = Math.floor((address - this.layout.base) / this.layout.stride);
    return index < this.layout.slots ? index : -1;
  }

  private empty(slot: MmioSlot): PortHandler {
    const source = `MMIO slot at 0x${slot.base.toString(16)}`;
    return emptySlot(this.layout.version, (rule, detail) => this.violations.record(rule, source, detail));
  }
}
