/**
 * The driver stack as a JavaScript host sees it: one instance of the module on one machine, its PCI functions, the
 * devices that are open, and the interrupts they share.
 *
 * Runs in any JavaScript host; `load.ts` adds finding the module in `build/`.
 */

import type { Machine, MmioSlot } from "../machine.js";
import {
  BlockOptionsLayout,
  EntropyOptionsLayout,
  GenericOptionsLayout,
  MmioIdentityLayout,
  NetOptionsLayout,
  PciBarLayout,
  PciCapabilityLayout,
  PciFunctionLayout,
  PciMsixLayout,
  PciRangesLayout,
  ReceiveOffload,
  Result,
  TransportWanted,
  type BlockOptions,
  type DeviceOptions,
  type EntropyOptions,
  type GenericOptions,
  type MmioIdentity,
  type NetOptions,
  type PciBar,
  type PciCapability,
  type PciFunction,
  type PciRanges,
  type RecordLayout,
  type VirtioExports,
} from "./abi.js";
import { BlockDevice } from "./block-device.js";
import type { StackContext } from "./context.js";
import type { Device, ServicedDevice } from "./device.js";
import { EntropyDevice } from "./entropy-device.js";
import { VirtioError, check } from "./error.js";
import { exportsOf } from "./exports.js";
import { GenericDevice } from "./generic-device.js";
import { NetDevice } from "./net-device.js";
import { noMmio } from "./no-mmio.js";
import { PrivateMemory, RecordArray } from "./private-memory.js";
import type { RecordOf } from "./records.js";
import { readRecord, writeRecord } from "./records.js";

export interface StackOptions {
  /** Private memory for the rings' state and everything else the stack keeps; all devices share it. */
  arenaBytes?: number;
}

const DEFAULT_ARENA_BYTES = 2 * 1024 * 1024;
const FUNCTIONS = 64;
const CAPABILITIES = 48;
const BARS_OF_A_DEVICE = 6;
const BARS_OF_A_BRIDGE = 2;
const HEADER_TYPE_BRIDGE = 1;
/** Bits of a base address register. [PCI 3.0 §6.2.5.1] */
const IO_SPACE = 0x1;
const MEMORY_TYPE = 0x7;
const MEMORY_64_BIT = 0x4;
/** All but ACCESS_PLATFORM: a machine's `dma_address` answers physical addresses. */
const ALL_FEATURES = 0xffff_fffd_ffff_ffffn;
/** The same for a card whose received frames need no further work. */
export const NET_FEATURES =
  ALL_FEATURES & ~Object.values(ReceiveOffload).reduce((all, feature) => all | BigInt(feature), 0n);
/** Those of rings and transports: all but the ones that belong to a device type. [virtio-1.2 §2.2] */
const COMMON_FEATURES = ALL_FEATURES & 0x3_ffff_ff00_0000n;
/** What tells which function it is, and where. */
const PLACE = ["address", "vendor_id", "device_id", "bar0", "bar1", "bar2", "bar3", "bar4", "bar5"] as const;
/** Rounds in a row in which an asserted line had no taker before that is an error. */
const UNCLAIMED_ROUNDS = 4;
/** Rounds of one `service` call; devices that keep interrupting get their turn at the next. */
const SERVICE_ROUNDS = 64;

interface PortGrant {
  base: number;
  length: number;
}

/** The entries of a function's MSI-X table that are used. */
interface MessageTable {
  /** Physical address. */
  readonly base: bigint;
  readonly vectors: number;
}

/** What an open device has of the machine. */
interface Holdings {
  readonly grants: readonly PortGrant[];
  /** `undefined` without messages. */
  readonly table: MessageTable | undefined;
  /** It is memory-mapped: its address is no PCI function's. */
  readonly isInSlot: boolean;
}

export class VirtioStack implements StackContext<Device> {
  /** The module's exports, for what this class does not wrap. */
  readonly exports: VirtioExports;
  readonly view: DataView;
  readonly privateMemory: PrivateMemory;

  private functions: PciFunction[] = [];
  private readonly functionRecords: RecordArray;
  private readonly devices = new Map<Device, Holdings>();
  /** What is left of the machine's grant. */
  private ranges: PciRanges;

  /** `module` must be the build that `machine.build` names. */
  constructor(
    readonly machine: Machine,
    module: WebAssembly.Module,
    options: StackOptions = {},
  ) {
    const { memory } = machine;
    const kernel = { ...noMmio, ...machine.kernel } as unknown as WebAssembly.ModuleImports;
    const instance = new WebAssembly.Instance(module, { kernel, env: { memory } });
    this.exports = exportsOf(instance);
    this.view = new DataView(memory.buffer);
    machine.setHeapBase(this.exports.heap_base() >>> 0);
    this.privateMemory = new PrivateMemory(machine);
    this.functionRecords = new RecordArray(this.privateMemory, PciFunctionLayout.size, FUNCTIONS);
    const arenaBytes = options.arenaBytes ?? DEFAULT_ARENA_BYTES;
    const { ioBase, ioEnd, memoryBase, memoryLast } = machine.pciGrant;
    this.ranges = { io_next: ioBase, io_end: ioEnd, memory_next: memoryBase, memory_last: memoryLast };
    check("initialize", this.exports.initialize(machine.reservePrivate(arenaBytes), arenaBytes));
  }

  /** Scans all buses. Opening a device looks its function up in the last scan. */
  scan(): PciFunction[] {
    this.functions = this.findFunctions();
    return [...this.functions];
  }

  /** Sizes one base address register; the function's decoding is off meanwhile. */
  bar(address: number, index: number): PciBar {
    return this.withRecord(PciBarLayout, {}, (pointer) => {
      check("pci_bar", this.exports.pci_bar(address, index, pointer));
    });
  }

  /** Sizes all base address registers that exist, by their index. */
  bars(address: number): Map<number, PciBar> {
    const isBridge = this.function(address).header_type === HEADER_TYPE_BRIDGE;
    const found = new Map<number, PciBar>();
    for (let index = 0; index < (isBridge ? BARS_OF_A_BRIDGE : BARS_OF_A_DEVICE); index++) {
      const bar = this.bar(address, index);
      if (bar.size > 0n) {
        found.set(index, bar);
      }
      index += bar.is_64bit;
    }
    return found;
  }

  /** A function's capability list, in its order. */
  capabilities(address: number): PciCapability[] {
    const bytes = PciCapabilityLayout.size * CAPABILITIES;
    const pointer = this.privateMemory.take(bytes);
    try {
      const count = check("pci_capabilities", this.exports.pci_capabilities(address, pointer, CAPABILITIES));
      const found: PciCapability[] = [];
      for (let index = 0; index < Math.min(count, CAPABILITIES); index++) {
        found.push(readRecord(this.view, PciCapabilityLayout, pointer + index * PciCapabilityLayout.size));
      }
      return found;
    } finally {
      this.privateMemory.give(pointer, bytes);
    }
  }

  /** What is in a slot for memory-mapped devices; `undefined` when it is empty. Changes nothing there. */
  identify({ base, bytes }: MmioSlot): MmioIdentity | undefined {
    let result = 0;
    const identity = this.withRecord(MmioIdentityLayout, {}, (pointer) => {
      result = this.exports.mmio_identify(base, bytes, pointer);
    });
    if (result === Result.E_NOT_FOUND) return undefined;
    check("mmio_identify", result);
    return identity;
  }

  /**
   * Assigns what firmware left unassigned, from the machine's grant, and what was plugged in since the last call, from
   * where that ended: what is assigned stays as it is. Returns what is left of the grant.
   */
  assignResources(): PciRanges {
    let result = 0;
    this.ranges = this.withRecord(PciRangesLayout, this.ranges, (pointer) => {
      result = this.exports.pci_assign(pointer);
    });
    // Buses may have numbers now, and functions interrupt lines, that the last scan did not see.
    this.functions = [];
    check("pci_assign", result);
    return { ...this.ranges };
  }

  /**
   * Opens a disk and grants it the ports of its base address registers. Interrupts are off at first.
   *
   * @param address of its PCI function; with `transport: 3`, MMIO, the options' `mmio_base` and `mmio_bytes` count instead
   */
  openBlock(address: number, options?: Partial<BlockOptions>): BlockDevice {
    const { exports } = this;
    return this.open(
      "block_open",
      address,
      options,
      (pciFunction, handle) => new BlockDevice(this, pciFunction, handle),
      () => {
        const given = options && { features: ALL_FEATURES, ...options };
        return this.withOptions("block_open", BlockOptionsLayout, given, (pointer) =>
          exports.block_open(address, pointer),
        );
      },
    );
  }

  /**
   * Opens a network card, as `openBlock` a disk. Interrupts are off at first.
   *
   * @param options `features` is `NET_FEATURES` unless given: a bit of `ReceiveOffload` is accepted only if it is added
   */
  openNet(address: number, options?: Partial<NetOptions>): NetDevice {
    const { exports } = this;
    return this.open(
      "net_open",
      address,
      options,
      (pciFunction, handle) => new NetDevice(this, pciFunction, handle),
      () => {
        const given = options && { features: NET_FEATURES, ...options };
        return this.withOptions("net_open", NetOptionsLayout, given, (pointer) => exports.net_open(address, pointer));
      },
    );
  }

  /** Opens an entropy device, as `openBlock` a disk. Interrupts are off at first. */
  openEntropy(address: number, options?: Partial<EntropyOptions>): EntropyDevice {
    const { exports } = this;
    return this.open(
      "entropy_open",
      address,
      options,
      (pciFunction, handle) => new EntropyDevice(this, pciFunction, handle),
      () => {
        const given = options && { features: ALL_FEATURES, ...options };
        return this.withOptions("entropy_open", EntropyOptionsLayout, given, (pointer) =>
          exports.entropy_open(address, pointer),
        );
      },
    );
  }

  /**
   * Opens a device of any type, as `openBlock` a disk. Interrupts are off at first.
   *
   * @param options `queue_count` is 1 unless given, `type` whatever is there, and `features` none of the device type's
   */
  openGeneric(address: number, options: Partial<GenericOptions> = {}): GenericDevice {
    const { exports } = this;
    return this.open(
      "generic_open",
      address,
      options,
      (pciFunction, handle) => new GenericDevice(this, pciFunction, handle),
      () => {
        const type = options.type ?? this.typeOf(address, options);
        if (type === 0) throw new VirtioError("generic_open", Result.E_NOT_VIRTIO);
        const given = { features: COMMON_FEATURES, queue_count: 1, ...options, type };
        return this.withOptions("generic_open", GenericOptionsLayout, given, (pointer) =>
          exports.generic_open(address, pointer),
        );
      },
    );
  }

  /** The virtio device type of what is at a PCI address, or at the MMIO address of the options. */
  private typeOf(address: number, { transport, mmio_base = 0n, mmio_bytes = 0 }: Partial<DeviceOptions>): number {
    if (transport !== TransportWanted.MMIO) return this.function(address).virtio_type;
    const identity = this.withRecord(MmioIdentityLayout, {}, (pointer) => {
      check("mmio_identify", this.exports.mmio_identify(mmio_base, mmio_bytes, pointer));
    });
    return identity.type;
  }

  /**
   * Takes back what `machine.allocateBuffer` lent, once no device uses it. The stack remembers where pages lie, so it has
   * to be told, which `machine.freeBuffer` alone does not do.
   */
  freeBuffer(pointer: number): void {
    this.machine.freeBuffer(pointer);
    this.exports.forget_translations();
  }

  /** The devices that are open. */
  openDevices(): Device[] {
    return [...this.devices.keys()];
  }

  /**
   * Lets devices work until an interrupt is pending or the machine's time is over, then asks every open device on an
   * asserted line, until the lines are quiet. Returns what each had pending, none on time-out. A line that stays
   * asserted although none of its devices claims the interrupt is an error, as on a real machine. What else happened to
   * a device is told by its `events`.
   */
  service(timeoutMilliseconds: number): ServicedDevice[] {
    const pending = new Map<Device, number>();
    let lines = this.machine.waitForInterrupt(timeoutMilliseconds);
    let unclaimedRounds = 0;
    for (let round = 0; lines.length > 0 && round < SERVICE_ROUNDS; round++) {
      const unclaimed = lines.filter((line) => !this.serviceLine(line, pending));
      unclaimedRounds = unclaimed.length > 0 ? unclaimedRounds + 1 : 0;
      if (unclaimedRounds === UNCLAIMED_ROUNDS) {
        throw new Error(
          `interrupt line ${unclaimed.join(", ")} stays asserted, and none of the open devices on it claims the interrupt`,
        );
      }
      lines = this.machine.waitForInterrupt(0);
    }
    return Array.from(pending, ([device, bits]) => ({ device, pending: bits }));
  }

  /** For `Device.resume` only. Leaves the last scan as it is: what it found is where it was, once it is resumed. */
  isInPlace({ pciFunction }: Device): boolean {
    return this.findFunctions().some((found) => PLACE.every((field) => found[field] === pciFunction[field]));
  }

  /** For `Device.resume` only. */
  reconnectMessages(device: Device): number[] {
    return this.connectMessages(device.pciFunction.address, this.devices.get(device)?.table);
  }

  /** For `Device.close` only. */
  deviceClosed(device: Device): void {
    const holdings = this.devices.get(device);
    this.devices.delete(device);
    this.revoke(holdings?.grants ?? []);
  }

  /** True when a device that has the line, or the message, had an interrupt pending. */
  private serviceLine(line: number, pending: Map<Device, number>): boolean {
    let claimed = false;
    for (const device of this.devices.keys()) {
      const bits = device.claim(line) ?? 0;
      if (bits !== 0) {
        claimed = true;
        pending.set(device, (pending.get(device) ?? 0) | bits);
      }
    }
    return claimed;
  }

  private findFunctions(): PciFunction[] {
    const { exports, functionRecords, view } = this;
    let count = check("pci_scan", exports.pci_scan(functionRecords.pointer, functionRecords.capacity));
    if (count > functionRecords.capacity) {
      functionRecords.reserve(count);
      count = check("pci_scan", exports.pci_scan(functionRecords.pointer, functionRecords.capacity));
    }
    const found: PciFunction[] = [];
    for (let index = 0; index < count; index++) {
      found.push(readRecord(view, PciFunctionLayout, functionRecords.pointer + index * PciFunctionLayout.size));
    }
    return found;
  }

  private function(address: number): PciFunction {
    const matches = (candidate: PciFunction): boolean => candidate.address === address;
    const found = this.functions.find(matches) ?? this.scan().find(matches);
    if (found === undefined) {
      throw new VirtioError("pci_scan", Result.E_NOT_FOUND);
    }
    return found;
  }

  private open<Opened extends Device>(
    name: string,
    address: number,
    options: Partial<DeviceOptions> | undefined,
    wrap: (pciFunction: PciFunction, handle: number) => Opened,
    call: () => number,
  ): Opened {
    const isMmio = options?.transport === TransportWanted.MMIO;
    const pciFunction = isMmio ? functionAt(options.mmio_base ?? 0n) : this.function(address);
    // Sizing a register turns decoding off, which a device in use would not survive; the module refuses it anyway.
    const isInUse = [...this.devices].some(
      ([other, { isInSlot }]) => !isInSlot && other.pciFunction.address === address,
    );
    const grants = isInUse || isMmio ? [] : this.grant(name, pciFunction);
    const vectors = isInUse || isMmio ? 0 : (options?.vectors ?? 0);
    let handle = 0;
    try {
      const table = vectors === 0 ? undefined : this.messageTable(address, vectors);
      const messages = this.connectMessages(address, table);
      handle = call();
      const device = wrap(pciFunction, handle);
      device.messages = messages;
      device.interruptLine = isMmio ? this.lineOfSlot(options.mmio_base) : this.lineOfPin(pciFunction);
      this.devices.set(device, { grants, table, isInSlot: isMmio });
      return device;
    } catch (error) {
      if (handle > 0) this.exports.close(handle);
      this.revoke(grants);
      throw error;
    }
  }

  private lineOfSlot(base: bigint | undefined): number | undefined {
    return this.machine.mmioSlots?.find((slot) => slot.base === base)?.interrupt;
  }

  private lineOfPin({ address, interrupt_pin }: PciFunction): number | undefined {
    return interrupt_pin === 0 ? undefined : this.machine.interruptLine(address, interrupt_pin);
  }

  /** Where a function's MSI-X table is, and how many of its first entries are to be used; `undefined` without MSI-X. */
  private messageTable(address: number, vectors: number): MessageTable | undefined {
    let result = 0;
    const msix = this.withRecord(PciMsixLayout, {}, (pointer) => {
      result = this.exports.pci_msix(address, pointer);
    });
    if (result === Result.E_UNSUPPORTED || this.machine.connectMessages === undefined) return undefined;
    check("pci_msix", result);
    const { base } = this.bar(address, msix.table_bar);
    return { base: base + BigInt(msix.table_offset), vectors: Math.min(vectors, msix.vectors) };
  }

  /** Programs entries of a function's MSI-X table. Returns the numbers of the messages. */
  private connectMessages(address: number, table: MessageTable | undefined): number[] {
    return (table && this.machine.connectMessages?.(table.base, table.vectors, address)) ?? [];
  }

  /** Grants the ports of a function: those of BAR 0, which legacy devices have, and others that the scan found. */
  private grant(name: string, pciFunction: PciFunction): PortGrant[] {
    const { address, bar1, bar2, bar3, bar4, bar5 } = pciFunction;
    const grants: PortGrant[] = [];
    try {
      for (const [index, value] of [IO_SPACE, bar1, bar2, bar3, bar4, bar5].entries()) {
        if ((value & IO_SPACE) === 0 || this.isUpperHalf(pciFunction, index)) continue;
        const grant = this.grantBar(name, address, index);
        if (grant !== undefined) grants.push(grant);
      }
    } catch (error) {
      this.revoke(grants);
      throw error;
    }
    return grants;
  }

  /** Whether a register is the upper half of the one before. */
  private isUpperHalf({ bar0, bar1, bar2, bar3, bar4 }: PciFunction, index: number): boolean {
    let isUpper = false;
    for (const before of [bar0, bar1, bar2, bar3, bar4].slice(0, index)) {
      isUpper = !isUpper && (before & MEMORY_TYPE) === MEMORY_64_BIT;
    }
    return isUpper;
  }

  /** A register that lies, or that was set wrong, must not give a device what is another's: E_BAR, as in the module. */
  private grantBar(name: string, address: number, index: number): PortGrant | undefined {
    const bar = this.bar(address, index);
    if (bar.is_io === 0 || bar.base === 0n || bar.size === 0n) {
      return undefined;
    }
    const grant = { base: Number(bar.base), length: Number(bar.size) };
    const end = grant.base + grant.length;
    for (const other of [...this.devices.values()].flatMap(({ grants }) => grants)) {
      if (grant.base < other.base + other.length && other.base < end) {
        throw new VirtioError(name, Result.E_BAR);
      }
    }
    try {
      this.machine.grantPorts(grant.base, grant.length);
    } catch (cause) {
      throw new VirtioError(name, Result.E_BAR, { cause });
    }
    return grant;
  }

  private revoke(grants: readonly PortGrant[]): void {
    for (const grant of grants) this.machine.revokePorts(grant.base, grant.length);
  }

  private withOptions<Layout extends RecordLayout>(
    name: string,
    layout: Layout,
    options: Partial<RecordOf<Layout>> | undefined,
    call: (pointer: number) => number,
  ): number {
    if (options === undefined) {
      return check(name, call(0));
    }
    let handle = 0;
    this.withRecord(layout, options, (pointer) => {
      handle = check(name, call(pointer));
    });
    return handle;
  }

  /** Writes a record, makes the call, and reads the record back. */
  private withRecord<Layout extends RecordLayout>(
    layout: Layout,
    values: Partial<RecordOf<Layout>>,
    call: (pointer: number) => void,
  ): RecordOf<Layout> {
    const pointer = this.privateMemory.take(layout.size);
    try {
      writeRecord(this.view, layout, pointer, values);
      call(pointer);
      return readRecord(this.view, layout, pointer);
    } finally {
      this.privateMemory.give(pointer, layout.size);
    }
  }
}

/** Stands for the function that a memory-mapped device does not have. */
function functionAt(base: bigint): PciFunction {
  const names = Object.keys(PciFunctionLayout.fields) as (keyof PciFunction)[];
  const none = Object.fromEntries(names.map((name) => [name, 0])) as unknown as PciFunction;
  return { ...none, address: Number(BigInt.asUintN(32, base)) };
}
