/**
 * QEMU as a ground for the behaviour cases. Disks are files that the case looks at from outside; network cards sit on
 * a hub of QEMU's whose traffic is diverted to a pipe and a file, because both can be used without waiting.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { TransportWanted, type DeviceOptions } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import type {
  BlockDevice,
  EntropyDevice,
  NetDevice,
  Properties,
  QemuDevice,
  QemuOptions,
} from "../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";
import { sleep } from "../../kernel-shim/qemu/sleep.js";
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
import type { OfferedFeatures } from "../cases/features.js";
import { countLentPages } from "../cases/pages.js";
import { initialSectors } from "../cases/pattern.js";

const SECTOR_BYTES = 512;
const DEFAULT_SECTORS = 2048;
/** A frame in the pipe and in the file comes behind its length, big-endian. */
const LENGTH_BYTES = 4;
/** What QEMU itself finds worth a warning about the way its network is put together. */
const EXPECTED_WARNING = /warning: hub \d+ is not connected to host network$/;

const CANNOT: ReadonlyMap<Capability, string> = new Map([
  ["segment limits", "QEMU derives seg_max from the queue and has no size_max"],
  [
    "further disk commands",
    "QEMU takes one range at once, has no SECURE_ERASE, LIFETIME or BARRIER, and needs a device of the host's for SCSI",
  ],
  ["small network rings", "QEMU's receive rings have 256 entries at least, its transmit rings always"],
  ["card without address", "QEMU gives every card an address"],
  ["offloads", "QEMU's hubs carry finished frames"],
  ["scattered memory", "pointers are physical addresses here"],
]);

const FEATURE_PROPERTIES: Readonly<Record<keyof OfferedFeatures, string>> = {
  anyLayout: "any_layout",
  indirect: "indirect_desc",
  eventIndex: "event_idx",
  mergeable: "mrg_rxbuf",
  status: "status",
  controlQueue: "ctrl_vq",
  receiveModes: "ctrl_rx",
  extraModes: "ctrl_rx_extra",
  vlans: "ctrl_vlan",
  macAddress: "ctrl_mac_addr",
  announce: "guest_announce",
};

/** What `query-rx-filter` says of a card, as far as it is asked. */
interface QueriedFilter {
  readonly promiscuous: boolean;
  readonly multicast: "normal" | "none" | "all";
  readonly unicast: "normal" | "none" | "all";
  readonly "broadcast-allowed": boolean;
  readonly "main-mac": string;
  readonly "unicast-table": readonly string[];
  readonly "multicast-table": readonly string[];
  readonly vlan: "normal" | "none" | "all";
  readonly "vlan-table": readonly number[];
}

function featureProperties(offers: OfferedFeatures = {}): Properties {
  const names = Object.keys(offers) as (keyof OfferedFeatures)[];
  return Object.fromEntries(names.map((name) => [FEATURE_PROPERTIES[name], offers[name] ?? true]));
}

/** A kind of QEMU machine, and how the stack uses its devices. */
export interface QemuHost extends Pick<QemuOptions, "machine" | "virtio" | "program"> {
  /** What the stack is told to use; modern where there is a choice, unless given. Not on a microvm. */
  readonly transport?: TransportWanted;
  /** Message vectors that are programmed for each device; an interrupt line unless given. */
  readonly vectors?: number;
  /** Every device sits behind a PCI Express root port of its own, unless the case puts it behind bridges. */
  readonly isBehindRootPorts?: true;
  /** Properties of all its devices. */
  readonly properties?: Properties;
}

/** What QEMU is told of the host. */
function machineOf({ machine, virtio, program }: QemuHost): QemuOptions {
  return {
    ...(machine === undefined ? {} : { machine }),
    ...(virtio === undefined ? {} : { virtio }),
    ...(program === undefined ? {} : { program }),
  };
}

/** Something that cases open: where it is, and what the stack is told of it. */
class QemuOpened {
  constructor(
    protected readonly machine: QemuMachine,
    private readonly host: QemuHost,
    protected readonly id: string,
    private readonly queueSize?: number,
  ) {}

  get pciAddress(): number {
    if (this.host.machine !== "microvm") return this.machine.pciAddress(this.id);
    return Number(BigInt.asUintN(32, this.machine.mmioSlot(this.id).base));
  }

  get openOptions(): Partial<DeviceOptions> {
    const { machine, transport, vectors } = this.host;
    if (machine !== "microvm") {
      return { ...(transport === undefined ? {} : { transport }), ...(vectors === undefined ? {} : { vectors }) };
    }
    const { base, bytes } = this.machine.mmioSlot(this.id);
    // Every ring of a microvm's has room for 1024 descriptors, whatever its device was made with.
    const smaller = this.queueSize === undefined ? {} : { queue_size_max: this.queueSize };
    return { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: bytes, ...smaller };
  }
}

class QemuDisk extends QemuOpened implements TestDisk {
  constructor(
    machine: QemuMachine,
    host: QemuHost,
    id: string,
    private readonly file: string,
    readonly description: DiskDescription,
    private readonly changed: () => void,
  ) {
    super(machine, host, id, description.queueSize);
  }

  contents(firstSector: number, sectors: number): Uint8Array {
    const bytes = new Uint8Array(sectors * SECTOR_BYTES);
    const descriptor = openSync(this.file, "r");
    readSync(descriptor, bytes, 0, bytes.length, firstSector * SECTOR_BYTES);
    closeSync(descriptor);
    return bytes;
  }

  resize(sectors: number): void {
    this.changed();
    this.machine.blockResize(this.id, sectors * SECTOR_BYTES);
  }
}

/** Writes what the disk holds before a case begins. */
function fillDisk(file: string, { sectors = DEFAULT_SECTORS, content }: DiskDescription): void {
  if (content === "zeros") {
    writeFileSync(file, "");
    truncateSync(file, sectors * SECTOR_BYTES);
  } else {
    writeFileSync(file, initialSectors(0, sectors));
  }
}

function diskDevice(file: string, index: number, description: DiskDescription): BlockDevice {
  const { readOnly = false, serial, blockSize, queueSize, failingSectors, offers, bridges = 0 } = description;
  const { discard, writeZeroes } = description;
  const image = { driver: "file", filename: file, "read-only": readOnly };
  const failing = failingSectors && {
    source: `json:${JSON.stringify({
      driver: "raw",
      file: {
        driver: "blkdebug",
        image,
        "inject-error": failingSectors
          .map((sector) => ({ event: "none", iotype: "read", sector }))
          .concat(failingSectors.map((sector) => ({ event: "none", iotype: "write", sector }))),
      },
    })}`,
  };
  return {
    kind: "block",
    id: `disk${index}`,
    ...(failing ?? { file }),
    readOnly,
    driveProperties: { discard: "unmap" },
    ...(serial === undefined ? {} : { serial }),
    // Slot 0 of a bridge's bus is for its hot-plug controller.
    ...(bridges === 0 ? {} : { bus: `bridge${bridges}`, address: (2 + index).toString(16) }),
    properties: {
      ...(blockSize === undefined ? {} : { logical_block_size: blockSize, physical_block_size: blockSize }),
      ...(queueSize === undefined ? {} : { "queue-size": queueSize }),
      ...(discard === undefined ? {} : { "max-discard-sectors": discard.sectors }),
      ...(writeZeroes === undefined ? {} : { "max-write-zeroes-sectors": writeZeroes.sectors }),
      // Merged into one, requests would share each other's errors.
      ...(failingSectors === undefined ? {} : { "request-merging": false }),
      ...featureProperties(offers),
    },
  };
}

/** The bridges that lead to these disks, the outer one first. */
function bridgesFor(disks: readonly DiskDescription[]): QemuDevice[] {
  const depth = Math.max(0, ...disks.map(({ bridges = 0 }) => bridges));
  return Array.from({ length: depth }, (_, index): QemuDevice => {
    const place = index === 0 ? "" : `,bus=bridge${index},addr=1`;
    return { kind: "raw", device: `pci-bridge,id=bridge${index + 1},chassis_nr=${index + 1},shpc=off${place}` };
  });
}

class QemuCard extends QemuOpened implements TestCard {
  private readonly injected: number;
  private readonly diverted: number;
  private readBytes = 0;

  constructor(
    machine: QemuMachine,
    host: QemuHost,
    id: string,
    readonly description: CardDescription,
    pipe: string,
    file: string,
  ) {
    super(machine, host, id);
    this.injected = openSync(`${pipe}.in`, constants.O_RDWR | constants.O_NONBLOCK);
    this.diverted = openSync(file, "r");
  }

  takeSent(): Uint8Array[] {
    const bytes = Buffer.alloc(fstatSync(this.diverted).size - this.readBytes);
    const length = readSync(this.diverted, bytes, 0, bytes.length, this.readBytes);
    const frames: Uint8Array[] = [];
    let at = 0;
    while (at + LENGTH_BYTES <= length) {
      const end = at + LENGTH_BYTES + bytes.readUInt32BE(at);
      if (end > length) break;
      frames.push(new Uint8Array(bytes.subarray(at + LENGTH_BYTES, end)));
      at = end;
    }
    this.readBytes += at;
    return frames;
  }

  deliver(frames: readonly Uint8Array[]): void {
    const bytes = Buffer.alloc(frames.reduce((sum, frame) => sum + LENGTH_BYTES + frame.length, 0));
    let at = 0;
    for (const frame of frames) {
      bytes.writeUInt32BE(frame.length, at);
      bytes.set(frame, at + LENGTH_BYTES);
      at += LENGTH_BYTES + frame.length;
    }
    for (let done = 0; done < bytes.length;) done += this.write(bytes.subarray(done));
  }

  setLink(up: boolean): void {
    this.machine.setLink(this.id, up);
  }

  announce(): void {
    this.machine.qmp("announce-self", { initial: 50, max: 50, rounds: 1, step: 10, interfaces: [this.id] });
  }

  filters(): ReceiveFilters {
    const [found] = this.machine.qmp("query-rx-filter", { name: this.id }) as unknown as readonly QueriedFilter[];
    assert.ok(found !== undefined);
    const modes: (ReceiveFilters["modes"] extends ReadonlySet<infer Mode> ? Mode : never)[] = [];
    if (found.promiscuous) modes.push("promisc");
    if (found.multicast === "all") modes.push("allmulti");
    if (found.multicast === "none") modes.push("nomulti");
    if (found.unicast === "all") modes.push("alluni");
    if (found.unicast === "none") modes.push("nouni");
    // QEMU says the opposite of what the name means.
    if (found["broadcast-allowed"]) modes.push("nobcast");
    return {
      mac: found["main-mac"],
      modes: new Set(modes),
      table: new Set([...found["unicast-table"], ...found["multicast-table"]]),
      vlans: found.vlan === "all" ? "all" : new Set(found["vlan-table"]),
    };
  }

  close(): void {
    closeSync(this.injected);
    closeSync(this.diverted);
  }

  /** As much as the pipe takes now; QEMU empties it by itself. */
  private write(bytes: Uint8Array): number {
    try {
      return writeSync(this.injected, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      sleep(0.1);
      return 0;
    }
  }
}

/** A network card, and what diverts its traffic: frames of the guest's into a file, those from a pipe to the guest. */
function cardDevice(
  folder: string,
  id: string,
  index: number,
  description: CardDescription,
  networks: Map<string, number>,
): { device: NetDevice; extraArguments: string[] } {
  const { mac, mtu, offers, network } = description;
  const name = network ?? `alone ${index}`;
  if (!networks.has(name)) networks.set(name, networks.size + 1);
  const device: NetDevice = {
    kind: "net",
    id,
    backend: { type: "hubport", properties: { hubid: networks.get(name) ?? 0 } },
    ...(typeof mac === "string" ? { mac } : {}),
    ...(mtu === undefined ? {} : { mtu }),
    properties: featureProperties(offers),
  };
  if (network !== undefined) return { device, extraArguments: [] };
  const pipe = path.join(folder, id);
  execFileSync("mkfifo", [`${pipe}.in`, `${pipe}.out`]);
  const netdev = `netdev=${id}-netdev`;
  return {
    device,
    extraArguments: [
      ...["-chardev", `pipe,id=${id}-pipe,path=${pipe}`, "-chardev", `file,id=${id}-file,path=${pipe}.sent`],
      ...["-object", `filter-redirector,id=${id}-inject,${netdev},queue=tx,indev=${id}-pipe`],
      ...["-object", `filter-redirector,id=${id}-divert,${netdev},queue=rx,outdev=${id}-file`],
    ],
  };
}

/** The devices as the host has them: behind root ports if that is where they are. */
function placed(host: QemuHost, devices: readonly (BlockDevice | NetDevice | EntropyDevice)[]): QemuDevice[] {
  return devices.flatMap((device, index): QemuDevice[] => {
    const changed = { ...device, properties: { ...host.properties, ...device.properties } };
    // A case that wants bridges has them instead.
    if (host.isBehindRootPorts !== true || device.bus !== undefined) return [changed];
    const port = `port${index + 1}`;
    const bridge = `pcie-root-port,id=${port},bus=pcie.0,chassis=${index + 1}`;
    return [
      { kind: "raw", device: bridge },
      { ...changed, bus: port },
    ];
  });
}

/** What tests change of the machines that a ground makes. */
export interface GroundChanges {
  /** Called before the stack is put onto a machine: its imports can be replaced. */
  readonly started?: (machine: QemuMachine) => void;
  /** Puts something between a disk and its image, or changes its properties. */
  readonly disk?: (device: BlockDevice) => BlockDevice;
}

class QemuSetting implements Setting {
  readonly machine: QemuMachine;
  readonly stack;
  readonly disks: readonly QemuDisk[];
  readonly cards: readonly QemuCard[];
  readonly entropySources: readonly TestEntropy[];
  readonly lentPages: () => number;
  /** Something of the machine is not as it was at its start. */
  isChanged = false;
  private readonly folder = mkdtempSync(path.join(os.tmpdir(), "virtio-cases-"));
  private refusalsSeen = 0;
  private stderrSeen = 0;

  constructor(host: QemuHost, wanted: Case, { started, disk: changed = (device) => device }: GroundChanges) {
    const disks = wanted.disks ?? [];
    const cards = wanted.cards ?? [];
    const sources = Array.from({ length: wanted.entropySources ?? 0 }, (_, index) => `entropy${index}`);
    const networks = new Map<string, number>();
    const cardParts = cards.map((card, index) => cardDevice(this.folder, `net${index}`, index, card, networks));
    this.fill(disks);
    try {
      this.machine = new QemuMachine({
        ...machineOf(host),
        devices: [
          ...bridgesFor(disks),
          ...placed(host, [
            ...disks.map((disk, index) => changed(diskDevice(this.file(index), index, disk))),
            ...cardParts.map(({ device }) => device),
            ...sources.map((id): EntropyDevice => ({ kind: "entropy", id })),
          ]),
        ],
        extraArguments: cardParts.flatMap(({ extraArguments }) => extraArguments),
      });
    } catch (error) {
      rmSync(this.folder, { recursive: true });
      throw error;
    }
    const { machine } = this;
    started?.(machine);
    this.lentPages = countLentPages(machine.kernel);
    const { arenaBytes } = wanted;
    this.stack = loadStack(machine, undefined, arenaBytes === undefined ? {} : { arenaBytes });
    if (wanted.isUnassigned === true) this.isChanged = true;
    else this.stack.assignResources();
    this.stack.scan();
    this.disks = disks.map((description, index) => {
      const id = `disk${index}`;
      return new QemuDisk(machine, host, id, this.file(index), description, () => {
        this.isChanged = true;
      });
    });
    this.cards = cards.map((description, index) => {
      const id = `net${index}`;
      const pipe = path.join(this.folder, id);
      const file = `${pipe}.sent`;
      if (description.network !== undefined) execFileSync("mkfifo", [`${pipe}.in`]);
      if (description.network !== undefined) writeFileSync(file, "");
      return new QemuCard(machine, host, id, description, pipe, file);
    });
    this.entropySources = sources.map((id) => new QemuOpened(machine, host, id));
  }

  /** Puts the disks into the state that cases begin with. */
  fill(disks: readonly DiskDescription[]): void {
    disks.forEach((disk, index) => fillDisk(this.file(index), disk));
  }

  letDevicesWork(): void {
    this.machine.kernel.relax();
  }

  powerCycle(): void {
    this.machine.powerCycle();
  }

  takeComplaints(): string[] {
    const refusals = this.machine.refusals.slice(this.refusalsSeen);
    this.refusalsSeen += refusals.length;
    const { stderr } = this.machine;
    // QEMU writes a line in pieces: what is not complete yet is the next call's.
    const words = stderr.slice(this.stderrSeen, stderr.lastIndexOf("\n") + 1);
    this.stderrSeen += words.length;
    return [
      ...refusals.map(({ kind, address, bytes }) => `refused: ${kind} of ${bytes} bytes at 0x${address.toString(16)}`),
      ...words.split("\n").filter((line) => line !== "" && !EXPECTED_WARNING.test(line)),
    ];
  }

  close(): void {
    for (const card of this.cards) card.close();
    this.machine.close();
    rmSync(this.folder, { recursive: true });
  }

  private file(index: number): string {
    return path.join(this.folder, `disk${index}.img`);
  }
}

/** A machine, and which devices it has. */
interface KeyedSetting {
  key: string;
  setting: QemuSetting;
}

/** What its machines cannot do. */
function cannotOf({ machine, virtio, transport, isBehindRootPorts }: QemuHost): ReadonlyMap<Capability, string> {
  const cannot = new Map(CANNOT);
  if (machine === "microvm") cannot.set("PCI", "a microvm has none");
  if (isBehindRootPorts === true) cannot.set("bridges", "its devices sit behind a root port each");
  if (virtio !== "legacy" && transport !== TransportWanted.LEGACY_PCI) {
    cannot.set("legacy devices", "its devices offer VERSION_1");
  }
  return cannot;
}

/** A kind of QEMU machine. */
export class QemuGround implements Ground {
  readonly cannot: ReadonlyMap<Capability, string>;
  /** Generous: other programs may keep the processor busy. */
  readonly patienceMilliseconds = 20_000;
  /** The last machine, for the next case that wants the same devices. */
  private idle: KeyedSetting | null = null;
  private readonly used = new WeakMap<Setting, KeyedSetting>();

  constructor(
    readonly name: string,
    private readonly host: QemuHost,
    readonly effort: number,
    private readonly changes: GroundChanges = {},
  ) {
    this.cannot = cannotOf(host);
  }

  prepare(wanted: Case): Setting {
    const key = keyOf(wanted);
    const { idle } = this;
    this.idle = null;
    if (idle?.key === key) {
      idle.setting.fill(wanted.disks ?? []);
      return idle.setting;
    }
    idle?.setting.close();
    const setting = new QemuSetting(this.host, wanted, this.changes);
    this.used.set(setting, { key, setting });
    return setting;
  }

  release(setting: Setting, isClean: boolean): void {
    const found = this.used.get(setting);
    if (found === undefined) return;
    // On a network, frames may still be on their way to whoever comes next.
    if (isClean && !found.setting.isChanged && found.setting.cards.length === 0) this.idle = found;
    else found.setting.close();
  }

  close(): void {
    this.idle?.setting.close();
    this.idle = null;
  }
}

function keyOf({ disks, cards, entropySources, arenaBytes, isUnassigned }: Case): string {
  return JSON.stringify([disks, cards, entropySources, arenaBytes, isUnassigned]);
}
