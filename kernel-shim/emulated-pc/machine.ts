/**
 * The emulated PC: what is plugged in, wired together, and seen by the stack as a kernel.
 *
 * Nothing happens by itself. Devices work when they are notified (completion `immediate`), otherwise while the stack
 * relaxes or the application waits for an interrupt; both move virtual time on.
 */
import type { Build, Counters, KernelImports, LogEntry, Machine, MmioImports, MmioSlot, PciGrant } from "../machine.js";
import { type Completion, CompletionTimes } from "./completion.js";
import { InterruptLines, lineOfPin, MessageInterrupts } from "./interrupts.js";
import { createKernel } from "./kernel.js";
import { Mappings } from "./mappings.js";
import { PAGE_BYTES } from "./memory/dma-pages.js";
import { DmaView } from "./memory/dma-view.js";
import { type ForeignMemories, type ForeignMemory, MachineMemory } from "./memory/machine-memory.js";
import { DEFAULT_MMIO_LAYOUT, type MmioLayout, MmioSlots } from "./mmio-slots.js";
import { addressOf, describePlace, everything, PciBridge, type PciBus, type Place } from "./pci/bus.js";
import { Firmware, FIRMWARE_IO_END } from "./pci/firmware.js";
import { PciFunction } from "./pci/function.js";
import { HostBridge } from "./pci/host-bridge.js";
import type { Message } from "./pci/msix.js";
import { BASE_ADDRESS, COMMAND, COMMAND_BUS_MASTER, INTERRUPT_LINE } from "./pci/registers.js";
import { MSIX_PROGRAMMED } from "./pci/rules.js";
import { createRootPort, FIRST_FREE_SLOT, plugHostBridge, plugStandardDevices } from "./pci/standard-devices.js";
import { PortGrants } from "./ports.js";
import { type Profile, type ProfileName, profiles } from "./profiles.js";
import { Random } from "./random.js";
import { VirtualTime } from "./time.js";
import { type Violation, Violations } from "./violations.js";
import type { VirtioDevice } from "./virtio/device.js";
import type { DeviceEnvironment } from "./virtio/environment.js";
import { createVirtioFunction, type VirtioFunction, type VirtioFunctionOptions } from "./virtio/pci-function.js";
import { mmioRegisters } from "./virtio/registers/mmio.js";
import { MmioIdentity } from "./virtio/registers/mmio-identity.js";
import { interfacesOf, isMmio, type MmioTransport, type PciTransport, type Transport } from "./virtio/transport.js";

export interface EmulatedPcOptions {
  /** Which host's devices these are; `qemu` unless given. */
  profile?: ProfileName | Profile;
  /** How devices are plugged in that are not told otherwise; the profile's unless given. */
  transport?: Transport;
  /** `mapped` unless given. */
  build?: Build;
  /** Plugged in one after the other from slot 4 of the root bus on. More with `addDevice`. */
  devices?: readonly VirtioDevice[];
  /** For everything that is random; 1 unless given. */
  seed?: number;
  /** When devices do their work; `immediate` unless given. */
  completion?: Completion;
  /** False: nobody numbers buses and assigns base addresses at power-on. */
  firmware?: boolean;
  /**
   * What there is besides virtio devices: a PC's usual functions and a bridge (`standard`), a host bridge (`bare`), or no
   * PCI at all (`none`). The profile's unless given.
   */
  layout?: "standard" | "bare" | "none";
  /** Where memory-mapped devices are; what is absent is the profile's, or as on QEMU's microvm. */
  mmio?: Partial<MmioLayout>;
  /** Linear and physical memory in all, a multiple of 256 KiB; 64 MiB unless given. */
  memoryBytes?: number;
  /** Memory that exists already, in place of the machine's own. */
  memory?: ForeignMemory | ForeignMemories;
}

/** Where a device is plugged in; the first free slot of the root bus from 4 on, function 0, unless given. */
export interface PlugOptions extends VirtioFunctionOptions {
  /** The machine's unless given. For `mmio-1` and `mmio-2`, only `slot` counts of the rest: which MMIO slot. */
  transport?: Transport;
  bus?: PciBus;
  slot?: number;
  /** Function number, 0 to 7. */
  index?: number;
}

const DEFAULT_MEMORY_BYTES = 64 * 1024 * 1024;
const MEMORY_GRANT_BASE = 0xe000_0000;
const MEMORY_GRANT_LAST = 0xefff_ffff;
const PORTS = 0x1_0000;
/** What one turn of a waiting loop takes, in nanoseconds. */
const RELAX_TIME = 1_000;
const NANOSECONDS_PER_MILLISECOND = 1_000_000;
/** The interrupt line of what has none, as firmware writes it down. */
const NO_LINE = 0xff;
const MSIX_ENTRY_BYTES = 16;
/** As QEMU's devices show it. */
const MMIO_VENDOR_ID = 0x554d_4551;

/** A device in the machine: a PCI function, or what is in an MMIO slot. */
interface Plugged {
  readonly transport: Transport;
  readonly virtioFunction: VirtioFunction | null;
  readonly slot: MmioSlot | null;
  /** How often each vector's message was sent. */
  readonly messages: number[];
}

/** What a device's environment has of the place that it is plugged into. */
type DevicePlace = Pick<
  DeviceEnvironment,
  "hasInterruptPin" | "isBusMaster" | "isMsixEnabled" | "sendMessage" | "setInterruptPin"
> & { readonly location: () => string };

export class EmulatedPc implements Machine {
  readonly name: string;
  readonly build: Build;
  readonly kernel: KernelImports & MmioImports;
  readonly pciGrant: PciGrant = {
    ioBase: FIRMWARE_IO_END,
    ioEnd: PORTS,
    memoryBase: MEMORY_GRANT_BASE,
    memoryLast: MEMORY_GRANT_LAST,
  };
  readonly log: LogEntry[] = [];
  readonly counters: Counters = {
    portReads: 0,
    portWrites: 0,
    configurationReads: 0,
    configurationWrites: 0,
    barriers: 0,
    translations: 0,
    memoryAccesses: 0,
    mmioReads: 0,
    mmioWrites: 0,
  };
  readonly profile: Profile;
  readonly time = new VirtualTime();
  readonly random: Random;
  /** The bus of the host bridge. */
  readonly rootBus: PciBus;
  /** The bridge of the standard layout; null in a bare machine. */
  readonly bridge: PciBridge | null;

  private readonly completion: CompletionTimes;
  private readonly machineMemory: MachineMemory;
  private readonly recorded = new Violations();
  private readonly grants = new PortGrants(this.recorded);
  private readonly mappings: Mappings;
  private readonly lines = new InterruptLines();
  private readonly messages = new MessageInterrupts();
  private readonly hostBridge: HostBridge;
  private readonly mmio: MmioSlots;
  private readonly transport: Transport;
  private readonly plugged = new Map<VirtioDevice, Plugged>();
  private readonly wiredLines = new Map<PciFunction, number>();
  private readonly hasFirmware: boolean;
  private isOn = false;

  constructor(options: EmulatedPcOptions = {}) {
    const profile = options.profile ?? "qemu";
    const seed = options.seed ?? 1;
    this.profile = typeof profile === "string" ? profiles[profile] : profile;
    this.transport = options.transport ?? this.profile.transport;
    this.build = options.build ?? "mapped";
    this.name = `emulated PC, profile ${this.profile.name}`;
    this.hasFirmware = options.firmware ?? true;
    this.random = new Random(seed);
    this.completion = new CompletionTimes(options.completion ?? "immediate", this.random);
    this.machineMemory = new MachineMemory(
      this.build,
      options.memoryBytes ?? DEFAULT_MEMORY_BYTES,
      options.memory,
      seed,
    );
    this.hostBridge = new HostBridge(this.recorded, (pciFunction) => this.updateLine(pciFunction));
    this.rootBus = this.hostBridge.bus;
    this.mmio = new MmioSlots({ ...DEFAULT_MMIO_LAYOUT, ...this.profile.mmio, ...options.mmio }, this.recorded);
    this.mappings = new Mappings(
      {
        isGrantable: (address, bytes) => this.isGrantable(address, bytes),
        read: (address, width) =>
          this.mmio.holds(address, width)
            ? this.mmio.read(address, width)
            : this.hostBridge.memory.read(address, width),
        write: (address, width, value) => {
          if (this.mmio.holds(address, width)) this.mmio.write(address, width, value);
          else this.hostBridge.memory.write(address, width, value);
        },
      },
      this.recorded,
    );
    this.kernel = createKernel({
      pages: this.machineMemory.pages,
      grants: this.grants,
      mappings: this.mappings,
      hostBridge: this.hostBridge,
      time: this.time,
      violations: this.recorded,
      counters: this.counters,
      log: this.log,
      powerOn: () => this.powerOn(),
      relax: () => this.relax(),
    });
    this.bridge = this.plugLayout(options.layout ?? this.profile.layout ?? "standard");
    for (const device of options.devices ?? []) this.addDevice(device);
  }

  get memory(): WebAssembly.Memory {
    return this.machineMemory.memory;
  }

  /** What the driver did that it must not do, oldest first; at most 1000 are kept. Looks at the used rings first. */
  get violations(): readonly Violation[] {
    for (const device of this.plugged.keys()) device.checkUsedRings();
    return this.recorded.list;
  }

  /** How many violations there were, those not kept included. */
  get violationCount(): number {
    return Math.max(this.violations.length, this.recorded.count);
  }

  // ---- plugging in ----

  /**
   * Plugs a virtio device in. After power-on (the first port access) this is a hot plug: firmware does not see it.
   * Returns the device.
   */
  addDevice<Device extends VirtioDevice>(device: Device, options: PlugOptions = {}): Device {
    const transport = options.transport ?? this.transport;
    if (isMmio(transport)) this.plugIntoSlot(device, transport, options.slot);
    else this.plugIntoBus(device, transport, options);
    return device;
  }

  /** Plugs any other function or bridge in. */
  addFunction(pciFunction: PciFunction, bus: PciBus, slot: number, index = 0): void {
    bus.plug(pciFunction, slot, index);
    this.observe(pciFunction);
  }

  /**
   * Pulls a device out, whether or not somebody uses it: from now on nothing answers in its place, its registers and
   * its configuration space read as all ones; an MMIO slot is empty. It can be plugged in again.
   */
  removeDevice(device: VirtioDevice): void {
    const { slot } = this.pluggedAs(device);
    if (slot === null) {
      this.removeFunction(this.functionOf(device));
      return;
    }
    device.detach();
    this.plugged.delete(device);
    this.mmio.unplug(slot);
  }

  /** Pulls any function out, and with a bridge everything behind it. */
  removeFunction(pciFunction: PciFunction): void {
    const place = this.placeOf(pciFunction);
    if (place === undefined) throw new Error(`the ${pciFunction.description.name} is not plugged into this machine`);
    if (pciFunction instanceof PciBridge) {
      for (const behind of [...pciFunction.bus.entries()]) this.removeFunction(behind.pciFunction);
    }
    for (const [device, { virtioFunction }] of this.plugged) {
      if (virtioFunction?.pciFunction !== pciFunction) continue;
      device.detach();
      this.plugged.delete(device);
    }
    pciFunction.setInterruptPin(false);
    pciFunction.observer = null;
    place.bus.unplug(pciFunction);
    this.wiredLines.delete(pciFunction);
    this.hostBridge.observer.decodingChanged();
  }

  /**
   * Pulls a device out and plugs another one in at its place, with the base addresses, the command register and the
   * interrupt line that the old one had: a swap behind the back of whoever uses it. Returns the new device.
   */
  swapDevice<Device extends VirtioDevice>(
    old: VirtioDevice,
    device: Device,
    options: VirtioFunctionOptions = {},
  ): Device {
    const before = this.functionOf(old);
    const place = this.placeOf(before);
    if (place === undefined) throw new Error("the device is not plugged in");
    const { transport } = this.pluggedAs(old);
    this.removeDevice(old);
    this.addDevice(device, { transport, ...options, bus: place.bus, slot: place.slot, index: place.index });
    const after = this.functionOf(device);
    for (const { index, kind } of after.baseAddresses) {
      const offset = BASE_ADDRESS + 4 * index;
      after.write(offset, 4, before.read(offset, 4));
      if (kind === "memory64") after.write(offset + 4, 4, before.read(offset + 4, 4));
    }
    after.write(INTERRUPT_LINE, 1, before.read(INTERRUPT_LINE, 1));
    after.write(COMMAND, 2, before.command);
    return device;
  }

  /** The PCI address (bus × 256 + device × 8 + function) of a device, with the bus number of the moment. */
  addressOf(device: VirtioDevice): number {
    this.powerOn();
    const place = this.placeOf(this.functionOf(device));
    if (place === undefined) throw new Error("the device is not plugged in");
    return addressOf(place);
  }

  /** The PCI function of a device, for tests that look at or change its configuration space. */
  functionOf(device: VirtioDevice): PciFunction {
    const { virtioFunction } = this.pluggedAs(device);
    if (virtioFunction === null) throw new Error("the device is memory-mapped: it has no PCI function");
    return virtioFunction.pciFunction;
  }

  /** How a device is plugged in. */
  transportOf(device: VirtioDevice): Transport {
    return this.pluggedAs(device).transport;
  }

  /** The slot of a memory-mapped device. */
  slotOf(device: VirtioDevice): MmioSlot {
    const { slot } = this.pluggedAs(device);
    if (slot === null) throw new Error("the device is a PCI function: it has no MMIO slot");
    return slot;
  }

  /** Every place for memory-mapped devices, in the order of addresses. */
  get mmioSlots(): readonly MmioSlot[] {
    return this.mmio.list;
  }

  /** How often the message of each vector of a device was sent. */
  messagesOf(device: VirtioDevice): readonly number[] {
    return this.pluggedAs(device).messages;
  }

  /** Runs firmware, once. The first port access does it too. */
  powerOn(): void {
    if (this.isOn) return;
    this.isOn = true;
    if (!this.hasFirmware) return;
    const { usesHighMemory = false } = this.profile;
    new Firmware((pciFunction) => this.wiredLine(pciFunction), usesHighMemory).configure(this.rootBus);
  }

  /**
   * Takes all devices and bridges the power for a moment, as S3 does: they forget what drivers and firmware told them, base
   * addresses, bus numbers and bridge windows included. Memory keeps what is in it, and no firmware runs afterwards.
   */
  powerCycle(): void {
    this.powerOn();
    for (const device of this.plugged.keys()) device.powerCycle();
    for (const { pciFunction } of [...everything(this.rootBus)]) pciFunction.powerCycle();
  }

  // ---- memory ----

  reservePrivate(bytes: number): number {
    return this.machineMemory.reservePrivate(bytes);
  }

  setHeapBase(address: number): void {
    this.machineMemory.setHeapBase(address);
  }

  allocateBuffer(bytes: number, options: { scattered?: boolean } = {}): number {
    const pages = Math.max(1, Math.ceil(bytes / PAGE_BYTES));
    const pointer = this.machineMemory.pages.lend(pages, options.scattered ?? false);
    if (pointer === 0) throw new Error(`there are no ${bytes} bytes of memory left to lend`);
    return pointer;
  }

  freeBuffer(pointer: number): void {
    const { pages } = this.machineMemory;
    if (pages.loanAt(pointer)?.borrower !== "host") throw new Error(`no buffer starts at 0x${pointer.toString(16)}`);
    pages.takeBack(pointer);
  }

  readBuffer(pointer: number, length: number): Uint8Array {
    const { pages } = this.machineMemory;
    const offset = this.bufferOffset(pointer, length);
    return pages.bytes.slice(offset, offset + length);
  }

  /** What `readBuffer` would copy, where it is: for as long as it is lent, and memory does not grow. */
  viewBuffer(pointer: number, length: number): Uint8Array {
    const offset = this.bufferOffset(pointer, length);
    return this.machineMemory.pages.bytes.subarray(offset, offset + length);
  }

  writeBuffer(pointer: number, bytes: Uint8Array): void {
    const offset = this.bufferOffset(pointer, bytes.length);
    this.machineMemory.pages.bytes.set(bytes, offset);
  }

  // ---- ports ----

  grantPorts(base: number, length: number): void {
    this.grants.grant(base, length);
  }

  revokePorts(base: number, length: number): void {
    this.grants.revoke(base, length);
  }

  /** Whether the stack may reach all of these ports at the moment. */
  isGranted(base: number, length: number): boolean {
    return this.grants.covers(base, length);
  }

  /** Whether registers are mapped at a pointer of the stack's at the moment. */
  isMapped(pointer: number, width: number): boolean {
    return this.mappings.covers(pointer, width);
  }

  /** Calls of `mmio_map` that no `mmio_unmap` has ended. */
  get mappingCount(): number {
    return this.mappings.count;
  }

  /** What the stack asked `mmio_map` for and did not get, for people. */
  get refusedMappings(): readonly string[] {
    return this.mappings.refusals;
  }

  // ---- interrupts and time ----

  interruptLine(pciAddress: number, interruptPin: number): number {
    this.powerOn();
    for (const place of everything(this.rootBus)) {
      if (addressOf(place) === pciAddress) return this.lineOf(place, interruptPin);
    }
    return NO_LINE;
  }

  waitForInterrupt(timeoutMilliseconds: number): number[] {
    this.checkNotifications();
    const deadline = this.time.now + timeoutMilliseconds * NANOSECONDS_PER_MILLISECOND;
    while (!this.isInterrupted && this.time.next <= deadline && !this.time.isIdle) this.time.runNext();
    if (!this.isInterrupted && Number.isFinite(deadline)) this.time.advanceTo(deadline);
    return [...this.lines.asserted, ...this.messages.take()];
  }

  /** The kernel reaches the table whether or not the function decodes its addresses yet. */
  connectMessages(table: bigint, vectors: number): number[] {
    this.powerOn();
    const [range] = this.hostBridge.memory.candidatesAt(Number(table));
    if (range?.bar.handler === undefined) throw new Error(`there is no MSI-X table at 0x${table.toString(16)}`);
    const { handler } = range.bar;
    return Array.from({ length: vectors }, (_, vector) => {
      const { address, data, interrupt } = this.messages.allocate();
      const entry = Number(table) - range.base + MSIX_ENTRY_BYTES * vector;
      for (const [word, value] of [address, 0, data, 0].entries()) handler.write(entry + 4 * word, 4, value);
      return interrupt;
    });
  }

  /** One turn of a waiting loop: time goes on, and devices do what is due. The import `relax` is this. */
  relax(): void {
    this.checkNotifications();
    this.time.advanceTo(this.time.now + RELAX_TIME);
  }

  close(): void {
    for (const device of this.plugged.keys()) device.close();
  }

  // ---- inner workings ----

  private get isInterrupted(): boolean {
    return this.lines.isAnyAsserted || this.messages.isAnyPending;
  }

  private plugIntoBus(device: VirtioDevice, transport: PciTransport, options: PlugOptions): void {
    const bus = options.bus ?? this.busForDevice(options);
    const slot = (bus === this.rootBus || options.bus !== undefined ? options.slot : 0) ?? this.freeSlot(bus);
    // The function needs the size of the configuration, which the device knows once it is attached.
    const plug: { virtioFunction: VirtioFunction | null } = { virtioFunction: null };
    const messages: number[] = Array<number>(this.profile.messageVectors).fill(0);
    device.attach(
      this.environment(`${device.kind} in slot ${slot}`, transport, {
        location: () => {
          const place = plug.virtioFunction === null ? undefined : this.placeOf(plug.virtioFunction.pciFunction);
          return place === undefined ? "unplugged" : describePlace(place);
        },
        hasInterruptPin: this.profile.hasInterruptPin,
        isBusMaster: () =>
          ((plug.virtioFunction?.pciFunction.command ?? 0) & COMMAND_BUS_MASTER) !== 0 && bus.forwardsDma,
        isMsixEnabled: () => plug.virtioFunction?.msix?.isEnabled ?? false,
        sendMessage: (vector) => plug.virtioFunction?.msix?.signal(vector),
        setInterruptPin: (isAsserted) => plug.virtioFunction?.pciFunction.setInterruptPin(isAsserted),
      }),
    );
    const virtioFunction = createVirtioFunction(device, transport, this.profile, options, (message) => {
      messages[message.vector] = (messages[message.vector] ?? 0) + 1;
      this.messageSent(device, message);
    });
    plug.virtioFunction = virtioFunction;
    this.plugged.set(device, { transport, virtioFunction, slot: null, messages });
    this.addFunction(virtioFunction.pciFunction, bus, slot, options.index ?? 0);
  }

  private plugIntoSlot(device: VirtioDevice, transport: MmioTransport, wanted: number | undefined): void {
    const slot = this.mmio.plug((place) => {
      const location = `MMIO 0x${place.base.toString(16)}`;
      device.attach(
        this.environment(`${device.kind} at ${location}`, transport, {
          location: () => location,
          hasInterruptPin: true,
          isBusMaster: () => true,
          isMsixEnabled: () => false,
          sendMessage: () => undefined,
          setInterruptPin: (isAsserted) => this.lines.set(place.interrupt, device, isAsserted),
        }),
      );
      const version = transport === "mmio-1" ? 1 : 2;
      const identity = new MmioIdentity(version, device.type, MMIO_VENDOR_ID, (rule, detail) =>
        device.record(rule, detail),
      );
      return mmioRegisters(device, version, identity);
    }, wanted);
    this.plugged.set(device, { transport, virtioFunction: null, slot, messages: [] });
  }

  private environment(dmaSource: string, transport: Transport, place: DevicePlace): DeviceEnvironment {
    const { location, ...rest } = place;
    return {
      ...rest,
      get location() {
        return location();
      },
      profile: this.profile,
      interfaces: interfacesOf(transport),
      dma: new DmaView(this.machineMemory.pages, this.recorded, dmaSource),
      time: this.time,
      completion: this.completion,
      random: this.random,
      violations: this.recorded,
    };
  }

  /** The root bus, or one of its own behind a root port. */
  private busForDevice({ slot }: PlugOptions): PciBus {
    if (this.profile.hasRootPorts !== true) return this.rootBus;
    const port = createRootPort();
    this.addFunction(port, this.rootBus, slot ?? this.freeSlot(this.rootBus));
    return port.bus;
  }

  private freeSlot(bus: PciBus): number {
    return bus.freeSlot(bus === this.rootBus ? FIRST_FREE_SLOT : 0);
  }

  private pluggedAs(device: VirtioDevice): Plugged {
    const plugged = this.plugged.get(device);
    if (plugged === undefined) throw new Error("the device is not plugged into this machine");
    return plugged;
  }

  private messageSent(device: VirtioDevice, message: Message): void {
    if (this.messages.arrive(message)) return;
    const { vector, address, data } = message;
    this.recorded.record(
      MSIX_PROGRAMMED,
      device.source,
      `vector ${vector}: 0x${data.toString(16)} to 0x${address.toString(16)}`,
    );
  }

  /** A driver may have the registers of virtio devices, but not their MSI-X tables: those make devices write anywhere. */
  private isGrantable(address: number, bytes: number): boolean {
    if (this.mmio.holds(address, bytes)) return true;
    const end = address + bytes;
    const [range, ...others] = this.hostBridge.memory.candidatesAt(address);
    if (range?.isDecoding !== true || others.length > 0 || end > range.end) return false;
    for (const { virtioFunction } of this.plugged.values()) {
      if (virtioFunction?.pciFunction !== range.pciFunction) continue;
      return virtioFunction.msix?.overlaps(range.bar.index, address - range.base, bytes) !== true;
    }
    return false;
  }

  private plugLayout(layout: "standard" | "bare" | "none"): PciBridge | null {
    let bridge: PciBridge | null = null;
    if (layout === "standard") bridge = plugStandardDevices(this.rootBus);
    else if (layout === "bare") plugHostBridge(this.rootBus);
    for (const { pciFunction } of everything(this.rootBus)) this.observe(pciFunction);
    return bridge;
  }

  private observe(pciFunction: PciFunction): void {
    pciFunction.observer = this.hostBridge.observer;
    this.hostBridge.observer.decodingChanged();
  }

  private placeOf(pciFunction: PciFunction): Place | undefined {
    for (const place of everything(this.rootBus)) if (place.pciFunction === pciFunction) return place;
    return undefined;
  }

  private lineOf(place: Place, interruptPin: number): number {
    if (interruptPin < 1 || interruptPin > 4) return NO_LINE;
    const slots = [place.slot];
    for (const bridge of place.bridges) slots.push(this.placeOf(bridge)?.slot ?? 0);
    return lineOfPin(interruptPin, slots);
  }

  private updateLine(pciFunction: PciFunction): void {
    const line = this.wiredLine(pciFunction);
    if (line !== NO_LINE) this.lines.set(line, pciFunction, pciFunction.isInterrupting);
  }

  /** Wiring changes only when something is plugged in or out, and is asked for at every interrupt. */
  private wiredLine(pciFunction: PciFunction): number {
    let line = this.wiredLines.get(pciFunction);
    if (line === undefined) {
      const place = this.placeOf(pciFunction);
      if (place === undefined) return NO_LINE;
      line = this.lineOf(place, pciFunction.description.interruptPin ?? 0);
      this.wiredLines.set(pciFunction, line);
    }
    return line;
  }

  private checkNotifications(): void {
    for (const device of this.plugged.keys()) device.checkNotifications();
  }

  private bufferOffset(pointer: number, length: number): number {
    const offset = this.machineMemory.pages.offsetOfPointer(pointer, length);
    if (offset < 0) throw new Error(`${length} bytes at 0x${pointer.toString(16)} are not all lent`);
    return offset;
  }
}
