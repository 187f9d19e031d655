/**
 * v86's virtio devices as a machine, for proof that the stack works with device models that other people wrote. v86's
 * processor never runs: this program plays the guest. It hosts the ported build; a pointer is a physical address.
 *
 * Everything happens inside calls: a device does its work while it is notified, and a frame arrives while it is sent.
 */

import type { Counters, KernelImports, LogEntry, Machine, PciGrant } from "../machine.js";
import { PAGE } from "../grants/page-allocator.js";
import { PrivateRegion } from "../grants/private-region.js";
import { Clock } from "./clock.js";
import type { Emulator } from "./emulator.js";
import { Firmware } from "./firmware.js";
import { GrantedKernel, type Refusal } from "./granted-kernel.js";

const DEFAULT_LINEAR_MEMORY_PAGES = 256;
const MAC_BYTES = 6;
/** Of `device_status`. [virtio-1.2 §2.1] */
const DRIVER_OK = 4;
const LINK_UP = 1;

export interface V86MachineOptions {
  /** Size of the linear memory that the module imports, in pages of 64 KiB; 256 unless given. */
  readonly linearMemoryPages?: number;
  /** Called with every frame that the card sends, inside the notification that sends it; it may keep the frame. */
  readonly onSend?: (frame: Uint8Array) => void;
}

export class V86Machine implements Machine {
  readonly name: string;
  readonly build = "ported";
  readonly memory: WebAssembly.Memory;
  /** What no device of v86 uses. v86 has assigned everything itself. */
  readonly pciGrant: PciGrant = { ioBase: 0x1000, ioEnd: 0x5000, memoryBase: 0xf000_0000, memoryLast: 0xfdff_ffff };

  private readonly clock = new Clock();
  private readonly firmware: Firmware;
  private readonly granted: GrantedKernel;
  private readonly onSend: ((frame: Uint8Array) => void) | undefined;
  private readonly privateRegion: PrivateRegion;
  private isClosed = false;

  /**
   * Resets the emulator's virtio devices and prepares the machine as firmware would. An emulator can be one machine after
   * the other, and no two at a time.
   */
  constructor(
    private readonly emulator: Emulator,
    { linearMemoryPages = DEFAULT_LINEAR_MEMORY_PAGES, onSend }: V86MachineOptions = {},
  ) {
    this.name = "v86";
    this.memory = new WebAssembly.Memory({ initial: linearMemoryPages, maximum: linearMemoryPages });
    this.privateRegion = new PrivateRegion(this.memory);
    this.granted = new GrantedKernel(emulator.ports, emulator.memory, this.clock);
    this.firmware = new Firmware(emulator);
    this.firmware.start();
    this.onSend = onSend;
    if (onSend !== undefined) emulator.addSendListener(onSend);
  }

  get kernel(): KernelImports {
    return this.granted.imports;
  }

  get counters(): Readonly<Counters> {
    return this.granted.counters;
  }

  get log(): readonly LogEntry[] {
    return this.granted.log;
  }

  /** What the stack tried without a grant, oldest first. */
  get refusals(): readonly Refusal[] {
    return this.granted.refusals;
  }

  setHeapBase(address: number): void {
    this.privateRegion.setHeapBase(address);
  }

  reservePrivate(bytes: number): number {
    return this.privateRegion.reserve(bytes);
  }

  /** `scattered` is ignored: pointers are physical addresses here. */
  allocateBuffer(bytes: number): number {
    const pointer = this.granted.lend(Math.ceil(bytes / PAGE));
    if (pointer === 0) {
      throw new RangeError(`Guest memory has no ${bytes} bytes left in one piece (memoryBytes)`);
    }
    return pointer;
  }

  freeBuffer(pointer: number): void {
    if (!this.granted.takeBack(pointer)) {
      throw new RangeError(`No buffer begins at 0x${pointer.toString(16)}`);
    }
  }

  readBuffer(pointer: number, length: number): Uint8Array {
    return this.buffer(pointer, length).slice();
  }

  writeBuffer(pointer: number, bytes: Uint8Array): void {
    this.buffer(pointer, bytes.length).set(bytes);
  }

  /** As `Machine` says. Throws a RangeError for ports that are not all in one base address register of a virtio function. */
  grantPorts(base: number, length: number): void {
    const isVirtio = this.firmware
      .virtioRanges()
      .flat()
      .some((range) => range !== undefined && base >= range.base && base + length <= range.base + range.length);
    if (!isVirtio) {
      const last = base + length - 1;
      throw new RangeError(`The ports 0x${base.toString(16)} to 0x${last.toString(16)} are no virtio device's`);
    }
    this.granted.ports.grant(base, length);
  }

  revokePorts(base: number, length: number): void {
    this.granted.ports.revoke(base, length);
  }

  /** As `Machine` says: an input of the interrupt controllers. Throws a RangeError where there is no such function. */
  interruptLine(pciAddress: number, interruptPin: number): number {
    return this.firmware.interruptLine(pciAddress, interruptPin);
  }

  /** As `Machine` says, in virtual time: when no line is asserted now, none will be, and the time-out is over at once. */
  waitForInterrupt(timeoutMilliseconds: number): number[] {
    this.granted.throwIfClosed();
    const lines = this.firmware.assertedLines();
    if (lines.length === 0) this.clock.wait(timeoutMilliseconds);
    return lines;
  }

  /** A frame for the card. When the card has no buffer for it, it is lost, and v86 says so on the console. */
  receive(frame: Uint8Array): void {
    this.granted.throwIfClosed();
    this.emulator.receive(frame);
  }

  /** The card's address, six octets, for drivers that open it from now on. v86 makes one up at its start. */
  setMac(mac: Uint8Array): void {
    this.granted.throwIfClosed();
    if (mac.length !== MAC_BYTES) throw new RangeError("A MAC address has six octets");
    this.emulator.card.mac.set(mac);
  }

  /** Plugs the card's cable in or out. v86 has no call for it; this is how its other devices change their configuration. */
  setLink(up: boolean): void {
    this.granted.throwIfClosed();
    const { card } = this.emulator;
    card.status = up ? LINK_UP : 0;
    if ((card.virtio.device_status & DRIVER_OK) !== 0) card.virtio.notify_config_changes();
  }

  /**
   * As `Machine` says: resets the devices. The emulator lives on until its own `destroy`, and can be another machine; so
   * from here on whatever would reach it by this one throws.
   */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.granted.close();
    if (this.onSend !== undefined) this.emulator.removeSendListener(this.onSend);
    this.firmware.start();
  }

  /** Guest RAM itself. */
  private buffer(pointer: number, length: number): Uint8Array {
    if (!this.granted.isLent(pointer, length)) {
      throw new RangeError(`The ${length} bytes at 0x${pointer.toString(16)} are not all in lent pages`);
    }
    return this.granted.bytes(pointer, length);
  }
}
