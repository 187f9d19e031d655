/**
 * An emulated PC whose devices are hostile. It is a `Machine` like any other, so whatever runs on the emulated PC runs
 * here; what the devices do is decided by `Mutations`, and can be switched off and on at any time.
 */
import type {
  Build,
  Counters,
  KernelImports,
  LogEntry,
  Machine,
  MmioImports,
  MmioSlot,
  PciGrant,
} from "../../machine.js";
import { firstDifference } from "../bytes.js";
import { EmulatedPc, type EmulatedPcOptions } from "../machine.js";
import { PAGE_BYTES } from "../memory/dma-pages.js";
import { everything } from "../pci/bus.js";
import type { PciFunction } from "../pci/function.js";
import type { VirtioDevice } from "../virtio/device.js";
import type { Random } from "../random.js";
import { isMmio, type Transport } from "../virtio/transport.js";
import { CapabilityLies } from "./capability-lies.js";
import { behave, forgeCompletion, type HostileDevice, makeHostile, misbehave, takeBackLies } from "./hostile-device.js";
import { createHostileKernel } from "./hostile-kernel.js";
import { LentMemory } from "./lent-memory.js";
import type { Mutations } from "./mutations.js";
import { RegisterLies } from "./register-lies.js";
import { otherValue, pick } from "./values.js";

export interface HostileMachineOptions extends Omit<EmulatedPcOptions, "devices"> {
  mutations: Mutations;
  /** Plugged in, and turned hostile. */
  devices: readonly VirtioDevice[];
  /** How each of them is plugged in; as all others unless given. */
  transportOf?: (device: VirtioDevice) => Transport;
  /** What a turn of a waiting loop takes beside what it takes anyway, in nanoseconds: shortens long waits. */
  relaxTime?: number;
}

/** A call of the stack made more imports than it may. */
export class TooManyImports extends Error {}

const WIDTHS = [1, 2, 4] as const;

export class HostileMachine implements Machine {
  readonly pc: EmulatedPc;
  readonly kernel: KernelImports & MmioImports;
  readonly lent = new LentMemory();
  /** Memory that the stack asked for without having it granted, and returns of what it did not borrow. */
  readonly refusals: string[] = [];
  /** The same for ports. A stack that was told nonsense of its base addresses tries others, and is refused. */
  readonly portRefusals: string[] = [];
  /** The same for registers in memory. The stack knows what it mapped, whatever it was told. */
  readonly registerRefusals: string[] = [];
  /** Imports called so far. */
  imports = 0;
  /** The number of imports at which the next one throws TooManyImports. */
  importLimit = Infinity;
  /** Called when the stack gave memory back. */
  memoryTakenBack: ((pointer: number, pages: number) => void) | undefined;
  /** A zero was written to memory of the stack's by the memory mutations, for all that the stack knows as a status. */
  wroteZeroToStack = false;

  private readonly mutations: Mutations;
  private readonly devices: readonly HostileDevice[];
  private functions: readonly { pciFunction: PciFunction; configuration: Uint8Array }[] = [];
  /** No device acts while another one does. */
  private isActing = false;

  constructor(options: HostileMachineOptions) {
    this.mutations = options.mutations;
    const { devices, transportOf } = options;
    this.pc = new EmulatedPc({ ...options, devices: transportOf === undefined ? devices : [] });
    if (transportOf !== undefined) {
      for (const device of devices) this.pc.addDevice(device, { transport: transportOf(device) });
    }
    this.pc.powerOn();
    this.devices = devices.map((device) => this.turnHostile(device));
    this.rememberFunctions();
    this.kernel = createHostileKernel({
      inner: this.pc.kernel,
      mutations: this.mutations,
      lent: this.lent,
      isGranted: (port, width) => this.pc.isGranted(port, width),
      memoryRefused: (what) => this.refusals.push(what),
      portRefused: (what) => this.portRefusals.push(what),
      isMapped: (pointer, width) => this.pc.isMapped(pointer, width),
      registerRefused: (what) => this.registerRefusals.push(what),
      mappingCount: () => this.pc.mappingCount,
      enter: () => this.enter(),
      leave: () => this.act(),
      takenBack: (pointer, pages) => this.memoryTakenBack?.(pointer, pages),
      relaxed: () => this.pc.time.advanceTo(this.pc.time.now + (options.relaxTime ?? 0)),
    });
  }

  /** Whether the stack was ever told nonsense of PCI configuration space. */
  get isDeceivedAboutPci(): boolean {
    return this.mutations.appliedAt("configuration read") > 0;
  }

  get name(): string {
    return `hostile ${this.pc.name}`;
  }

  get build(): Build {
    return this.pc.build;
  }

  get memory(): WebAssembly.Memory {
    return this.pc.memory;
  }

  get pciGrant(): PciGrant {
    return this.pc.pciGrant;
  }

  get mmioSlots(): readonly MmioSlot[] {
    return this.pc.mmioSlots;
  }

  get counters(): Readonly<Counters> {
    return this.pc.counters;
  }

  get log(): readonly LogEntry[] {
    return this.pc.log;
  }

  /**
   * The devices keep the rules from now on. Their configurations are as they were at first, and all PCI functions as
   * they are remembered, if the stack was told nonsense of these and may have written some back.
   */
  behave(): void {
    this.mutations.isOn = false;
    for (const device of this.devices) behave(device);
    if (this.isDeceivedAboutPci) this.restoreFunctions();
  }

  /** What `restoreFunctions` restores: at first, what firmware left. */
  rememberFunctions(): void {
    this.functions = Array.from(everything(this.pc.rootBus), ({ pciFunction }) => ({
      pciFunction,
      configuration: pciFunction.configuration.slice(),
    }));
  }

  /** Undoes what the stack did to PCI functions, bridges among them, when it was told nonsense of their registers. */
  restoreFunctions(): void {
    for (const device of this.devices) takeBackLies(device);
    for (const { pciFunction, configuration } of this.functions) pciFunction.poke(0, [...configuration]);
  }

  /** Called before a device is opened: it takes back its lies, and perhaps has others from now on. */
  chooseLies(device: VirtioDevice): void {
    const { mutations } = this;
    const hostile = this.devices.find((each) => each.device === device);
    if (hostile === undefined) throw new Error(`the ${device.kind} device is not hostile`);
    takeBackLies(hostile);
    const aboutRegisters = mutations.at("register lie");
    if (aboutRegisters !== null) mutations.describe(`${device.kind}: ${hostile.registerLies.tell(aboutRegisters)}`);
    const aboutFunction = hostile.capabilityLies === null ? null : mutations.at("capability");
    if (aboutFunction === null) return;
    mutations.describe(`${device.kind}: ${hostile.capabilityLies?.tell(aboutFunction, this.memoryBases())}`);
  }

  /** A moment in which the devices may do something by themselves; between calls of the stack it is the host's to give. */
  act(): void {
    if (this.isActing || !this.mutations.isOn) return;
    this.isActing = true;
    this.actAll();
    this.isActing = false;
  }

  /** Time passes outside of the stack, in which the devices work, whether or not an interrupt is pending. */
  letDevicesWork(nanoseconds: number): void {
    this.act();
    this.pc.relax();
    this.pc.time.advanceTo(this.pc.time.now + nanoseconds);
  }

  reservePrivate(bytes: number): number {
    return this.pc.reservePrivate(bytes);
  }

  setHeapBase(address: number): void {
    this.pc.setHeapBase(address);
  }

  allocateBuffer(bytes: number, options: { scattered?: boolean } = {}): number {
    const pointer = this.pc.allocateBuffer(bytes, options);
    this.lent.lent(pointer, Math.max(1, Math.ceil(bytes / PAGE_BYTES)), "caller");
    return pointer;
  }

  freeBuffer(pointer: number): void {
    const pages = this.lent.takenBack(pointer)?.pages ?? 0;
    this.pc.freeBuffer(pointer);
    this.memoryTakenBack?.(pointer, pages);
  }

  readBuffer(pointer: number, length: number): Uint8Array {
    return this.pc.readBuffer(pointer, length);
  }

  writeBuffer(pointer: number, bytes: Uint8Array): void {
    this.pc.writeBuffer(pointer, bytes);
    this.lent.wrote(pointer, bytes);
  }

  /** The first byte of a range within one loan that the stack changed, as a pointer; -1 when there is none. */
  changedByStack(pointer: number, length: number): number {
    const loan = this.lent.loanAt(pointer);
    if (loan === undefined) return pointer;
    const expected = loan.contents.subarray(pointer - loan.pointer, pointer - loan.pointer + length);
    const difference = firstDifference(this.pc.viewBuffer(pointer, length), expected);
    return difference < 0 ? -1 : pointer + difference;
  }

  /** The stack was allowed to write in this range, and did: its changes are everybody's now. */
  accept(pointer: number, length: number): void {
    this.lent.wrote(pointer, this.pc.viewBuffer(pointer, length));
  }

  grantPorts(base: number, length: number): void {
    this.pc.grantPorts(base, length);
  }

  revokePorts(base: number, length: number): void {
    this.pc.revokePorts(base, length);
  }

  interruptLine(pciAddress: number, interruptPin: number): number {
    return this.pc.interruptLine(pciAddress, interruptPin);
  }

  connectMessages(table: bigint, vectors: number): number[] {
    return this.pc.connectMessages(table, vectors);
  }

  waitForInterrupt(timeoutMilliseconds: number): number[] {
    this.act();
    return this.pc.waitForInterrupt(timeoutMilliseconds);
  }

  close(): void {
    this.pc.close();
  }

  private enter(): void {
    this.imports++;
    if (this.imports > this.importLimit) throw new TooManyImports(`more than ${this.importLimit} imports`);
  }

  private actAll(): void {
    const { mutations } = this;
    const forging = mutations.at("forgery");
    if (forging !== null) mutations.describe(forgeCompletion(this.pickDevice(forging), forging));
    const writing = mutations.at("memory write");
    if (writing !== null) mutations.describe(this.overwrite(writing));
    const behaving = mutations.at("behaviour");
    if (behaving !== null) mutations.describe(misbehave(this.pickDevice(behaving), behaving));
    if (mutations.at("work") !== null) {
      mutations.describe("devices work");
      this.pc.relax();
    }
  }

  private turnHostile(device: VirtioDevice): HostileDevice {
    const transport = this.pc.transportOf(device);
    const registerLies = new RegisterLies(transport);
    makeHostile(device, this.mutations, registerLies);
    device.dma.onWrite = (pointer, length) => this.lent.wrote(pointer, this.pc.viewBuffer(pointer, length));
    return {
      device,
      configuration: device.configuration.bytes.slice(),
      registerLies,
      capabilityLies: isMmio(transport) ? null : new CapabilityLies(this.pc.functionOf(device)),
    };
  }

  /** Where anything in memory space begins, as far as 32 bits can say. */
  private memoryBases(): number[] {
    const bases = this.pc.mmioSlots.map(({ base }) => Number(base));
    for (const { pciFunction } of everything(this.pc.rootBus)) {
      for (const bar of pciFunction.baseAddresses) {
        if (bar.kind !== "io") bases.push(pciFunction.baseAddress(bar) % 2 ** 32);
      }
    }
    return bases;
  }

  private pickDevice(random: Random): VirtioDevice {
    return pick(random, this.devices).device;
  }

  private overwrite(random: Random): string {
    const width = pick(random, WIDTHS);
    const place = this.lent.place(random, width);
    if (place === null) return "nothing is lent";
    const { loan, pointer } = place;
    const bytes = this.pc.readBuffer(pointer, width);
    const view = new DataView(bytes.buffer);
    const before = width === 1 ? view.getUint8(0) : width === 2 ? view.getUint16(0, true) : view.getUint32(0, true);
    const after = otherValue(random, before, width);
    if (width === 1) view.setUint8(0, after);
    else if (width === 2) view.setUint16(0, after, true);
    else view.setUint32(0, after, true);
    this.writeBuffer(pointer, bytes);
    if (loan.owner === "stack" && bytes.includes(0)) this.wroteZeroToStack = true;
    return `${loan.owner}'s memory + ${pointer - loan.pointer}: ${after} for ${before}, ${width} bytes`;
  }
}
