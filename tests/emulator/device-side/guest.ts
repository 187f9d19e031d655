/**
 * A guest played by hand: it does to registers and rings exactly what a test says, right or wrong, so that the
 * emulated devices themselves are tested without the driver stack.
 */
import assert from "node:assert/strict";
import { BlockDevice, type BlockDeviceOptions } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc, type EmulatedPcOptions } from "../../../kernel-shim/emulated-pc/machine.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";

export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;

/** Fails unless exactly these rules were broken, in this order. */
export function assertViolations(pc: EmulatedPc, expected: readonly string[]): void {
  assert.deepEqual(
    pc.violations.map(({ rule }) => rule.id),
    expected,
    pc.violations.map(({ rule, source, detail }) => `${source}: ${rule.id} ${detail}`).join("\n"),
  );
}

export interface BlockGuest {
  pc: EmulatedPc;
  disk: MemoryDisk;
  device: BlockDevice;
  guest: Guest;
}

/** A machine with one disk of 64 KiB, whose sectors are filled with their own number. */
export function blockGuest(
  machine: EmulatedPcOptions = {},
  block: Partial<BlockDeviceOptions> = {},
  isReadOnly = false,
): BlockGuest {
  const disk = new MemoryDisk(65536, isReadOnly);
  for (let sector = 0; sector < disk.sectors; sector++) disk.bytes.fill(sector, sector * 512, sector * 512 + 512);
  const device = new BlockDevice({ backEnd: disk, ...block });
  const pc = new EmulatedPc({ memoryBytes: 4 * 1024 * 1024, ...machine });
  pc.addDevice(device);
  return { pc, disk, device, guest: new Guest(pc, device) };
}

/** Memory that a guest lends to devices. */
export class GuestMemory {
  constructor(readonly pc: EmulatedPc) {}

  /** Memory for a buffer that devices reach. */
  allocate(bytes: number, scattered = false): number {
    return this.pc.allocateBuffer(bytes, { scattered });
  }

  physical(pointer: number): number {
    return Number(this.pc.kernel.dma_address(pointer));
  }
}

/** A guest that reaches ports, and configuration space through them. */
export class PciGuest extends GuestMemory {
  readonly pciAddress: number;

  constructor(pc: EmulatedPc, device: VirtioDevice) {
    super(pc);
    this.pciAddress = pc.addressOf(device);
  }

  readPci(offset: number, width: 1 | 2 | 4, address = this.pciAddress): number {
    this.pc.kernel.out32(0xcf8, 0x8000_0000 + address * 256 + (offset & 0xfc));
    return this.in(0xcfc + (offset & 3), width);
  }

  writePci(offset: number, width: 1 | 2 | 4, value: number, address = this.pciAddress): void {
    this.pc.kernel.out32(0xcf8, 0x8000_0000 + address * 256 + (offset & 0xfc));
    this.out(0xcfc + (offset & 3), width, value);
  }

  protected in(port: number, width: 1 | 2 | 4): number {
    const { kernel } = this.pc;
    if (width === 4) return kernel.in32(port) >>> 0;
    return width === 2 ? kernel.in16(port) : kernel.in8(port);
  }

  protected out(port: number, width: 1 | 2 | 4, value: number): void {
    const { kernel } = this.pc;
    if (width === 4) kernel.out32(port, value);
    else if (width === 2) kernel.out16(port, value);
    else kernel.out8(port, value);
  }
}

/** Drives one device through its legacy registers. */
export class Guest extends PciGuest {
  /** First port of the device. */
  readonly base: number;

  /** Finds the device's ports, and enables I/O space and bus mastering. */
  constructor(pc: EmulatedPc, device: VirtioDevice) {
    super(pc, device);
    this.base = this.readPci(0x10, 4) & ~3;
    pc.grantPorts(this.base, 128);
    this.writePci(0x04, 2, 5);
  }

  read(offset: number, width: 1 | 2 | 4): number {
    return this.in(this.base + offset, width);
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    this.out(this.base + offset, width, value);
  }

  get status(): number {
    return this.read(18, 1);
  }

  set status(value: number) {
    this.write(18, 1, value);
  }

  /** Resets the device, and goes as far as negotiated features. */
  negotiate(features: number): void {
    this.status = 0;
    this.status = 1;
    this.status = 3;
    this.write(4, 4, features);
    this.status = 11;
  }

  /** Everything up to DRIVER_OK, with one queue. */
  start(features: number): GuestQueue {
    this.negotiate(features);
    const queue = this.createQueue(0);
    this.status = this.status | 4;
    return queue;
  }

  /** Sets up a queue in zeroed memory. */
  createQueue(index: number): GuestQueue {
    this.write(14, 2, index);
    const size = this.read(12, 2);
    const queue = legacyQueue(this, index, size, () => this.write(16, 2, index));
    this.write(8, 4, Math.floor(queue.address / 4096));
    return queue;
  }
}

export interface Descriptor {
  /** Names the memory; translated. */
  pointer?: number;
  /** Physical, where there is no pointer. */
  address?: number;
  length: number;
  flags?: number;
  next?: number;
}

/** A queue whose parts follow each other as legacy devices want it. */
export function legacyQueue(memory: GuestMemory, index: number, size: number, notify: () => void): GuestQueue {
  const align = (bytes: number): number => Math.ceil(bytes / 4096) * 4096;
  const available = 16 * size;
  const used = align(available + 2 * (3 + size));
  const pointer = memory.pc.kernel.dma_alloc((used + align(6 + 8 * size)) / 4096);
  return new GuestQueue(memory, index, size, [pointer, pointer + available, pointer + used], notify);
}

/** A queue whose parts lie wherever there was memory, and nowhere at the start of a page. */
export function separateQueue(memory: GuestMemory, index: number, size: number, notify: () => void): GuestQueue {
  const place = (bytes: number, alignment: number): number => memory.allocate(bytes + alignment) + alignment;
  const areas = [place(16 * size, 16), place(6 + 2 * size, 2), place(6 + 8 * size, 4)] as const;
  return new GuestQueue(memory, index, size, areas, notify);
}

/** The ring of one queue, in pages of its own. */
export class GuestQueue {
  readonly pointer: number;
  /** Physical, of the descriptor table. */
  readonly address: number;
  /** Physical, of all three areas. */
  readonly addresses: readonly number[];
  private nextAvailable = 0;

  /** @param areas pointers to descriptor table, available and used ring */
  constructor(
    private readonly memory: GuestMemory,
    readonly index: number,
    readonly size: number,
    private readonly areas: readonly [number, number, number],
    readonly notify: () => void,
  ) {
    this.pointer = areas[0];
    this.addresses = areas.map((pointer) => memory.physical(pointer));
    this.address = memory.physical(areas[0]);
  }

  /** Writes descriptor `index` of the queue's table, or of the table at `table`. */
  describe(index: number, descriptor: Descriptor, table = this.pointer): void {
    const address = descriptor.address ?? this.memory.physical(descriptor.pointer ?? 0);
    const bytes = new DataView(new ArrayBuffer(16));
    bytes.setBigUint64(0, BigInt(address), true);
    bytes.setUint32(8, descriptor.length, true);
    bytes.setUint16(12, descriptor.flags ?? 0, true);
    bytes.setUint16(14, descriptor.next ?? 0, true);
    this.memory.pc.writeBuffer(table + 16 * index, new Uint8Array(bytes.buffer));
  }

  /** Descriptors from `first` on that form one chain. */
  chain(first: number, descriptors: readonly Descriptor[]): void {
    descriptors.forEach((descriptor, position) => {
      const isLast = position === descriptors.length - 1;
      const flags = (descriptor.flags ?? 0) | (isLast ? 0 : NEXT);
      this.describe(first + position, { ...descriptor, flags, next: isLast ? 0 : first + position + 1 });
    });
  }

  /** Puts heads into the available ring and moves the index on. */
  publish(...heads: readonly number[]): void {
    for (const head of heads) {
      this.write16(this.areas[1] + 4 + 2 * (this.nextAvailable % this.size), head);
      this.nextAvailable = (this.nextAvailable + 1) & 0xffff;
    }
    this.availIndex = this.nextAvailable;
  }

  set availFlags(value: number) {
    this.write16(this.areas[1], value);
  }

  set availIndex(value: number) {
    this.write16(this.areas[1] + 2, value);
  }

  set usedEvent(value: number) {
    this.write16(this.areas[1] + 4 + 2 * this.size, value);
  }

  get usedFlags(): number {
    return this.read16(this.areas[2]);
  }

  get usedIndex(): number {
    return this.read16(this.areas[2] + 2);
  }

  set usedIndex(value: number) {
    this.write16(this.areas[2] + 2, value);
  }

  get availEvent(): number {
    return this.read16(this.areas[2] + 4 + 8 * this.size);
  }

  /** Used element at a position of the ring. */
  used(position: number): { id: number; length: number } {
    const pointer = this.areas[2] + 4 + 8 * (position % this.size);
    const view = new DataView(this.memory.pc.readBuffer(pointer, 8).buffer);
    return { id: view.getUint32(0, true), length: view.getUint32(4, true) };
  }

  overwriteUsed(position: number, value: number): void {
    this.write16(this.areas[2] + 4 + 8 * position, value);
  }

  private read16(pointer: number): number {
    const [low = 0, high = 0] = this.memory.pc.readBuffer(pointer, 2);
    return low + 256 * high;
  }

  private write16(pointer: number, value: number): void {
    this.memory.pc.writeBuffer(pointer, Uint8Array.of(value & 0xff, value >> 8));
  }
}

/** OUT, DISCARD, WRITE_ZEROES and SECURE_ERASE: requests whose data the device reads. */
const DEVICE_READS: readonly number[] = [1, 11, 13, 14];

/** A block request laid out with header, data and status in descriptors of their own. */
export class BlockRequest {
  readonly header: number;
  readonly data: number;
  readonly status: number;

  constructor(
    private readonly guest: GuestMemory,
    readonly dataBytes: number,
  ) {
    this.header = guest.allocate(16);
    this.data = guest.allocate(Math.max(dataBytes, 1), true);
    this.status = guest.allocate(1);
    guest.pc.writeBuffer(this.status, Uint8Array.of(0xff));
  }

  setHeader(type: number, sector: number, reserved = 0): void {
    const bytes = new DataView(new ArrayBuffer(16));
    bytes.setUint32(0, type, true);
    bytes.setUint32(4, reserved, true);
    bytes.setBigUint64(8, BigInt(sector), true);
    this.guest.pc.writeBuffer(this.header, new Uint8Array(bytes.buffer));
  }

  /** The data as descriptors: scattered pages are not contiguous. */
  segments(flags: number): Descriptor[] {
    const result: Descriptor[] = [];
    for (let done = 0; done < this.dataBytes; done += 4096) {
      result.push({ pointer: this.data + done, length: Math.min(4096, this.dataBytes - done), flags });
    }
    return result;
  }

  descriptors(type: number): Descriptor[] {
    return [
      { pointer: this.header, length: 16 },
      ...this.segments(DEVICE_READS.includes(type) ? 0 : WRITE),
      { pointer: this.status, length: 1, flags: WRITE },
    ];
  }

  get result(): number {
    return this.guest.pc.readBuffer(this.status, 1)[0] ?? -1;
  }

  get contents(): Uint8Array {
    return this.guest.pc.readBuffer(this.data, this.dataBytes);
  }
}

/** Submits one request from descriptor `first` on, and notifies. */
export function submit(
  guest: GuestMemory,
  queue: GuestQueue,
  { type = 0, sector = 0, dataBytes = 512, first = 0, reserved = 0 },
): BlockRequest {
  const request = new BlockRequest(guest, dataBytes);
  request.setHeader(type, sector, reserved);
  queue.chain(first, request.descriptors(type));
  queue.publish(first);
  queue.notify();
  return request;
}
