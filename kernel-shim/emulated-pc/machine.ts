/**
 * The emulated PC: what is plugged in, wired together, and seen by the stack as a kernel.
 *
 * Nothing happens by itself. Devices work when they are notified (completion `immediate`), otherwise while the stack
 * relaxes or the application waits for an interrupt; both move virtual time on.
 */
import type { Build, Counters, KernelImports, LogEntry, Machine, PciGrant } from "../machine.js";
import { type Completion, CompletionTimes } from "./completion.js";
import { InterruptLines, lineOfPin } from "./interrupts.js";
import { createKernel } from "./kernel.js";
import { PAGE_BYTES } from "./memory/dma-pages.js";
import { DmaView } from "./memory/dma-view.js";
import { type ForeignMemory, MachineMemory } from "./memory/machine-memory.js";
import { addressOf, describePlace, everything, PciBridge, type PciBus, type Place } from "./pci/bus.js";
import { Firmware, FIRMWARE_IO_END } from "./pci/firmware.js";
import { PciFunction } from "./pci/function.js";
import { HostBridge } from "./pci/host-bridge.js";
import { BASE_ADDRESS, COMMAND, COMMAND_BUS_MASTER, INTERRUPT_LINE } from "./pci/registers.js";
import { FIRST_FREE_SLOT, plugHostBridge, plugStandardDevices } from "./pci/standard-devices.js";
import { PortGrants } from "./ports.js";
import { type Profile, type ProfileName, profiles } from "./profiles.js";
import { Random } from "./random.js";
import { VirtualTime } from "./time.js";
import { type Violation, Violations } from "./violations.js";
import type { VirtioDevice } from "./virtio/device.js";
import { createVirtioFunction, isMsixEnabled, type VirtioFunctionOptions } from "./virtio/pci-function.js";

export interface EmulatedPcOptions {
  /** Which host's devices these are; `qemu` unless given. */
  profile?: ProfileName | Profile;
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
  /** What there is besides virtio devices: a PC's usual functions and a bridge (`standard`), or a host bridge. */
  layout?: "standard" | "bare";
  /** Linear and physical memory in all, a multiple of 256 KiB; 64 MiB unless given. */
  memoryBytes?: number;
  /** Mapped build: a memory that exists already, in place of one of the machine's own. */
  memory?: ForeignMemory;
}

/** Where a device is plugged in; the first free slot of the root bus from 4 on, function 0, unless given. */
export interface PlugOptions extends VirtioFunctionOptions {
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

export class EmulatedPc implements Machine {
  readonly name: string;
  readonly build: Build;
  readonly kernel: KernelImports;
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
  private readonly lines = new InterruptLines();
  private readonly hostBridge: HostBridge;
  private readonly plugged = new Map<VirtioDevice, PciFunction>();
  private readonly wiredLines = new Map<PciFunction, number>();
  private readonly hasFirmware: boolean;
  private isOn = false;

  constructor(options: EmulatedPcOptions = {}) {
    const profile = options.profile ?? "qemu";
    const seed = options.seed ?? 1;
    this.profile = typeof profile === "string" ? profiles[profile] : profile;
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
    this.kernel = createKernel({
      pages: this.machineMemory.pages,
      grants: this.grants,
      hostBridge: this.hostBridge,
      time: this.time,
      violations: this.recorded,
      counters: this.counters,
      log: this.log,
      powerOn: () => this.powerOn(),
      relax: () => this.relax(),
    });
    this.bridge = this.plugLayout(options.layout ?? "standard");
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
    const bus = options.bus ?? this.rootBus;
    const slot = options.slot ?? bus.freeSlot(bus === this.rootBus ? FIRST_FREE_SLOT : 0);
    const { pages } = this.machineMemory;
    // The function needs the size of the configuration, which the device knows once it is attached.
    const plug: { pciFunction: PciFunction | null } = { pciFunction: null };
    const locate = (): string => {
      const place = plug.pciFunction === null ? undefined : this.placeOf(plug.pciFunction);
      return place === undefined ? "unplugged" : describePlace(place);
    };
    device.attach({
      get location() {
        return locate();
      },
      profile: this.profile,
      dma: new DmaView(pages, this.recorded, `${device.kind} in slot ${slot}`),
      time: this.time,
      completion: this.completion,
      random: this.random,
      violations: this.recorded,
      isBusMaster: () => ((plug.pciFunction?.command ?? 0) & COMMAND_BUS_MASTER) !== 0 && bus.forwardsDma,
      isMsixEnabled: () => plug.pciFunction !== null && isMsixEnabled(plug.pciFunction),
      setInterruptPin: (isAsserted) => plug.pciFunction?.setInterruptPin(isAsserted),
    });
    const configurationBytes = device.configuration.bytes.length;
    const pciFunction = createVirtioFunction(device, this.profile, configurationBytes, options);
    plug.pciFunction = pciFunction;
    this.plugged.set(device, pciFunction);
    this.addFunction(pciFunction, bus, slot, options.index ?? 0);
    return device;
  }

  /** Plugs any other function or bridge in. */
  addFunction(pciFunction: PciFunction, bus: PciBus, slot: number, index = 0): void {
    bus.plug(pciFunction, slot, index);
    this.observe(pciFunction);
  }

  /**
   * Pulls a device out, whether or not somebody uses it: from now on nothing answers in its place, its registers and
   * its configuration space read as all ones. It can be plugged in again.
   */
  removeDevice(device: VirtioDevice): void {
    this.removeFunction(this.functionOf(device));
  }

  /** Pulls any function out, and with a bridge everything behind it. */
  removeFunction(pciFunction: PciFunction): void {
    const place = this.placeOf(pciFunction);
    if (place === undefined) throw new Error(`the ${pciFunction.description.name} is not plugged into this machine`);
    if (pciFunction instanceof PciBridge) {
      for (const behind of [...pciFunction.bus.entries()]) this.removeFunction(behind.pciFunction);
    }
    for (const [device, itsFunction] of this.plugged) {
      if (itsFunction !== pciFunction) continue;
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
    this.removeDevice(old);
    this.addDevice(device, { ...options, bus: place.bus, slot: place.slot, index: place.index });
    const after = this.functionOf(device);
    for (const { index } of after.baseAddresses) {
      const offset = BASE_ADDRESS + 4 * index;
      after.write(offset, 4, before.read(offset, 4));
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
    const pciFunction = this.plugged.get(device);
    if (pciFunction === undefined) throw new Error("the device is not plugged into this machine");
    return pciFunction;
  }

  /** Runs firmware, once. The first port access does it too. */
  powerOn(): void {
    if (this.isOn) return;
    this.isOn = true;
    if (!this.hasFirmware) return;
    new Firmware((pciFunction) => this.wiredLine(pciFunction)).configure(this.rootBus);
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
    while (!this.lines.isAnyAsserted && this.time.next <= deadline && !this.time.isIdle) this.time.runNext();
    if (!this.lines.isAnyAsserted && Number.isFinite(deadline)) this.time.advanceTo(deadline);
    return this.lines.asserted;
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

  private plugLayout(layout: "standard" | "bare"): PciBridge | null {
    let bridge: PciBridge | null = null;
    if (layout === "standard") bridge = plugStandardDevices(this.rootBus);
    else plugHostBridge(this.rootBus);
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
