/**
 * What the behaviour cases need of the ground they run on. A case is written once, as a function of a context; the
 * emulated PC, QEMU and v86 each make contexts. What a ground cannot do it names, and cases that need it are reported as
 * skipped, with the reason.
 */

import assert from "node:assert/strict";
import { BlockDevice, EntropyDevice, NetDevice } from "../../kernel-shim/javascript/index.js";
import type {
  BlockOptions,
  Device,
  DeviceOptions,
  EntropyOptions,
  NetOptions,
  VirtioStack,
} from "../../kernel-shim/javascript/index.js";
import type { LogEntry, Machine } from "../../kernel-shim/machine.js";
import type { OfferedFeatures } from "./features.js";

/** What not every ground can do. */
export type Capability =
  /** Devices with a SIZE_MAX or SEG_MAX of the case's choice. */
  | "segment limits"
  /** Disks that take several ranges at once or want them aligned, or have SECURE_ERASE, LIFETIME, BARRIER or SCSI. */
  | "further disk commands"
  /** Network cards whose transmit ring has a size of the case's choice, or a receive ring of fewer than 256 entries. */
  | "small network rings"
  /** A card without a MAC address of its own. */
  | "card without address"
  /** Cards that finish frames which are sent, and hand over frames that are not finished. */
  | "offloads"
  /** Memory whose pages are physically apart although their pointers are consecutive. */
  | "scattered memory"
  /** Devices that are PCI functions. */
  | "PCI"
  /** Devices behind as many bridges as the case wants. */
  | "bridges"
  /** A machine that loses power but for its memory, as in S3. */
  | "power cycle"
  /** Devices without VERSION_1. */
  | "legacy devices";

/** How much of an operation on ranges a disk takes at once. */
export interface RangeLimits {
  sectors: number;
  /** 1 when left out; others need "further disk commands". */
  ranges?: number;
  /** Sectors: needs "further disk commands". */
  alignment?: number;
}

/** A disk as the case wants it. What is left out is as the host has it. */
export interface DiskDescription {
  /** Capacity in sectors of 512 bytes; 2048 when left out. */
  sectors?: number;
  /** `pattern`: each sector holds `initialSectors`. `zeros`: nothing is stored, so that a disk can be huge. */
  content?: "pattern" | "zeros";
  readOnly?: boolean;
  /** Up to 20 characters. */
  serial?: string;
  /** Bytes of a logical block: offered as BLK_SIZE. */
  blockSize?: number;
  queueSize?: number;
  /** Needs "segment limits". */
  segMax?: number;
  /** Needs "segment limits". */
  sizeMax?: number;
  /** Sectors that can neither be read nor written. */
  failingSectors?: readonly number[];
  /** Offers DISCARD with these limits. */
  discard?: RangeLimits;
  /** Offers WRITE_ZEROES with these limits. */
  writeZeroes?: RangeLimits;
  /** Offers SECURE_ERASE with these limits: needs "further disk commands". */
  secureErase?: RangeLimits;
  /** Offers LIFETIME with these numbers: needs "further disk commands". */
  lifetime?: readonly [preEndOfLife: number, typeA: number, typeB: number];
  /** Offers BARRIER to legacy drivers: needs "further disk commands". */
  barrier?: boolean;
  /**
   * Offers SCSI to legacy drivers, with two commands: 0x12 reads 36 bytes that count from 0, and 0x3b writes; any other fails
   * with errors 2 and 18 bytes of sense data that begin with 0x70. Needs "further disk commands".
   */
  scsi?: boolean;
  offers?: OfferedFeatures;
  /** How many bridges lead from the root bus to the disk, one behind the other; 0 to 2, 0 when left out. */
  bridges?: number;
}

/** A network card as the case wants it. */
export interface CardDescription {
  /** Six octets, in hexadecimal with colons; `null`: the device has no address, which needs "card without address". */
  mac?: string | null;
  /** Offered as MTU. */
  mtu?: number;
  /** Entries of both rings: needs "small network rings". */
  queueSize?: number;
  /** Entries that both rings have at least, up to 256. */
  queueSizeMin?: number;
  offers?: OfferedFeatures;
  /** Offers CSUM, HOST_TSO4, HOST_TSO6, HOST_ECN, HOST_UFO, and the same of GUEST: needs "offloads". */
  offloads?: boolean;
  /** Cards with the same name are linked to each other, and not to a peer of the case's. */
  network?: string;
}

/** How the stack is to open a device; nothing special when absent. */
interface Opened {
  readonly openOptions?: Partial<DeviceOptions> | undefined;
}

/** The disk behind a device, seen from outside the machine. */
export interface TestDisk extends Opened {
  /** Where it is now: bridges may have got their numbers meanwhile. */
  readonly pciAddress: number;
  readonly description: DiskDescription;
  /** What is stored, past all drivers. */
  contents(firstSector: number, sectors: number): Uint8Array;
  /** Changes the capacity; the device tells the driver. */
  resize(sectors: number): void;
}

/** A network card, seen from the other end of its cable. */
export interface TestCard extends Opened {
  readonly pciAddress: number;
  readonly description: CardDescription;
  /** Frames that the guest sent and nobody has taken yet, oldest first. */
  takeSent(): Uint8Array[];
  /** Sends frames to the guest. What the card cannot store may be lost. */
  deliver(frames: readonly Uint8Array[]): void;
  setLink(up: boolean): void;
  /** Asks the driver to announce itself. Only of a card that was offered with `announce`. */
  announce(): void;
  /** What the card lets in. Only of a card that was offered with `receiveModes`. */
  filters(): ReceiveFilters;
}

/** Which frames a card lets in, as its device says. */
export interface ReceiveFilters {
  readonly mac: string;
  readonly modes: ReadonlySet<"promisc" | "allmulti" | "alluni" | "nomulti" | "nouni" | "nobcast">;
  /** Addresses of stations and groups beside the card's own. */
  readonly table: ReadonlySet<string>;
  readonly vlans: ReadonlySet<number> | "all";
}

/** An entropy device; what its bytes are nobody can know. */
export interface TestEntropy extends Opened {
  readonly pciAddress: number;
}

/** A machine with the devices that a case asked for. */
export interface Setting {
  readonly machine: Machine;
  readonly stack: VirtioStack;
  readonly disks: readonly TestDisk[];
  readonly cards: readonly TestCard[];
  readonly entropySources: readonly TestEntropy[];
  /** Gives devices time to do the next thing they have to do. */
  letDevicesWork(): void;
  /** Takes the power from everything but memory for a moment, and does afterwards what is the kernel's to do. */
  powerCycle?(): void;
  /** Pages that the stack has borrowed and not given back. */
  lentPages(): number;
  /** What the machine holds against the stack since the last call: broken rules, refused accesses. */
  takeComplaints(): string[];
  /** Whether one access of a register takes several, as through the configuration space of a modern device. */
  readonly hasSlowRegisters?: boolean;
}

/** How often registers were accessed, whichever way. */
export interface RegisterAccesses {
  readonly reads: number;
  readonly writes: number;
}

/** One thing that the stack does, on whatever machine. */
export interface Case {
  /** The behaviour, or the rule of a specification. */
  readonly name: string;
  readonly needs?: readonly Capability[];
  readonly disks?: readonly DiskDescription[];
  readonly cards?: readonly CardDescription[];
  /** How many entropy devices there are. */
  readonly entropySources?: number;
  /** Nobody has given out bus numbers and base addresses when the case begins. */
  readonly isUnassigned?: boolean;
  /** Bytes of the stack's private memory, where the binding's default will not do. */
  readonly arenaBytes?: number;
  readonly run: (context: CaseContext) => void;
}

/** A kind of machine to run cases on. */
export interface Ground {
  /** For people: "emulated PC, mapped, profile qemu, immediate". */
  readonly name: string;
  /** What it cannot do, and why. */
  readonly cannot: ReadonlyMap<Capability, string>;
  /** Why it has no machine with the devices that a case describes; `undefined` when it has. Absent: any will do. */
  lacks?(wanted: Case): string | undefined;
  /** Share of the long cases' repetitions: 1 is all of them. */
  readonly effort: number;
  /** How long a device may take for a batch of requests, in the machine's time. */
  readonly patienceMilliseconds: number;
  /** A machine as the case wants it; may be one that an earlier case used and left clean. */
  prepare(wanted: Case): Setting;
  /** The case is over; a machine that it left unclean is not used again. */
  release(setting: Setting, isClean: boolean): void;
  close(): void;
}

/** How much longer than one request a long case may take. */
const LONG_CASE = 100;

export class CaseContext {
  readonly machine: Machine;
  readonly stack: VirtioStack;
  /** Messages that the case makes the stack log; any other is an error. */
  readonly expectedLog: LogEntry[] = [];
  private readonly buffers = new Set<number>();
  private readonly pagesBefore: number;
  private readonly logBefore: number;

  constructor(
    private readonly setting: Setting,
    private readonly ground: Ground,
  ) {
    this.machine = setting.machine;
    this.stack = setting.stack;
    this.pagesBefore = setting.lentPages();
    this.logBefore = this.machine.log.length;
  }

  disk(index = 0): TestDisk {
    return at(this.setting.disks, index);
  }

  card(index = 0): TestCard {
    return at(this.setting.cards, index);
  }

  openDisk(index = 0, options?: Partial<BlockOptions>): BlockDevice {
    const { pciAddress, openOptions } = this.disk(index);
    return this.stack.openBlock(pciAddress, openOptions === undefined ? options : { ...openOptions, ...options });
  }

  openCard(index = 0, options?: Partial<NetOptions>): NetDevice {
    const { pciAddress, openOptions } = this.card(index);
    return this.stack.openNet(pciAddress, openOptions === undefined ? options : { ...openOptions, ...options });
  }

  openEntropy(index = 0, options?: Partial<EntropyOptions>): EntropyDevice {
    const { pciAddress, openOptions } = at(this.setting.entropySources, index);
    return this.stack.openEntropy(pciAddress, openOptions === undefined ? options : { ...openOptions, ...options });
  }

  /** Device-reachable memory until the end of the case. */
  allocate(bytes: number, options?: { scattered?: boolean }): number {
    const pointer = this.machine.allocateBuffer(bytes, options);
    this.buffers.add(pointer);
    return pointer;
  }

  /** Gives memory back before the end of the case. */
  free(pointer: number): void {
    this.buffers.delete(pointer);
    this.machine.freeBuffer(pointer);
    this.stack.exports.forget_translations();
  }

  /** How often a long case repeats itself here. */
  repetitions(full: number): number {
    return Math.ceil(full * this.ground.effort);
  }

  /** Lets devices work until `condition` holds, by polling alone; fails when it never does. */
  waitUntil(condition: () => boolean, what: string): void {
    this.wait(condition, what, this.ground.patienceMilliseconds);
  }

  /** As `waitUntil`, for thousands of requests. */
  waitLongUntil(condition: () => boolean, what: string): void {
    this.wait(condition, what, this.ground.patienceMilliseconds * LONG_CASE);
  }

  /** Waits for one interrupt, which must be the device's, and says what it means: bits of Interrupt. */
  takeInterrupt(device: Device, milliseconds: number): number {
    const numbers = this.machine.waitForInterrupt(milliseconds);
    assert.equal(numbers.length, 1, "one interrupt line, or one message");
    const bits = device.claim(numbers[0] ?? 0);
    assert.ok(bits !== undefined, "the device's own");
    return bits;
  }

  /** What the device has to say at the moment, by its interrupt line or by messages: bits of Interrupt. */
  pendingInterrupt(device: Device): number {
    if (device.messages.length === 0) return device.interrupt();
    return this.machine.waitForInterrupt(0).reduce((bits, number) => bits | (device.claim(number) ?? 0), 0);
  }

  /** Gives devices time to do what they should not do. */
  letTimePass(milliseconds = 2): void {
    const { kernel } = this.machine;
    const deadline = kernel.now_ns() + BigInt(milliseconds * 1_000_000);
    while (kernel.now_ns() < deadline) this.setting.letDevicesWork();
  }

  /** Needs "power cycle". */
  powerCycle(): void {
    assert.ok(this.setting.powerCycle !== undefined);
    this.setting.powerCycle();
  }

  /** Fails when `calls` access a register, whichever way. */
  assertTouchesNothing(calls: () => void): void {
    const { counters } = this.machine;
    const before = { ...counters };
    calls();
    const { portReads, portWrites, mmioReads, mmioWrites, configurationReads, configurationWrites } = before;
    const expected = { portReads, portWrites, mmioReads, mmioWrites, configurationReads, configurationWrites };
    assert.deepEqual({ ...counters }, { ...counters, ...expected }, "accesses of registers");
  }

  get registerAccesses(): RegisterAccesses {
    const { portReads, portWrites, mmioReads, mmioWrites } = this.machine.counters;
    return { reads: portReads + mmioReads, writes: portWrites + mmioWrites };
  }

  /** Registers were accessed this often since the machine began, where each access is one. */
  assertAccesses(expected: Partial<RegisterAccesses>): void {
    if (this.setting.hasSlowRegisters === true) return;
    const { reads, writes } = this.registerAccesses;
    if (expected.reads !== undefined) assert.equal(reads, expected.reads, "reads of registers");
    if (expected.writes !== undefined) assert.equal(writes, expected.writes, "writes of registers");
  }

  /** Pages that the stack has borrowed since the case began. */
  get lentPages(): number {
    return this.setting.lentPages() - this.pagesBefore;
  }

  /** What the machine holds against the stack, for cases that provoke it. */
  takeComplaints(): string[] {
    return this.setting.takeComplaints();
  }

  /** The devices that the case asked for, disks first. */
  get devices(): readonly (TestDisk | TestCard)[] {
    return [...this.setting.disks, ...this.setting.cards];
  }

  /** Closes what the case left open, and checks that nothing is left and that nobody complains. */
  finish(): void {
    for (const device of this.stack.openDevices()) closeCompletely(device);
    for (const pointer of this.buffers) this.free(pointer);
    assert.deepEqual(this.setting.takeComplaints(), [], "the machine has complaints about the stack");
    assert.deepEqual(this.machine.log.slice(this.logBefore), this.expectedLog, "messages that the stack logged");
    assert.equal(this.lentPages, 0, "pages that the stack did not give back");
  }

  private wait(condition: () => boolean, what: string, milliseconds: number): void {
    const { kernel } = this.machine;
    if (condition()) return;
    const deadline = kernel.now_ns() + BigInt(milliseconds) * 1_000_000n;
    do {
      this.setting.letDevicesWork();
      if (condition()) return;
    } while (kernel.now_ns() < deadline);
    assert.fail(`${what} did not happen within ${milliseconds / 1000} seconds`);
  }
}

/** Closes a device and takes everything that is still out. */
export function closeCompletely(device: Device): void {
  device.close();
  if (!device.isGone && (device instanceof BlockDevice || device instanceof EntropyDevice)) device.poll();
  if (!device.isGone && device instanceof NetDevice) device.reclaim();
  assert.ok(device.isGone, "a closed device still waits for something");
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new RangeError(`the case asked for fewer than ${index + 1} of these devices`);
  return item;
}
