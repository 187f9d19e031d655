/**
 * A queue's ring under other hands than the driver's: finds it by the PCI device's registers, and writes into it what no
 * driver may. [virtio-1.2 §2.7, §4.1.4.3, §4.1.4.10]
 */

import { Transport, type Device } from "../../../kernel-shim/javascript/index.js";
import { noMmio } from "../../../kernel-shim/javascript/no-mmio.js";
import type { KernelImports, Machine } from "../../../kernel-shim/machine.js";

/** Registers of the legacy interface. */
const QUEUE_ADDRESS = 8;
const QUEUE_SIZE = 12;
const QUEUE_SELECT = 14;
const QUEUE_NOTIFY = 16;

/** Registers of QEMU's modern devices, behind BAR 4, which lies below 4 GiB. */
const COMMON_QUEUE_SELECT = 0x16;
const COMMON_QUEUE_SIZE = 0x18;
const COMMON_QUEUE_DESC = 0x20;
const COMMON_QUEUE_DRIVER = 0x28;
const NOTIFY = 0x3000;
const NOTIFY_OFF_MULTIPLIER = 4;
const MEMORY_BAR_FLAGS = 15;

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

/** Where the device was told that a ring is, and how it is notified of it. */
interface RingPlace {
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  notify(): void;
}

function legacyRing({ kernel }: Machine, { pciFunction }: Device, queue: number): RingPlace {
  const registers = pciFunction.bar0 & ~IO_BAR_FLAGS;
  kernel.out16(registers + QUEUE_SELECT, queue);
  const size = kernel.in16(registers + QUEUE_SIZE);
  const descriptors = kernel.in32(registers + QUEUE_ADDRESS) * PAGE;
  const notify = (): void => kernel.out16(registers + QUEUE_NOTIFY, queue);
  return { size, descriptors, available: descriptors + DESCRIPTOR * size, notify };
}

/** By the registers that the driver has mapped. */
function modernRing(machine: Machine, { pciFunction }: Device, queue: number): RingPlace {
  const kernel = { ...noMmio, ...machine.kernel };
  const registers = (pciFunction.bar4 & ~MEMORY_BAR_FLAGS) >>> 0;
  kernel.mmio_write16(registers + COMMON_QUEUE_SELECT, queue);
  return {
    size: kernel.mmio_read16(registers + COMMON_QUEUE_SIZE),
    descriptors: kernel.mmio_read32(registers + COMMON_QUEUE_DESC),
    available: kernel.mmio_read32(registers + COMMON_QUEUE_DRIVER),
    notify: () => kernel.mmio_write16(registers + NOTIFY + NOTIFY_OFF_MULTIPLIER * queue, queue),
  };
}

export class SharedRing {
  readonly size: number;
  private readonly kernel: KernelImports;
  private readonly descriptors: number;
  private readonly available: number;
  private readonly place: RingPlace;

  constructor(machine: Machine, device: Device, queue: number) {
    const isLegacy = device.deviceInformation().transport === Transport.LEGACY_PCI;
    this.kernel = machine.kernel;
    this.place = (isLegacy ? legacyRing : modernRing)(machine, device, queue);
    this.size = this.place.size;
    this.descriptors = this.place.descriptors;
    this.available = this.place.available;
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
    this.place.notify();
  }

  private get availableIndex(): number {
    return this.kernel.phys_read16(this.available + 2);
  }
}
