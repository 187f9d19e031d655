/**
 * A machine whose devices are QEMU's own, driven from outside by the qtest protocol: for proof that the stack works
 * with device models that other people wrote. It hosts the ported build; a pointer is a physical address.
 */

import type { Counters, KernelImports, LogEntry, Machine, MmioImports, MmioSlot, PciGrant } from "../machine.js";
import { BOARD_PORTS } from "./board-ports.js";
import { findQemu, HOW_TO_INSTALL_QEMU, qemuVersion } from "./find-qemu.js";
import { Firmware } from "./firmware.js";
import { GrantedKernel, type Refusal } from "./granted-kernel.js";
import { GuestMemory } from "./guest-memory.js";
import { Messages } from "./messages.js";
import { MICROVM_SLOTS } from "./mmio-slots.js";
import { commandLine, driveId, memoryBytes, type Properties, type QemuOptions } from "./options.js";
import { PAGE } from "../grants/page-allocator.js";
import { PrivateRegion } from "../grants/private-region.js";
import { queriedFunctions, type QueriedFunction } from "./pci-query.js";
import { QemuError } from "./qemu-error.js";
import { QemuProcess } from "./qemu-process.js";
import { Qmp, type Json, type JsonObject, type QmpEvent } from "./qmp.js";
import { Qtest } from "./qtest.js";
import { RegisterGrants, type RegisterRange } from "./register-grants.js";

const DEFAULT_TIMEOUT = 10_000;
const DEFAULT_LINEAR_MEMORY_PAGES = 256;
const MSIX_ENTRY_BYTES = 16;
/** Shortest and longest time between looks at messages, in milliseconds. In between it is an eighth of the time waited. */
const SHORTEST_INTERVAL = 0.02;
const LONGEST_INTERVAL = 1;

/** Ports of the `pc` machine's ACPI hot plug: slots as bits, and which bus is meant. */
const ACPI_UP = 0xae00;
const ACPI_DOWN = 0xae04;
const ACPI_EJECT = 0xae08;
const ACPI_HOT_PLUG_BUS = 0xae10;

function program(options: QemuOptions): { path: string; version: string } {
  if (options.program === undefined) {
    const found = findQemu();
    if (found === null) {
      throw new QemuError(`QEMU was not found; ${HOW_TO_INSTALL_QEMU}`);
    }
    return found;
  }
  const version = qemuVersion(options.program);
  if (version === null) {
    throw new QemuError(`${options.program} is no QEMU that runs; ${HOW_TO_INSTALL_QEMU}`);
  }
  return { path: options.program, version };
}

function messageInterval(waited: number): number {
  return Math.min(Math.max(waited / 8, SHORTEST_INTERVAL), LONGEST_INTERVAL);
}

export class QemuMachine implements Machine {
  readonly name: string;
  readonly build = "ported";
  readonly memory: WebAssembly.Memory;
  readonly pciGrant: PciGrant;
  readonly mmioSlots: readonly MmioSlot[];

  private readonly process: QemuProcess;
  private readonly qtest: Qtest;
  private readonly monitor: Qmp;
  private readonly guestMemory: GuestMemory;
  private readonly granted: GrantedKernel;
  private readonly messages: Messages;
  /** Null where there is no PCI. */
  private readonly firmware: Firmware | null;
  /** Inputs of the I/O APIC that devices interrupt at; on others the board itself makes noise. */
  private readonly inputs: ReadonlySet<number>;
  private readonly privateRegion: PrivateRegion;
  private isStarting = true;
  private isClosed = false;

  /**
   * Starts QEMU and prepares the machine as firmware would; returns when it runs. Throws a QemuError that says what is
   * wrong when there is no QEMU or it does not accept the options, and leaves nothing behind then.
   */
  constructor(options: QemuOptions = {}) {
    const bytes = memoryBytes(options);
    const timeout = options.timeout ?? DEFAULT_TIMEOUT;
    const machine = options.machine ?? "pc";
    const pages = options.linearMemoryPages ?? DEFAULT_LINEAR_MEMORY_PAGES;
    const { fixed, free } = BOARD_PORTS[machine];
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.privateRegion = new PrivateRegion(this.memory);
    this.pciGrant = {
      ioBase: free.base,
      ioEnd: free.base + free.length,
      memoryBase: 0xe0000000,
      memoryLast: 0xfebfffff,
    };
    const qemu = program(options);
    this.name = `QEMU ${qemu.version}, ${machine}`;

    this.process = new QemuProcess(qemu.path, bytes, (files) => commandLine(options, files));
    const describe = (what: string): Error => this.describe(what);
    this.qtest = new Qtest(this.process.qtest, timeout, describe);
    this.monitor = new Qmp(this.process.qmp, timeout, describe);
    this.guestMemory = new GuestMemory(this.process.memoryDescriptor, bytes, (address, value) =>
      this.qtest.write16(address, value),
    );
    const registers = new RegisterGrants(() => this.deviceRegisters());
    this.granted = new GrantedKernel(this.qtest, this.guestMemory, registers, fixed);
    this.messages = new Messages(this.guestMemory, (address, value) => this.qtest.write32(address, value));
    this.firmware = machine === "microvm" ? null : new Firmware(machine, this.qtest);
    this.mmioSlots = machine === "microvm" ? MICROVM_SLOTS : [];
    this.inputs = this.firmware?.inputs ?? new Set(this.mmioSlots.map(({ interrupt }) => interrupt));
    try {
      this.qtest.waitUntilReady();
      this.monitor.waitUntilReady();
      this.process.forgetFiles();
      this.qtest.interceptInterrupts();
      this.firmware?.start();
      this.isStarting = false;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get kernel(): KernelImports & MmioImports {
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

  /** What QEMU wrote on stderr: its device models say there what a driver did wrong. Still there after `close`. */
  get stderr(): string {
    return this.process.stderr;
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
    this.checkBuffer(pointer, length);
    return this.guestMemory.read(pointer, length);
  }

  writeBuffer(pointer: number, bytes: Uint8Array): void {
    this.checkBuffer(pointer, bytes.length);
    this.guestMemory.write(pointer, bytes);
  }

  grantPorts(base: number, length: number): void {
    this.granted.ports.grant(base, length);
  }

  revokePorts(base: number, length: number): void {
    this.granted.ports.revoke(base, length);
  }

  /**
   * As `Machine` says: an input of the I/O APIC. Writes the function's Interrupt Line register as well. Throws a
   * RangeError when no numbered bridge leads to the function's bus.
   */
  interruptLine(pciAddress: number, interruptPin: number): number {
    if (this.firmware === null) {
      throw new RangeError("A microvm has no PCI, so no interrupt pins");
    }
    return this.firmware.connect(pciAddress, interruptPin);
  }

  /** As `Machine` says. Throws a RangeError when no such table of the function's is there. */
  connectMessages(table: bigint, vectors: number, pciAddress: number): number[] {
    const first = Number(table);
    const connect = (): number[] => {
      const end = first + vectors * MSIX_ENTRY_BYTES;
      const registers = this.functions().find(({ address }) => address === pciAddress)?.registers ?? [];
      if (!registers.some(({ base, bytes }) => first >= base && end <= base + bytes)) {
        throw new RangeError(`There is no MSI-X table at 0x${table.toString(16)}`);
      }
      return this.messages.connect(first, vectors);
    };
    return this.firmware === null ? connect() : this.firmware.withMemoryDecoded(pciAddress, connect);
  }

  /** As `Machine` says; a line whose device still asserts it is returned again at once. */
  waitForInterrupt(timeoutMilliseconds: number): number[] {
    const start = performance.now();
    this.qtest.receiveInterrupts(0);
    for (;;) {
      const lines = [...this.qtest.assertedInputs].filter((input) => this.inputs.has(input));
      const numbers = [...lines, ...this.messages.take()];
      const waited = performance.now() - start;
      const left = timeoutMilliseconds - waited;
      if (numbers.length > 0 || left <= 0) {
        return numbers;
      }
      // Nobody says that a message came: they have to be looked at, the more rarely the longer it takes.
      this.qtest.receiveInterrupts(this.messages.areConnected ? Math.min(left, messageInterval(waited)) : left);
    }
  }

  /** Runs a QMP command and returns what it returned. Throws a QemuError with QEMU's words when it is refused. */
  qmp(command: string, commandArguments: JsonObject = {}): Json {
    this.throwIfClosed();
    return this.monitor.execute(command, commandArguments);
  }

  /** Every QMP event so far, oldest first. */
  get events(): readonly QmpEvent[] {
    this.throwIfClosed();
    return this.monitor.events;
  }

  /** Changes the size of the block device `id` while it is in use. */
  blockResize(id: string, bytes: number): void {
    this.qmp("block_resize", { device: driveId(id), size: bytes });
  }

  /** Plugs the cable of the net device `id` in or out. */
  setLink(id: string, up: boolean): void {
    this.qmp("set_link", { name: id, up });
  }

  /** Plugs a device in: QEMU's name of the driver, an id, and further properties. Root bus of `pc` only. */
  deviceAdd(driver: string, id: string, properties: Properties = {}): void {
    const given = Object.entries(properties).map(([name, value]): [string, Json] => [
      name,
      typeof value === "object" ? [...value] : value,
    ]);
    this.qmp("device_add", { driver, id, ...Object.fromEntries(given) });
  }

  /**
   * Plugs the device `id` out: asks, agrees in place of an operating system, and returns when it is gone. Root bus of
   * `pc` only. Throws a QemuError when it is still there after the time-out.
   */
  deviceDel(id: string): void {
    const before = this.events.length;
    const slot = (this.pciAddress(id) >> 3) % 32;
    this.qmp("device_del", { id });
    this.eject(2 ** slot);
    if (this.monitor.waitForEvent("DEVICE_DELETED", before, DEFAULT_TIMEOUT) === null) {
      throw new QemuError(`The device ${id} was not unplugged`);
    }
  }

  /**
   * Resets the machine, which keeps its memory: as in S3, devices and bridges have lost all that they were told. Interrupts
   * are routed again, bus numbers and base addresses are not given out.
   */
  powerCycle(): void {
    const before = this.events.length;
    this.qmp("system_reset");
    if (this.monitor.waitForEvent("RESET", before, DEFAULT_TIMEOUT) === null) {
      throw new QemuError("The machine was not reset");
    }
    this.firmware?.start();
  }

  /**
   * What the ACPI hot plug of `pc` says of its root bus: the slots, as bits, whose devices were plugged in since the last
   * call, and those whose devices are to go.
   */
  hotPlugStatus(): { up: number; down: number } {
    this.qtest.out32(ACPI_HOT_PLUG_BUS, 0);
    return { up: this.qtest.in32(ACPI_UP), down: this.qtest.in32(ACPI_DOWN) };
  }

  /** Agrees that the devices in these slots, as bits, of the root bus of `pc` go. */
  eject(slots: number): void {
    this.qtest.out32(ACPI_HOT_PLUG_BUS, 0);
    this.qtest.out32(ACPI_EJECT, slots);
  }

  /** Stops the machine until `resume`. What a device does meanwhile is its own affair: QEMU's disks go on. */
  pause(): void {
    this.qmp("stop");
  }

  resume(): void {
    this.qmp("cont");
  }

  /** Where the device `id` is now (bus × 256 + device × 8 + function). Throws a QemuError when it is not there. */
  pciAddress(id: string): number {
    const found = this.functions().find((each) => each.id === id);
    if (found === undefined) {
      throw new QemuError(`There is no PCI device ${id}`);
    }
    return found.address;
  }

  /** The slot of a microvm that the device `id` is in. Throws a QemuError when it is in none. */
  mmioSlot(id: string): MmioSlot {
    const bus = this.qmp("qom-get", { path: `/machine/peripheral/${id}`, property: "parent_bus" });
    const path = typeof bus === "string" ? bus : "";
    const [, number] = /\/virtio-mmio-bus\.(\d+)$/.exec(path) ?? [];
    const slot = this.mmioSlots[Number(number)];
    if (slot === undefined) {
      throw new QemuError(`The device ${id} is in no slot`);
    }
    return slot;
  }

  /** As `Machine` says. QEMU completes its disk images and capture files first. */
  close(): void {
    if (this.isClosed) {
      return;
    }
    this.isClosed = true;
    this.granted.close();
    this.process.close(() => this.monitor.execute("quit"));
  }

  private functions(): QueriedFunction[] {
    return queriedFunctions(this.qmp("query-pci"));
  }

  /** Where virtio devices have registers in memory. */
  private deviceRegisters(): RegisterRange[] {
    const ofSlots = this.mmioSlots.map(({ base, bytes }) => ({ base: Number(base), bytes }));
    const ofFunctions = this.functions().filter(({ isVirtio }) => isVirtio);
    return [...ofSlots, ...ofFunctions.flatMap(({ registers }) => registers)];
  }

  private checkBuffer(pointer: number, length: number): void {
    if (!this.granted.isLent(pointer, length)) {
      throw new RangeError(`The ${length} bytes at 0x${pointer.toString(16)} are not all in lent pages`);
    }
  }

  private throwIfClosed(): void {
    if (this.isClosed) {
      throw new QemuError("The machine is closed");
    }
  }

  private describe(what: string): Error {
    const words = this.stderr.trim();
    const event = this.isStarting ? `QEMU did not start (${what})` : what;
    return new QemuError(words === "" ? `${event}; it wrote nothing on stderr` : `${event}; it wrote: ${words}`);
  }
}
