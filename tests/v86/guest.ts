/** A guest played by hand: v86's registers and rings without the stack, to see what its devices do by themselves. */

import type { Emulator } from "../../kernel-shim/v86/emulator.js";

export type Width = 1 | 2 | 4;

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const BAR_0 = 0x10;

/** Where each queue's rings are, and then its buffers. */
const FIRST_QUEUE = 0x20_0000;
const QUEUE_BYTES = 0x2_0000;
const AVAILABLE = 0x4000;
const USED = 0x5000;
const BUFFERS = 0x8000;
const BUFFER_BYTES = 0x800;
const DESCRIPTOR_BYTES = 16;
const F_NEXT = 1;
const F_WRITE = 2;

/** The structures in the order of their base address registers. */
const NOTIFY = 1;
const ISR = 2;
const DEVICE = 3;

/** A queue of one device, with its rings where nobody else has anything. */
export class GuestQueue {
  private next = 0;
  private readonly base: number;

  constructor(
    private readonly guest: Guest,
    readonly index: number,
    private readonly size: number,
  ) {
    this.base = FIRST_QUEUE + index * QUEUE_BYTES;
    guest.fill(this.base, QUEUE_BYTES, 0);
  }

  /** Descriptor table, available ring, used ring. */
  get addresses(): number[] {
    return [this.base, this.base + AVAILABLE, this.base + USED];
  }

  /** Where the buffer of descriptor `id` is. */
  buffer(id: number): number {
    return this.base + BUFFERS + id * BUFFER_BYTES;
  }

  /** Makes one buffer available: for the device to read when it has bytes, else `room` bytes for it to write. */
  add(readable: readonly number[], room = 0): void {
    const { memory } = this.guest;
    const head = this.next;
    const parts = [...(readable.length > 0 ? [readable.length] : []), ...(room > 0 ? [-room] : [])];
    for (const [index, part] of parts.entries()) {
      const id = this.next++;
      const at = this.base + id * DESCRIPTOR_BYTES;
      memory.setUint32(at, this.buffer(id), true);
      memory.setUint32(at + 8, Math.abs(part), true);
      memory.setUint16(at + 12, (part < 0 ? F_WRITE : 0) | (index < parts.length - 1 ? F_NEXT : 0), true);
      memory.setUint16(at + 14, id + 1, true);
      if (part > 0) for (const [offset, byte] of readable.entries()) memory.setUint8(this.buffer(id) + offset, byte);
    }
    const available = this.base + AVAILABLE;
    const index = memory.getUint16(available + 2, true);
    memory.setUint16(available + 4 + 2 * (index % this.size), head, true);
    memory.setUint16(available + 2, index + 1, true);
  }

  /** With EVENT_IDX: the device is to notify when it uses the buffer with this index. */
  setUsedEvent(index: number): void {
    this.guest.memory.setUint16(this.base + AVAILABLE + 4 + 2 * this.size, index, true);
  }

  notify(): void {
    this.guest.writeCommon(0x16, 2, this.index);
    this.guest.write(NOTIFY, 2 * this.guest.readCommon(0x1e, 2), 2, this.index);
  }

  /** What the device has used so far: the heads of the chains. */
  used(): number[] {
    const { memory } = this.guest;
    const ring = this.base + USED;
    const count = memory.getUint16(ring + 2, true);
    return Array.from({ length: count }, (_, index) => memory.getUint32(ring + 4 + 8 * (index % this.size), true));
  }
}

/** Drives one device. */
export class Guest {
  readonly memory: DataView;

  constructor(
    readonly emulator: Emulator,
    readonly pciAddress: number,
  ) {
    this.memory = emulator.memory;
  }

  fill(address: number, bytes: number, value: number): void {
    new Uint8Array(this.memory.buffer, this.memory.byteOffset + address, bytes).fill(value);
  }

  // ---- configuration space ----

  select(register: number, pciAddress = this.pciAddress): void {
    this.emulator.ports.port_write32(CONFIG_ADDRESS, 0x8000_0000 | (pciAddress << 8) | (register & 0xfc));
  }

  readPci(register: number, width: Width, pciAddress = this.pciAddress): number {
    this.select(register, pciAddress);
    return this.in(CONFIG_DATA + (register & 3), width);
  }

  writePci(register: number, width: Width, value: number, pciAddress = this.pciAddress): void {
    this.select(register, pciAddress);
    this.out(CONFIG_DATA + (register & 3), width, value);
  }

  // ---- registers ----

  in(port: number, width: Width): number {
    const { ports } = this.emulator;
    if (width === 1) return ports.port_read8(port);
    return width === 2 ? ports.port_read16(port) : ports.port_read32(port) >>> 0;
  }

  out(port: number, width: Width, value: number): void {
    const { ports } = this.emulator;
    if (width === 1) ports.port_write8(port, value);
    else if (width === 2) ports.port_write16(port, value);
    else ports.port_write32(port, value | 0);
  }

  readCommon(offset: number, width: Width): number {
    return this.in(this.port(0) + offset, width);
  }

  writeCommon(offset: number, width: Width, value: number): void {
    this.write(0, offset, width, value);
  }

  write(bar: number, offset: number, width: Width, value: number): void {
    this.out(this.port(bar) + offset, width, value);
  }

  readConfiguration(offset: number, width: Width): number {
    return this.in(this.port(DEVICE) + offset, width);
  }

  writeConfiguration(offset: number, width: Width, value: number): void {
    this.write(DEVICE, offset, width, value);
  }

  readIsr(): number {
    return this.in(this.port(ISR), 1);
  }

  get status(): number {
    return this.readCommon(0x14, 1);
  }

  set status(value: number) {
    this.writeCommon(0x14, 1, value);
  }

  /** Resets, accepts all that is offered, and goes as far as FEATURES_OK. */
  negotiate(): void {
    for (const status of [0, 1, 3]) this.status = status;
    for (const word of [0, 1]) {
      this.writeCommon(0x00, 4, word);
      this.writeCommon(0x08, 4, word);
      this.writeCommon(0x0c, 4, this.readCommon(0x04, 4));
    }
    this.status = 11;
  }

  /** Up to DRIVER_OK, with these queues. */
  start(...indices: readonly number[]): GuestQueue[] {
    this.negotiate();
    const queues = indices.map((index) => this.createQueue(index));
    this.status = 15;
    return queues;
  }

  createQueue(index: number, isEnabled = true): GuestQueue {
    this.writeCommon(0x16, 2, index);
    const queue = new GuestQueue(this, index, this.readCommon(0x18, 2));
    for (const [area, address] of queue.addresses.entries()) this.writeCommon(0x20 + 8 * area, 4, address);
    if (isEnabled) this.writeCommon(0x1c, 2, 1);
    return queue;
  }

  private port(bar: number): number {
    return this.readPci(BAR_0 + 4 * bar, 4) & 0xfffc;
  }
}
