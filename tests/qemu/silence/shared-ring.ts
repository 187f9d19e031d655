/**
 * A queue's ring under other hands than the driver's: finds it by the device's registers, and writes into it what no
 * driver may. [virtio-1.2 §2.7, §4.1.4.10]
 */

import type { Device } from "../../../kernel-shim/javascript/index.js";
import type { KernelImports, Machine } from "../../../kernel-shim/machine.js";

/** Registers of the legacy interface. */
const QUEUE_ADDRESS = 8;
const QUEUE_SIZE = 12;
const QUEUE_SELECT = 14;
const QUEUE_NOTIFY = 16;

const PAGE = 4096;
const DESCRIPTOR = 16;
/** An I/O base address register has its address above these bits. [PCI 3.0 §6.2.5.1] */
const IO_BAR_FLAGS = 3;

export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;

export interface Descriptor {
  address: number;
  length: number;
  flags?: number;
  next?: number;
}

export class SharedRing {
  readonly size: number;
  private readonly kernel: KernelImports;
  private readonly registers: number;
  private readonly descriptors: number;
  private readonly available: number;

  constructor(
    machine: Machine,
    device: Device,
    private readonly queue: number,
  ) {
    this.kernel = machine.kernel;
    this.registers = device.pciFunction.bar0 & ~IO_BAR_FLAGS;
    this.kernel.out16(this.registers + QUEUE_SELECT, queue);
    this.size = this.kernel.in16(this.registers + QUEUE_SIZE);
    this.descriptors = this.kernel.in32(this.registers + QUEUE_ADDRESS) * PAGE;
    this.available = this.descriptors + DESCRIPTOR * this.size;
  }

  describe(index: number, { address, length, flags = 0, next = 0 }: Descriptor): void {
    const { kernel } = this;
    const descriptor = this.descriptors + DESCRIPTOR * index;
    kernel.phys_write32(descriptor, address);
    kernel.phys_write32(descriptor + 4, 0);
    kernel.phys_write32(descriptor + 8, length);
    kernel.phys_write16(descriptor + 12, flags);
    kernel.phys_write16(descriptor + 14, next);
  }

  /** Makes one more chain available, and tells the device. */
  offer(head: number): void {
    this.kernel.phys_write16(this.available + 4 + 2 * (this.availableIndex % this.size), head);
    this.moveOn(1);
  }

  /** Claims that so many more chains are available than there were, and tells the device. */
  moveOn(chains: number): void {
    this.kernel.wmb();
    this.kernel.phys_write16(this.available + 2, (this.availableIndex + chains) & 0xffff);
    this.kernel.mb();
    this.notify();
  }

  /** Replaces the heads of all chains that the device has not looked at. */
  replaceHeads(head: number): void {
    for (let position = 0; position < this.size; position++) {
      this.kernel.phys_write16(this.available + 4 + 2 * position, head);
    }
  }

  notify(): void {
    this.kernel.out16(this.registers + QUEUE_NOTIFY, this.queue);
  }

  private get availableIndex(): number {
    return this.kernel.phys_read16(this.available + 2);
  }
}
