/** Guests played by hand that know VERSION_1: one for modern PCI, wherever its registers are, and one for MMIO. */
import assert from "node:assert/strict";
import { BlockDevice, type BlockDeviceOptions } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc, type EmulatedPcOptions } from "../../../kernel-shim/emulated-pc/machine.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import type { MmioSlot } from "../../../kernel-shim/machine.js";
import { GuestMemory, type GuestQueue, legacyQueue, PciGuest, separateQueue } from "./guest.js";

export const VERSION_1 = 2 ** 32;

export type Width = 1 | 2 | 4;

/** A stretch of registers, however it is reached. */
export interface Registers {
  read(offset: number, width: Width): number;
  write(offset: number, width: Width, value: number): void;
}

/** A capability of virtio's in configuration space. */
interface VirtioCapability {
  readonly at: number;
  readonly type: number;
  readonly bar: number;
  readonly offset: number;
  readonly length: number;
}

const COMMON = 1;
const NOTIFY = 2;
const ISR = 3;
const DEVICE = 4;
const WINDOW = 5;

/** Registers at a window of the kernel's. */
export function mappedRegisters(pc: EmulatedPc, address: number, bytes: number): Registers {
  const { kernel } = pc;
  const window = kernel.mmio_map(BigInt(address), bytes);
  assert.notEqual(window, 0, `0x${address.toString(16)} is mapped`);
  return {
    read: (offset, width) => {
      if (width === 4) return kernel.mmio_read32(window + offset) >>> 0;
      return width === 2 ? kernel.mmio_read16(window + offset) : kernel.mmio_read8(window + offset);
    },
    write: (offset, width, value) => {
      if (width === 4) kernel.mmio_write32(window + offset, value);
      else if (width === 2) kernel.mmio_write16(window + offset, value);
      else kernel.mmio_write8(window + offset, value);
    },
  };
}

/** Drives one device through its modern registers. */
export class ModernGuest extends PciGuest {
  readonly capabilities: readonly VirtioCapability[];
  readonly common: Registers;
  readonly isr: Registers;
  readonly configuration: Registers;
  /** Of the host's first choice. */
  readonly notification: Registers;
  readonly notifyMultiplier: number;

  /** @param way by base addresses, or by the configuration window */
  constructor(pc: EmulatedPc, device: VirtioDevice, way: "bars" | "window" = "bars") {
    super(pc, device);
    this.capabilities = this.findCapabilities();
    this.writePci(0x04, 2, way === "bars" ? 7 : 4);
    const reach = (type: number): Registers => {
      const found = this.capability(type);
      return way === "bars" ? this.throughBar(found) : this.throughWindow(found);
    };
    this.common = reach(COMMON);
    this.isr = reach(ISR);
    this.configuration = reach(DEVICE);
    this.notification = reach(NOTIFY);
    this.notifyMultiplier = this.readPci(this.capability(NOTIFY).at + 16, 4);
  }

  capability(type: number): VirtioCapability {
    const found = this.capabilities.find((capability) => capability.type === type);
    assert.ok(found, `there is a capability of type ${type}`);
    return found;
  }

  /** Where the configuration window's fields are. */
  get windowAt(): number {
    return this.capability(WINDOW).at;
  }

  get status(): number {
    return this.common.read(0x14, 1);
  }

  set status(value: number) {
    this.common.write(0x14, 1, value);
  }

  get offeredFeatures(): number {
    const words = [0, 1].map((word) => {
      this.common.write(0x00, 4, word);
      return this.common.read(0x04, 4);
    });
    return (words[1] ?? 0) * 2 ** 32 + (words[0] ?? 0);
  }

  /** Resets, and goes as far as FEATURES_OK. Returns the status. */
  negotiate(features: number): number {
    this.status = 0;
    assert.equal(this.status, 0);
    this.status = 1;
    this.status = 3;
    for (const word of [0, 1]) {
      this.common.write(0x08, 4, word);
      this.common.write(0x0c, 4, Math.floor(features / 2 ** (32 * word)) % 2 ** 32);
    }
    this.status = 11;
    return this.status;
  }

  /** Everything up to DRIVER_OK, with one queue. */
  start(features: number, size = 0): GuestQueue {
    this.negotiate(features);
    const queue = this.createQueue(0, size);
    this.status = 15;
    return queue;
  }

  /** Sets up a queue, of a smaller size than offered unless that is 0. */
  createQueue(index: number, size = 0): GuestQueue {
    this.common.write(0x16, 2, index);
    if (size !== 0) this.common.write(0x18, 2, size);
    const queue = separateQueue(this, index, this.common.read(0x18, 2), this.notifier(index));
    this.writeAddresses(queue.addresses);
    this.common.write(0x1c, 2, 1);
    return queue;
  }

  writeAddresses(addresses: readonly number[]): void {
    for (const [area, address] of addresses.entries()) {
      this.common.write(0x20 + 8 * area, 4, address % 2 ** 32);
      this.common.write(0x24 + 8 * area, 4, Math.floor(address / 2 ** 32));
    }
  }

  /** Where a base address register points. */
  baseAddress(bar: number): number {
    const low = this.readPci(0x10 + 4 * bar, 4);
    if ((low & 1) !== 0) return low & ~3;
    const high = (low & 6) === 4 ? this.readPci(0x14 + 4 * bar, 4) : 0;
    return high * 2 ** 32 + low - (low % 16);
  }

  /** Reads and writes a stretch of a base address through the configuration window. */
  throughWindow({ bar, offset }: Pick<VirtioCapability, "bar" | "offset">): Registers {
    const direct = (register: number, width: Width): void => {
      this.writePci(this.windowAt + 4, 1, bar);
      this.writePci(this.windowAt + 8, 4, offset + register);
      this.writePci(this.windowAt + 12, 4, width);
    };
    return {
      read: (register, width) => {
        direct(register, width);
        return this.readPci(this.windowAt + 16, 4);
      },
      write: (register, width, value) => {
        direct(register, width);
        this.writePci(this.windowAt + 16, 4, value);
      },
    };
  }

  private notifier(index: number): () => void {
    return () => {
      this.common.write(0x16, 2, index);
      const offset = this.common.read(0x1e, 2) * this.notifyMultiplier;
      this.notification.write(offset, 2, index);
    };
  }

  private throughBar({ bar, offset, length }: VirtioCapability): Registers {
    const base = this.baseAddress(bar) + offset;
    if ((this.readPci(0x10 + 4 * bar, 1) & 1) === 0) return mappedRegisters(this.pc, base, length);
    this.pc.grantPorts(base, length);
    return {
      read: (register, width) => this.in(base + register, width),
      write: (register, width, value) => this.out(base + register, width, value),
    };
  }

  private findCapabilities(): VirtioCapability[] {
    const found: VirtioCapability[] = [];
    for (let at = this.readPci(0x34, 1); at !== 0; at = this.readPci(at + 1, 1)) {
      if (this.readPci(at, 1) !== 0x09) continue;
      found.push({
        at,
        type: this.readPci(at + 3, 1),
        bar: this.readPci(at + 4, 1),
        offset: this.readPci(at + 8, 4),
        length: this.readPci(at + 12, 4),
      });
    }
    return found;
  }
}

/** Drives one device in an MMIO slot, in the version that it says it has. */
export class MmioGuest extends GuestMemory {
  readonly slot: MmioSlot;
  readonly registers: Registers;
  readonly version: number;

  constructor(pc: EmulatedPc, device: VirtioDevice) {
    super(pc);
    this.slot = pc.slotOf(device);
    this.registers = mappedRegisters(pc, Number(this.slot.base), this.slot.bytes);
    assert.equal(this.read(0x000), 0x7472_6976);
    this.version = this.read(0x004);
    assert.equal(this.read(0x008), device.type);
  }

  read(offset: number): number {
    return this.registers.read(offset, 4);
  }

  write(offset: number, value: number): void {
    this.registers.write(offset, 4, value);
  }

  get status(): number {
    return this.read(0x070);
  }

  set status(value: number) {
    this.write(0x070, value);
  }

  get offeredFeatures(): number {
    const words = [0, 1].map((word) => {
      this.write(0x014, word);
      return this.read(0x010);
    });
    return (words[1] ?? 0) * 2 ** 32 + (words[0] ?? 0);
  }

  negotiate(features: number): number {
    this.status = 0;
    assert.equal(this.status, 0);
    this.status = 1;
    this.status = 3;
    for (const word of this.version === 1 ? [0] : [0, 1]) {
      this.write(0x024, word);
      this.write(0x020, Math.floor(features / 2 ** (32 * word)) % 2 ** 32);
    }
    this.status = 11;
    return this.status;
  }

  start(features: number, size = 0): GuestQueue {
    this.negotiate(features);
    if (this.version === 1) this.write(0x028, 4096);
    const queue = this.createQueue(0, size);
    this.status = 15;
    return queue;
  }

  createQueue(index: number, wanted = 0): GuestQueue {
    this.write(0x030, index);
    assert.equal(this.read(this.version === 1 ? 0x040 : 0x044), 0);
    const size = wanted === 0 ? this.read(0x034) : Math.min(wanted, this.read(0x034));
    this.write(0x038, size);
    const notify = (): void => this.write(0x050, index);
    if (this.version === 1) {
      const queue = legacyQueue(this, index, size, notify);
      this.write(0x03c, 4096);
      this.write(0x040, queue.address / 4096);
      return queue;
    }
    const queue = separateQueue(this, index, size, notify);
    for (const [area, address] of queue.addresses.entries()) {
      this.write(0x080 + 0x10 * area, address % 2 ** 32);
      this.write(0x084 + 0x10 * area, Math.floor(address / 2 ** 32));
    }
    this.write(0x044, 1);
    return queue;
  }

  /** Reads and acknowledges what is pending. */
  acknowledge(): number {
    const bits = this.read(0x060);
    this.write(0x064, bits);
    return bits;
  }
}

/** A machine with one disk of 64 KiB, whose sectors are filled with their own number. */
export function diskMachine(
  machine: EmulatedPcOptions,
  block: Partial<BlockDeviceOptions> = {},
): { pc: EmulatedPc; device: BlockDevice } {
  const disk = new MemoryDisk(65536);
  for (let sector = 0; sector < disk.sectors; sector++) disk.bytes.fill(sector, sector * 512, sector * 512 + 512);
  const device = new BlockDevice({ backEnd: disk, ...block });
  const pc = new EmulatedPc({ memoryBytes: 4 * 1024 * 1024, ...machine });
  pc.addDevice(device);
  return { pc, device };
}

export function modernGuest(
  machine: EmulatedPcOptions,
  block: Partial<BlockDeviceOptions> = {},
): { pc: EmulatedPc; device: BlockDevice; guest: ModernGuest } {
  const { pc, device } = diskMachine(machine, block);
  return { pc, device, guest: new ModernGuest(pc, device) };
}

export function mmioGuest(
  machine: EmulatedPcOptions,
  block: Partial<BlockDeviceOptions> = {},
): { pc: EmulatedPc; device: BlockDevice; guest: MmioGuest } {
  const { pc, device } = diskMachine(machine, block);
  return { pc, device, guest: new MmioGuest(pc, device) };
}
