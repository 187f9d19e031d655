/**
 * One PCI function: its configuration space, base addresses and interrupt pin. [PCI 3.0 §6]
 *
 * Configuration space is bytes with a mask of those bits that software may write. That alone makes a base address
 * register answer as it is sized: the bits below its size cannot be written.
 */
import type { Rule } from "../violations.js";
import * as registers from "./registers.js";
import { BAR_CHANGED_WHILE_DECODING } from "./rules.js";

/** What answers behind a base address, or in any other stretch of registers. Offsets count from its start. */
export interface PortHandler {
  read(offset: number, width: number): number;
  write(offset: number, width: number, value: number): void;
}

export interface BaseAddressDescription {
  /** 0 to 5, or 0 and 1 for a bridge. */
  index: number;
  kind: "io" | "memory" | "memory64";
  /** Bytes, a power of two; at least 4 for ports and 16 for memory. */
  size: number;
  isPrefetchable?: boolean;
  /** Without one all of it reads as ones. */
  handler?: PortHandler;
  /** False: nobody assigns it at power-on, whatever is true of the function. */
  firmware?: boolean;
}

/** What a capability does beside holding bytes. */
export interface CapabilityBehaviour {
  /** @param fields the bytes of the capability in configuration space, from its id on */
  attached(fields: DataView): void;
  /** Configuration space was written, by whomever. */
  written?(): void;
  /** The function was without power for a moment. */
  powerCycled?(): void;
  /** Bytes that are answered as they are read and written. */
  readonly data?: {
    /** From the start of the capability. */
    readonly offset: number;
    readonly bytes: number;
    readonly handler: PortHandler;
  };
}

export interface CapabilityDescription {
  id: number;
  /** The bytes behind id and link. */
  bytes: readonly number[];
  /** Which bits of those bytes software may write; none where absent. */
  writable?: readonly number[];
  behaviour?: CapabilityBehaviour;
}

export interface FunctionDescription {
  /** For people: "VGA". */
  name: string;
  vendorId: number;
  deviceId: number;
  /** class × 65536 + subclass × 256 + interface. */
  classCode: number;
  revisionId?: number;
  subsystemVendorId?: number;
  subsystemId?: number;
  /** 0 none, 1 to 4 for INTA# to INTD#. */
  interruptPin?: number;
  baseAddresses?: readonly BaseAddressDescription[];
  capabilities?: readonly CapabilityDescription[];
  /** 64: nothing behind the header. */
  configurationBytes?: 64 | 256;
  /** False: nobody assigns its base addresses at power-on. */
  firmware?: boolean;
  /** Whether firmware leaves it decoding its addresses, as it does with what it uses itself. */
  isEnabledByFirmware?: boolean;
}

/** What a function tells the machine. */
export interface FunctionObserver {
  /** Which addresses are decoded, or by whom, may have changed. */
  decodingChanged(): void;
  /** The level of the interrupt pin changed. */
  interruptChanged(pciFunction: PciFunction): void;
  /** The driver broke a rule. */
  broken(rule: Rule, pciFunction: PciFunction, detail: string): void;
}

export class PciFunction {
  readonly configuration: Uint8Array;
  /** As it is at power-on, before firmware. */
  private readonly initialConfiguration: Uint8Array;
  readonly baseAddresses: readonly BaseAddressDescription[];
  observer: FunctionObserver | null = null;
  protected readonly view: DataView;
  private readonly writable: Uint8Array;
  private isPinAsserted = false;
  private readonly capabilityOffsets = new Map<number, number>();
  private readonly behaviours: CapabilityBehaviour[] = [];
  /** Stretches of configuration space that capabilities answer. */
  private readonly answered: { readonly start: number; readonly end: number; readonly handler: PortHandler }[] = [];

  constructor(
    readonly description: FunctionDescription,
    headerType = 0,
  ) {
    this.configuration = new Uint8Array(description.configurationBytes ?? 256);
    this.view = new DataView(this.configuration.buffer);
    this.writable = new Uint8Array(this.configuration.length);
    this.baseAddresses = description.baseAddresses ?? [];
    const view = this.view;
    view.setUint16(registers.VENDOR_ID, description.vendorId, true);
    view.setUint16(registers.DEVICE_ID, description.deviceId, true);
    view.setUint32(registers.REVISION_ID, description.classCode * 256 + (description.revisionId ?? 0), true);
    view.setUint8(registers.HEADER_TYPE, headerType);
    view.setUint8(registers.INTERRUPT_PIN, description.interruptPin ?? 0);
    if (headerType === 0) {
      view.setUint16(registers.SUBSYSTEM_VENDOR_ID, description.subsystemVendorId ?? 0, true);
      view.setUint16(registers.SUBSYSTEM_ID, description.subsystemId ?? 0, true);
    }
    this.allow(registers.COMMAND, 2, registers.COMMAND_WRITABLE);
    this.allow(registers.INTERRUPT_LINE, 1, 0xff);
    for (const bar of this.baseAddresses) this.addBaseAddress(bar);
    this.addCapabilities(description.capabilities ?? []);
    this.initialConfiguration = this.configuration.slice();
  }

  get command(): number {
    return this.view.getUint16(registers.COMMAND, true);
  }

  /** Where a capability lies; 0 when the function does not have it. */
  capabilityOffset(id: number): number {
    return this.capabilityOffsets.get(id) ?? 0;
  }

  /** The address a base address register holds; 0 when none is assigned. */
  baseAddress(bar: BaseAddressDescription): number {
    const offset = registers.BASE_ADDRESS + 4 * bar.index;
    const low = this.view.getUint32(offset, true);
    if (bar.kind === "io") return low - (low % 4);
    const high = bar.kind === "memory64" ? this.view.getUint32(offset + 4, true) : 0;
    return high * 0x1_0000_0000 + low - (low % 16);
  }

  /** Reads 1, 2 or 4 bytes. Behind the end of its configuration space a function answers 0. */
  read(offset: number, width: number): number {
    const found = this.answererOf(offset, width);
    if (found !== undefined) return found.handler.read(offset - found.start, width);
    let value = 0;
    for (let index = width - 1; index >= 0; index--) value = value * 256 + this.readByte(offset + index);
    return value;
  }

  /** Writes the bits that can be written of 1, 2 or 4 bytes. */
  write(offset: number, width: number, value: number): void {
    const found = this.answererOf(offset, width);
    if (found !== undefined) {
      found.handler.write(offset - found.start, width, value);
      return;
    }
    this.checkBaseAddressWrite(offset, width);
    for (let index = 0; index < width; index++) this.writeByte(offset + index, (value >>> (8 * index)) & 0xff);
    for (const behaviour of this.behaviours) behaviour.written?.();
    this.observer?.decodingChanged();
    this.observer?.interruptChanged(this);
  }

  /** Sets bytes regardless of what software may write: for firmware-like set-up and for hostile tests. */
  poke(offset: number, bytes: readonly number[]): void {
    this.configuration.set(bytes, offset);
    for (const behaviour of this.behaviours) behaviour.written?.();
    this.observer?.decodingChanged();
  }

  /** Loses power for a moment: all registers are as before firmware ran. Whether there are others in its slot stays known. */
  powerCycle(): void {
    const headerType = this.view.getUint8(registers.HEADER_TYPE);
    this.configuration.set(this.initialConfiguration);
    this.view.setUint8(registers.HEADER_TYPE, headerType);
    for (const behaviour of this.behaviours) behaviour.powerCycled?.();
    this.observer?.decodingChanged();
    this.observer?.interruptChanged(this);
  }

  /** Level of the interrupt pin, before the disable bit of the command register. */
  setInterruptPin(isAsserted: boolean): void {
    if (isAsserted === this.isPinAsserted) return;
    this.isPinAsserted = isAsserted;
    this.observer?.interruptChanged(this);
  }

  /** Whether the function pulls its interrupt line. */
  get isInterrupting(): boolean {
    return this.isPinAsserted && (this.command & registers.COMMAND_INTX_DISABLE) === 0;
  }

  /** Lets software write the bits of `mask` in `width` bytes at `offset`. */
  protected allow(offset: number, width: number, mask: number): void {
    for (let index = 0; index < width; index++) this.writable[offset + index] = (mask >>> (8 * index)) & 0xff;
  }

  private answererOf(offset: number, width: number): { start: number; handler: PortHandler } | undefined {
    return this.answered.find(({ start, end }) => offset >= start && offset + width <= end);
  }

  private readByte(offset: number): number {
    const value = this.configuration[offset] ?? 0;
    return offset === registers.STATUS && this.isPinAsserted ? value | registers.STATUS_INTERRUPT : value;
  }

  private writeByte(offset: number, value: number): void {
    const old = this.configuration[offset];
    if (old === undefined) return;
    if (offset === registers.STATUS + 1) {
      this.configuration[offset] = old & ~(value & (registers.STATUS_CLEARABLE >> 8));
      return;
    }
    const mask = this.writable[offset] ?? 0;
    this.configuration[offset] = (old & ~mask) | (value & mask);
  }

  private checkBaseAddressWrite(offset: number, width: number): void {
    for (const bar of this.baseAddresses) {
      const start = registers.BASE_ADDRESS + 4 * bar.index;
      const end = start + (bar.kind === "memory64" ? 8 : 4);
      const decoding = bar.kind === "io" ? registers.COMMAND_IO : registers.COMMAND_MEMORY;
      if (offset < end && offset + width > start && (this.command & decoding) !== 0) {
        this.observer?.broken(BAR_CHANGED_WHILE_DECODING, this, `base address ${bar.index}`);
      }
    }
  }

  private addBaseAddress(bar: BaseAddressDescription): void {
    const offset = registers.BASE_ADDRESS + 4 * bar.index;
    const sizeMask = (0x1_0000_0000 - bar.size) >>> 0;
    if (bar.kind === "io") {
      this.view.setUint32(offset, 1, true);
      this.allow(offset, 4, sizeMask & ~3);
      return;
    }
    const prefetchable = bar.isPrefetchable === true ? 8 : 0;
    this.view.setUint32(offset, prefetchable | (bar.kind === "memory64" ? 4 : 0), true);
    this.allow(offset, 4, sizeMask & ~15);
    if (bar.kind === "memory64") this.allow(offset + 4, 4, 0xffff_ffff);
  }

  private addCapabilities(capabilities: readonly CapabilityDescription[]): void {
    let link = registers.CAPABILITIES_POINTER;
    let offset = registers.HEADER_BYTES;
    for (const { id, bytes, writable, behaviour } of capabilities) {
      this.configuration[link] = offset;
      this.configuration[offset] = id;
      this.configuration.set(bytes, offset + 2);
      this.writable.set(writable ?? [], offset + 2);
      this.capabilityOffsets.set(id, offset);
      if (behaviour !== undefined) this.addBehaviour(behaviour, offset, 2 + bytes.length);
      link = offset + 1;
      offset += Math.ceil((2 + bytes.length) / 4) * 4;
    }
    if (capabilities.length > 0) {
      this.configuration[registers.STATUS] = registers.STATUS_CAPABILITIES;
    }
  }

  private addBehaviour(behaviour: CapabilityBehaviour, offset: number, bytes: number): void {
    this.behaviours.push(behaviour);
    behaviour.attached(new DataView(this.configuration.buffer, offset, bytes));
    if (behaviour.data === undefined) return;
    const start = offset + behaviour.data.offset;
    this.answered.push({ start, end: start + behaviour.data.bytes, handler: behaviour.data.handler });
  }
}
