/** The emulated PC as a ground for the behaviour cases: a fresh machine for each of them. */

import { describeViolation } from "../../kernel-shim/emulated-pc/violations.js";
import type { BlockBackEnd } from "../../kernel-shim/emulated-pc/block/back-end.js";
import { BlockDevice, type ScsiAnswer, type ScsiCommand } from "../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EntropyDevice } from "../../kernel-shim/emulated-pc/entropy/device.js";
import type { Completion } from "../../kernel-shim/emulated-pc/completion.js";
import { EmulatedPc } from "../../kernel-shim/emulated-pc/machine.js";
import type { NetworkBackend, NetworkPort } from "../../kernel-shim/emulated-pc/net/backend.js";
import { NetDevice } from "../../kernel-shim/emulated-pc/net/device.js";
import { Hub } from "../../kernel-shim/emulated-pc/net/hub.js";
import type { ForeignMemories, ForeignMemory } from "../../kernel-shim/emulated-pc/memory/machine-memory.js";
import { PciBridge, type PciBus } from "../../kernel-shim/emulated-pc/pci/bus.js";
import { type Profile, type ProfileName, profiles } from "../../kernel-shim/emulated-pc/profiles.js";
import { VIRTIO_F_VERSION_1 } from "../../kernel-shim/emulated-pc/virtio/constants.js";
import type { VirtioDevice, VirtioDeviceOptions } from "../../kernel-shim/emulated-pc/virtio/device.js";
import { isMmio, type Transport } from "../../kernel-shim/emulated-pc/virtio/transport.js";
import { TransportWanted, type DeviceOptions, type VirtioStack } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import type { Build } from "../../kernel-shim/machine.js";
import type {
  Capability,
  CardDescription,
  Case,
  DiskDescription,
  Ground,
  ReceiveFilters,
  Setting,
  TestCard,
  TestDisk,
  TestEntropy,
} from "../cases/context.js";
import * as bits from "../cases/features.js";
import { countLentPages } from "../cases/pages.js";
import { initialSectors } from "../cases/pattern.js";

const SECTOR_BYTES = 512;
const DEFAULT_SECTORS = 2048;
/** On the bus of the outer bridge. */
const INNER_BRIDGE_SLOT = 9;
const MEMORY_BYTES = 32 * 1024 * 1024;
/** The part of it that is the stack's alone. */
const PRIVATE_BYTES = MEMORY_BYTES / 4;
const WASM_PAGE_BYTES = 65536;

const PORTED_CANNOT: ReadonlyMap<Capability, string> = new Map([
  ["scattered memory", "pointers are physical addresses in the ported build"],
]);
const MAPPED_CANNOT: ReadonlyMap<Capability, string> = new Map();

const FEATURE_BITS: Readonly<Record<keyof bits.OfferedFeatures, bigint>> = {
  anyLayout: bits.VIRTIO_F_ANY_LAYOUT,
  indirect: bits.VIRTIO_F_INDIRECT_DESC,
  eventIndex: bits.VIRTIO_F_EVENT_IDX,
  mergeable: bits.VIRTIO_NET_F_MRG_RXBUF,
  status: bits.VIRTIO_NET_F_STATUS,
  controlQueue: bits.VIRTIO_NET_F_CTRL_VQ,
  receiveModes: bits.VIRTIO_NET_F_CTRL_RX,
  extraModes: bits.VIRTIO_NET_F_CTRL_RX_EXTRA,
  vlans: bits.VIRTIO_NET_F_CTRL_VLAN,
  macAddress: bits.VIRTIO_NET_F_CTRL_MAC_ADDR,
  announce: bits.VIRTIO_NET_F_GUEST_ANNOUNCE,
};

/** Entries of a control queue where the profile has none. */
const CONTROL_QUEUE_SIZE = 64;

/** The host's features with those that the case chose, as 32 bits. */
function offered(host: number, offers: bits.OfferedFeatures = {}, also = 0n): number {
  let features = BigInt(host >>> 0) | also;
  for (const [name, bit] of Object.entries(FEATURE_BITS)) {
    const isOffered = offers[name as keyof bits.OfferedFeatures];
    if (isOffered === true) features |= bit;
    if (isOffered === false) features &= ~bit;
  }
  return Number(features);
}

/** A disk of any size in which only what was written takes memory. */
class SparseDisk implements BlockBackEnd {
  readonly isReadOnly = false;
  private readonly written = new Map<number, Uint8Array>();

  constructor(public sectors: number) {}

  read(sector: number, target: Uint8Array): void {
    for (let offset = 0; offset < target.length; offset += SECTOR_BYTES, sector++) {
      const bytes = this.written.get(sector);
      if (bytes === undefined) target.fill(0, offset, offset + SECTOR_BYTES);
      else target.set(bytes, offset);
    }
  }

  write(sector: number, source: Uint8Array): void {
    for (let offset = 0; offset < source.length; offset += SECTOR_BYTES, sector++) {
      this.written.set(sector, source.slice(offset, offset + SECTOR_BYTES));
    }
  }

  discard(sector: number, sectors: number): void {
    for (let index = 0; index < sectors; index++) this.written.delete(sector + index);
  }

  flush(): void {
    // Nothing is more stable than this memory.
  }

  resize(sectors: number): void {
    this.sectors = sectors;
  }

  close(): void {
    // Nothing to let go of.
  }
}

/** Whether a device is memory-mapped. */
function isInSlot(machine: EmulatedPc, device: VirtioDevice): boolean {
  return isMmio(machine.transportOf(device));
}

/** Where a device is, as a PCI address, or what stands for one. */
function addressOf(machine: EmulatedPc, device: VirtioDevice): number {
  if (!isInSlot(machine, device)) return machine.addressOf(device);
  return Number(BigInt.asUintN(32, machine.slotOf(device).base));
}

/** How the stack is told where a memory-mapped device is; nothing of others. */
function openOptionsOf(
  machine: EmulatedPc,
  device: VirtioDevice,
  vectors: number | undefined,
): Partial<DeviceOptions> | undefined {
  if (!isInSlot(machine, device)) return vectors === undefined ? undefined : { vectors };
  const { base, bytes } = machine.slotOf(device);
  return { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: bytes };
}

/** The SCSI commands that cases know. */
function performScsi({ command, dataOut }: ScsiCommand): ScsiAnswer {
  if (command[0] === 0x12) return { errors: 0, dataIn: Uint8Array.from({ length: 36 }, (_, index) => index) };
  if (command[0] === 0x3b && dataOut.length > 0) return { errors: 0 };
  return { errors: 2, sense: new Uint8Array(18).fill(0x70, 0, 1) };
}

class EmulatedDisk implements TestDisk {
  readonly device: BlockDevice;
  private readonly backEnd: BlockBackEnd;

  constructor(
    readonly description: DiskDescription,
    profile: Profile,
    private readonly machine: EmulatedPc,
    private readonly vectors: number | undefined,
  ) {
    const { sectors = DEFAULT_SECTORS, content, readOnly = false, serial, offers, queueSize } = description;
    const { blockSize, segMax, sizeMax, failingSectors, discard, writeZeroes, secureErase, lifetime } = description;
    const { barrier = false, scsi = false } = description;
    this.backEnd = content === "zeros" ? new SparseDisk(sectors) : new MemoryDisk(initialSectors(0, sectors), readOnly);
    const also =
      (readOnly ? bits.VIRTIO_BLK_F_RO : 0n) |
      (blockSize === undefined ? 0n : bits.VIRTIO_BLK_F_BLK_SIZE) |
      (segMax === undefined ? 0n : bits.VIRTIO_BLK_F_SEG_MAX) |
      (sizeMax === undefined ? 0n : bits.VIRTIO_BLK_F_SIZE_MAX) |
      (discard === undefined ? 0n : bits.VIRTIO_BLK_F_DISCARD) |
      (writeZeroes === undefined ? 0n : bits.VIRTIO_BLK_F_WRITE_ZEROES) |
      (secureErase === undefined ? 0n : bits.VIRTIO_BLK_F_SECURE_ERASE) |
      (lifetime === undefined ? 0n : bits.VIRTIO_BLK_F_LIFETIME) |
      (barrier ? bits.VIRTIO_BLK_F_BARRIER : 0n) |
      (scsi ? bits.VIRTIO_BLK_F_SCSI : 0n);
    const common: VirtioDeviceOptions = {
      features: offered(profile.block.features + profile.ringFeatures, offers, also),
      ...(queueSize === undefined ? {} : { queueSizes: [queueSize] }),
    };
    this.device = new BlockDevice({
      ...common,
      backEnd: this.backEnd,
      ...(serial === undefined ? {} : { serial }),
      ...(blockSize === undefined ? {} : { blockSize }),
      ...(segMax === undefined ? {} : { segMax }),
      ...(sizeMax === undefined ? {} : { sizeMax }),
      ...(discard === undefined ? {} : { discard: { ranges: 1, ...discard } }),
      ...(writeZeroes === undefined ? {} : { writeZeroes: { ranges: 1, ...writeZeroes } }),
      ...(secureErase === undefined ? {} : { secureErase: { ranges: 1, ...secureErase } }),
      ...(lifetime === undefined ? {} : { lifetime }),
      ...(scsi ? { scsi: performScsi } : {}),
    });
    if (failingSectors !== undefined) {
      const IOERR = 1;
      this.device.onRequest = (request) => {
        const sectorsMoved = Math.max(request.readableBytes, request.writableBytes) / SECTOR_BYTES;
        const fails = failingSectors.some((bad) => bad >= request.sector && bad < request.sector + sectorsMoved);
        return fails ? { status: IOERR } : undefined;
      };
    }
  }

  get pciAddress(): number {
    return addressOf(this.machine, this.device);
  }

  get openOptions(): Partial<DeviceOptions> | undefined {
    return openOptionsOf(this.machine, this.device, this.vectors);
  }

  contents(firstSector: number, sectors: number): Uint8Array {
    const bytes = new Uint8Array(sectors * SECTOR_BYTES);
    this.backEnd.read(firstSector, bytes);
    return bytes;
  }

  resize(sectors: number): void {
    this.device.resize(sectors);
  }
}

/** The other end of a card's cable, in the hands of the case. */
class Peer implements NetworkBackend {
  private port: NetworkPort | null = null;
  private sent: Uint8Array[] = [];

  attach(port: NetworkPort): void {
    this.port = port;
  }

  send(frame: Uint8Array): void {
    this.sent.push(frame);
  }

  takeSent(): Uint8Array[] {
    const { sent } = this;
    this.sent = [];
    return sent;
  }

  deliver(frame: Uint8Array): void {
    this.port?.receive(frame);
  }
}

class EmulatedCard implements TestCard {
  readonly device: NetDevice;
  private readonly peer = new Peer();

  constructor(
    readonly description: CardDescription,
    profile: Profile,
    private readonly machine: EmulatedPc,
    network: NetworkBackend | undefined,
    index: number,
    private readonly vectors: number | undefined,
  ) {
    const { mac, mtu, queueSize, queueSizeMin = 0, offers, offloads = false } = description;
    const { net } = profile;
    const receiveQueueSize = queueSize ?? Math.max(net.receiveQueueSize, queueSizeMin);
    const transmitQueueSize = queueSize ?? Math.max(net.transmitQueueSize, queueSizeMin);
    const also =
      (mtu === undefined ? 0n : bits.VIRTIO_NET_F_MTU) |
      (offloads ? bits.TRANSMIT_OFFLOADS | bits.RECEIVE_OFFLOADS : 0n);
    let features = offered(net.features + profile.ringFeatures, offers, also);
    if (mac === null) features = Number(BigInt(features) & ~bits.VIRTIO_NET_F_MAC);
    if (typeof mac === "string") features = Number(BigInt(features) | bits.VIRTIO_NET_F_MAC);
    // HOST_USO, in the word above that of all other offloads.
    const modern = VIRTIO_F_VERSION_1 + profile.modernFeatures + Number(bits.VIRTIO_NET_F_HOST_USO);
    this.device = new NetDevice({
      features,
      ...(offloads ? { modernFeatures: modern } : {}),
      queueSizes: [receiveQueueSize, transmitQueueSize, net.controlQueueSize || CONTROL_QUEUE_SIZE],
      backend: network ?? this.peer,
      mac: mac ?? `52:54:00:12:34:${(0x56 + index).toString(16)}`,
      ...(mtu === undefined ? {} : { mtu }),
    });
  }

  get pciAddress(): number {
    return addressOf(this.machine, this.device);
  }

  get openOptions(): Partial<DeviceOptions> | undefined {
    return openOptionsOf(this.machine, this.device, this.vectors);
  }

  takeSent(): Uint8Array[] {
    return this.peer.takeSent();
  }

  deliver(frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.peer.deliver(frame);
  }

  setLink(up: boolean): void {
    this.device.setLink(up);
  }

  announce(): void {
    this.device.requestAnnouncement();
  }

  filters(): ReceiveFilters {
    const { mac, filters } = this.device;
    return { ...filters, mac };
  }
}

class EmulatedEntropy implements TestEntropy {
  readonly device = new EntropyDevice();

  constructor(
    private readonly machine: EmulatedPc,
    private readonly vectors: number | undefined,
  ) {}

  get pciAddress(): number {
    return addressOf(this.machine, this.device);
  }

  get openOptions(): Partial<DeviceOptions> | undefined {
    return openOptionsOf(this.machine, this.device, this.vectors);
  }
}

/**
 * The memory of one machine after the other: fresh ones for each of thousands of cases would cost as much time as the
 * cases. A machine clears what it lends, to the stack and to devices; what the module brings along is cleared here.
 */
class ReusedMemory {
  private readonly linear: WebAssembly.Memory;
  private readonly physical: ArrayBuffer;

  constructor(private readonly build: Build) {
    const pages = (build === "mapped" ? MEMORY_BYTES : PRIVATE_BYTES) / WASM_PAGE_BYTES;
    this.linear = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.physical = new ArrayBuffer(build === "mapped" ? 0 : MEMORY_BYTES - PRIVATE_BYTES);
  }

  clear(): ForeignMemory | ForeignMemories {
    const { linear: memory, physical } = this;
    new Uint8Array(memory.buffer, 0, PRIVATE_BYTES).fill(0);
    return this.build === "mapped" ? { memory, poolStart: PRIVATE_BYTES, poolEnd: MEMORY_BYTES } : { memory, physical };
  }
}

class EmulatedSetting implements Setting {
  readonly machine: EmulatedPc;
  readonly stack: VirtioStack;
  readonly disks: readonly EmulatedDisk[];
  readonly cards: readonly EmulatedCard[];
  readonly entropySources: readonly EmulatedEntropy[];
  readonly lentPages: () => number;
  readonly hasSlowRegisters: boolean;
  private violationsSeen = 0;

  constructor(host: Host, completion: Completion, memory: ForeignMemory | ForeignMemories, wanted: Case) {
    const { build, transport, vectors } = host;
    const profile = profiles[host.profile];
    const firmware = wanted.isUnassigned !== true;
    const shown = transport === undefined ? {} : { transport };
    this.machine = new EmulatedPc({ build, profile, completion, firmware, memory, ...shown });
    this.hasSlowRegisters = (transport ?? profile.transport) === "modern-window";
    const { machine } = this;
    const networks = new Map<string, Hub>();
    const socketOf = (name: string | undefined): NetworkBackend | undefined => {
      if (name === undefined) return undefined;
      const hub = networks.get(name) ?? new Hub();
      networks.set(name, hub);
      return hub.socket();
    };
    this.disks = (wanted.disks ?? []).map((disk) => new EmulatedDisk(disk, profile, machine, vectors));
    this.cards = (wanted.cards ?? []).map(
      (card, index) => new EmulatedCard(card, profile, machine, socketOf(card.network), index, vectors),
    );
    const sources = Array.from({ length: wanted.entropySources ?? 0 });
    this.entropySources = sources.map(() => new EmulatedEntropy(machine, vectors));
    const buses = this.buses(Math.max(0, ...this.disks.map(({ description }) => description.bridges ?? 0)));
    for (const { device, description } of this.disks) {
      const bus = buses[description.bridges ?? 0];
      machine.addDevice(device, bus === undefined ? {} : { bus });
    }
    for (const { device } of [...this.cards, ...this.entropySources]) machine.addDevice(device);
    this.lentPages = countLentPages(machine.kernel);
    const { arenaBytes } = wanted;
    this.stack = loadStack(machine, undefined, arenaBytes === undefined ? {} : { arenaBytes });
    this.stack.scan();
  }

  /** The root bus, and as many behind it as there shall be bridges: the machine's own first. */
  private buses(depth: number): PciBus[] {
    const buses = [this.machine.rootBus];
    let next = this.machine.bridge;
    while (buses.length <= depth) {
      if (next === null) {
        next = new PciBridge({ name: "inner bridge", vendorId: 0x1b36, deviceId: 0x0001, classCode: 0x06_04_00 });
        this.machine.addFunction(next, buses.at(-1) ?? this.machine.rootBus, INNER_BRIDGE_SLOT);
      }
      buses.push(next.bus);
      next = null;
    }
    return buses;
  }

  letDevicesWork(): void {
    const { machine } = this;
    machine.relax();
    // Straight on to what happens next, instead of a thousand turns in which nothing does.
    if (!machine.time.isIdle) machine.time.advanceTo(machine.time.next);
  }

  powerCycle(): void {
    this.machine.powerCycle();
  }

  takeComplaints(): string[] {
    const violations = this.machine.violations.slice(this.violationsSeen);
    this.violationsSeen += violations.length;
    return violations.map(describeViolation);
  }
}

/** A kind of machine, and what runs on it. */
export interface Host {
  readonly build: Build;
  readonly profile: ProfileName;
  /** How its devices are shown; as the profile says unless given. */
  readonly transport?: Transport;
  /** Message vectors that are programmed for each device; an interrupt line unless given. */
  readonly vectors?: number;
}

/** One build on one kind of host. */
export class EmulatedGround implements Ground {
  readonly name: string;
  readonly cannot: ReadonlyMap<Capability, string>;
  /** Virtual time, of which a request takes 0.2 milliseconds at most. */
  readonly patienceMilliseconds = 200;
  private memory: ReusedMemory | undefined;

  constructor(
    private readonly host: Host,
    private readonly completion: Completion,
    readonly effort: number,
  ) {
    const { build, profile, transport, vectors } = host;
    const shown = transport === undefined ? "" : ` as ${transport}`;
    const told = vectors === undefined ? "" : ` with ${vectors} message vectors`;
    this.name = `emulated PC, ${build}, profile ${profile}${shown}${told}, ${completion}`;
    const cannot = new Map(build === "mapped" ? MAPPED_CANNOT : PORTED_CANNOT);
    const way = transport ?? profiles[profile].transport;
    if (isMmio(way)) cannot.set("PCI", "its devices are memory-mapped");
    if (way !== "legacy" && way !== "mmio-1") cannot.set("legacy devices", "its devices offer VERSION_1");
    this.cannot = cannot;
  }

  prepare(wanted: Case): Setting {
    this.memory ??= new ReusedMemory(this.host.build);
    return new EmulatedSetting(this.host, this.completion, this.memory.clear(), wanted);
  }

  release(setting: Setting): void {
    setting.machine.close();
  }

  close(): void {
    this.memory = undefined;
  }
}
