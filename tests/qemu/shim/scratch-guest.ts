/**
 * The smallest guest that can use a virtio-block device: configuration space, one BAR, one queue, one request, all by
 * hand through the kernel imports. It is here to test the shim without the stack, so it trusts the device.
 */

import type { Machine } from "../../../kernel-shim/machine.js";

/** Registers of configuration space. [PCI 3.0 §6.1, PCI-to-PCI Bridge 1.2 §3.2] */
export const VENDOR_AND_DEVICE = 0x00;
export const COMMAND = 0x04;
export const BAR0 = 0x10;
export const BUS_NUMBERS = 0x18;
export const BRIDGE_IO_WINDOW = 0x1c;
export const INTERRUPT_LINE_AND_PIN = 0x3c;

const IO_SPACE_AND_BUS_MASTER = 5;

/** Registers of the legacy interface. [virtio-1.2 §4.1.4.10] */
const DRIVER_FEATURES = 4;
const QUEUE_ADDRESS = 8;
const QUEUE_SIZE = 12;
const QUEUE_SELECT = 14;
const QUEUE_NOTIFY = 16;
const DEVICE_STATUS = 18;
const ISR_STATUS = 19;
const DEVICE_CONFIG = 20;

const LEGACY_REGISTERS = 128;
const PAGE = 4096;

export function configRead(machine: Machine, address: number, register: number): number {
  machine.kernel.out32(0xcf8, 0x80000000 + address * 256 + register);
  return machine.kernel.in32(0xcfc) >>> 0;
}

export function configWrite(machine: Machine, address: number, register: number, value: number): void {
  machine.kernel.out32(0xcf8, 0x80000000 + address * 256 + register);
  machine.kernel.out32(0xcfc, value);
}

/** Gives a bridge on bus 0 the bus number `bus` and the ports `base` to `base` + 0xfff. */
export function openBridge(machine: Machine, address: number, bus: number, base: number): void {
  configWrite(machine, address, BUS_NUMBERS, bus * 0x10000 + bus * 0x100);
  configWrite(machine, address, BRIDGE_IO_WINDOW, (base >> 8) * 0x101);
  configWrite(machine, address, COMMAND, IO_SPACE_AND_BUS_MASTER);
}

/** A virtio-block device, from reset to DRIVER_OK. */
export class ScratchDisk {
  /** What the driver must answer to: the line of the device's pin. */
  readonly line: number;
  readonly queueSize: number;
  private readonly ring: number;
  private submitted = 0;

  constructor(
    private readonly machine: Machine,
    address: number,
    private readonly base: number,
  ) {
    const { kernel } = machine;
    configWrite(machine, address, BAR0, base);
    configWrite(machine, address, COMMAND, IO_SPACE_AND_BUS_MASTER);
    machine.grantPorts(base, LEGACY_REGISTERS);
    this.line = machine.interruptLine(address, configRead(machine, address, INTERRUPT_LINE_AND_PIN) >> 8);
    for (const status of [0, 1, 3]) {
      kernel.out8(base + DEVICE_STATUS, status);
    }
    kernel.out32(base + DRIVER_FEATURES, 0);
    kernel.out16(base + QUEUE_SELECT, 0);
    this.queueSize = kernel.in16(base + QUEUE_SIZE);
    this.ring = kernel.dma_alloc(Math.ceil(this.usedOffset / PAGE) + Math.ceil((6 + 8 * this.queueSize) / PAGE));
    kernel.out32(base + QUEUE_ADDRESS, this.ring / PAGE);
    kernel.out8(base + DEVICE_STATUS, 7);
  }

  get availableOffset(): number {
    return 16 * this.queueSize;
  }

  /** `idx` of the used ring. */
  get usedIndex(): number {
    return this.machine.kernel.phys_read16(this.ring + this.usedOffset + 2);
  }

  /** Sectors, from the low half of the configuration's capacity. */
  get capacity(): number {
    return this.machine.kernel.in32(this.base + DEVICE_CONFIG);
  }

  readIsr(): number {
    return this.machine.kernel.in8(this.base + ISR_STATUS);
  }

  /** Submits the read of one sector: header, 512 bytes, status in one buffer. Returns the buffer. */
  submitRead(sector: number): number {
    const { kernel } = this.machine;
    const buffer = this.machine.allocateBuffer(16 + 512 + 1);
    kernel.phys_write32(buffer + 8, sector);
    kernel.phys_write8(buffer + 528, 0xff);
    const NEXT = 1;
    const WRITE = 2;
    this.describe(0, buffer, 16, NEXT, 1);
    this.describe(1, buffer + 16, 512, NEXT | WRITE, 2);
    this.describe(2, buffer + 528, 1, WRITE, 0);
    const available = this.ring + this.availableOffset;
    kernel.phys_write16(available + 4 + 2 * (this.submitted % this.queueSize), 0);
    kernel.wmb();
    this.submitted = (this.submitted + 1) & 0xffff;
    kernel.phys_write16(available + 2, this.submitted);
    kernel.mb();
    kernel.out16(this.base + QUEUE_NOTIFY, 0);
    return buffer;
  }

  private get usedOffset(): number {
    return Math.ceil((this.availableOffset + 6 + 2 * this.queueSize) / PAGE) * PAGE;
  }

  private describe(index: number, address: number, length: number, flags: number, next: number): void {
    const { kernel } = this.machine;
    const descriptor = this.ring + 16 * index;
    kernel.phys_write32(descriptor, address);
    kernel.phys_write32(descriptor + 4, 0);
    kernel.phys_write32(descriptor + 8, length);
    kernel.phys_write16(descriptor + 12, flags);
    kernel.phys_write16(descriptor + 14, next);
  }
}
