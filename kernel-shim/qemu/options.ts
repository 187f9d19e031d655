/** What a QEMU machine can be made of, and the command line that says so. */

import path from "node:path";
import type { QemuFiles } from "./qemu-process.js";

/** Properties in QEMU's own names; an array repeats its name. Commas need no care. */
export type Properties = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Where a device sits. Left out, QEMU takes the next free slot of the root bus, in the order of the list. */
export interface Placement {
  /** Id of the bridge whose bus it is; the root bus when left out. On `microvm` "virtio-mmio-bus.N", slot N. */
  bus?: string;
  /** Device and function, in hexadecimal: "5" or "5.1". Not on `microvm`. */
  address?: string;
}

/** A virtio-block device. Give `file` or `source`. */
export interface BlockDevice extends Placement {
  kind: "block";
  /** Names the device in QMP commands; `disk0`, `disk1`, … when left out. */
  id?: string;
  /** An image on this computer. */
  file?: string;
  /** Anything else QEMU takes for a disk: "null-co://", "json:{…}". */
  source?: string;
  /** "raw" when left out. */
  format?: "raw" | "qcow2";
  readOnly?: boolean;
  /** What get-id answers, up to 20 characters. */
  serial?: string;
  /** Further properties of the device: "queue-size", "num-queues", "logical_block_size", … */
  properties?: Properties;
  /** Further properties of the drive: "cache", "discard", "throttling.iops-total", … */
  driveProperties?: Properties;
}

/** The other side of a virtio-net device. */
export interface NetBackend {
  type: "user" | "socket" | "stream" | "dgram" | "hubport" | "tap";
  /** In QEMU's names: `{ hubid: 1 }`, `{ "local.type": "unix", "local.path": … }`, `{ hostfwd: ["tcp::8080-:80"] }`. */
  properties?: Properties;
}

/** A virtio-net device. */
export interface NetDevice extends Placement {
  kind: "net";
  /** Names the device in QMP commands; `net0`, `net1`, … when left out. */
  id?: string;
  backend: NetBackend;
  /** "52:54:00:12:34:56"; QEMU chooses when left out. */
  mac?: string;
  /** Offered to the driver as the largest frame payload (host_mtu). */
  mtu?: number;
  /** File that every frame is recorded in, in the pcap format. */
  capture?: string;
  /** Further properties of the device: "rx_queue_size", "mrg_rxbuf", … */
  properties?: Properties;
}

/** A virtio-rng device, fed by QEMU's own generator. */
export interface EntropyDevice extends Placement {
  kind: "entropy";
  /** Names the device in QMP commands; `entropy0`, `entropy1`, … when left out. */
  id?: string;
  /** Further properties of the device: "max-bytes", … */
  properties?: Properties;
}

/** Anything else, as `-device` takes it: "pci-bridge,id=bridge,chassis_nr=1", "virtio-balloon-pci". */
export interface RawDevice {
  kind: "raw";
  device: string;
}

export type QemuDevice = BlockDevice | NetDevice | EntropyDevice | RawDevice;

/**
 * Which boards there are: `pc` (PIIX3); `q35` (ICH9), where devices sit on the PCI Express root bus itself; `microvm`,
 * which has no PCI and eight slots for memory-mapped devices, the last of which are taken first.
 */
export const BOARDS = ["pc", "q35", "microvm"] as const;
export type Board = (typeof BOARDS)[number];

/** Which interface virtio devices show to a driver; transitional ones, which are PCI functions, both. */
export type VirtioInterface = "legacy" | "transitional" | "modern";

export interface QemuOptions {
  /** Path of QEMU; what `findQemu` finds when left out. */
  program?: string;
  /** "pc" when left out. */
  machine?: Board;
  /**
   * Holds for all devices but raw ones. Left out, it is as QEMU has it: legacy on `microvm`, modern behind a PCI Express
   * port, transitional elsewhere. On `microvm` legacy is version 1 of the registers, and modern version 2.
   */
  virtio?: VirtioInterface;
  devices?: readonly QemuDevice[];
  /** Bytes of guest RAM, a multiple of 1 MiB from 2 MiB to 2 GiB; 64 MiB when left out. */
  memoryBytes?: number;
  /** Size of the linear memory that the module imports, in pages of 64 KiB; 256 when left out. */
  linearMemoryPages?: number;
  /** How long QEMU may take for an answer, in milliseconds, before that is an error; 10,000 when left out. */
  timeout?: number;
  /** Further arguments, as they are. */
  extraArguments?: readonly string[];
}

const MEBIBYTE = 1 << 20;
const SMALLEST_MEMORY = 2 * MEBIBYTE;
const LARGEST_MEMORY = 2048 * MEBIBYTE;
/** Guest RAM when the options do not say. */
const DEFAULT_MEMORY = 64 * MEBIBYTE;

/** The id of the drive behind the block device `id`. */
export function driveId(id: string): string {
  return `${id}-drive`;
}

function netdevId(id: string): string {
  return `${id}-netdev`;
}

/** One of QEMU's option lists: `first,name=value,…`. QEMU reads a doubled comma as a comma. */
function optionList(first: string, properties: Properties): string {
  const parts = [first];
  for (const [name, value] of Object.entries(properties)) {
    for (const each of Array.isArray(value) ? (value as readonly string[]) : [value]) {
      const text = typeof each === "boolean" ? (each ? "on" : "off") : String(each);
      parts.push(`${name}=${text.replaceAll(",", ",,")}`);
    }
  }
  return parts.join(",");
}

/** Leaves out what is undefined. */
function given(properties: Record<string, Properties[string] | undefined>): Properties {
  return Object.fromEntries(
    Object.entries(properties).filter((entry): entry is [string, Properties[string]] => entry[1] !== undefined),
  );
}

function placement(device: Placement): Properties {
  return given({ bus: device.bus, addr: device.address });
}

/** What the virtio devices of a machine have in common. */
interface VirtioDevices {
  /** What QEMU calls the transport: a driver's name ends in it. */
  readonly transport: "pci" | "device";
  readonly properties: Properties;
}

const PCI_INTERFACES: Readonly<Record<VirtioInterface, Properties>> = {
  legacy: { "disable-legacy": false, "disable-modern": true },
  transitional: { "disable-legacy": false, "disable-modern": false },
  modern: { "disable-legacy": true, "disable-modern": false },
};

function virtioDevices({ machine, virtio }: QemuOptions): VirtioDevices {
  if (machine !== "microvm") {
    return { transport: "pci", properties: virtio === undefined ? {} : PCI_INTERFACES[virtio] };
  }
  if (virtio === "transitional") {
    throw new TypeError("The devices of a microvm are either legacy or modern");
  }
  return { transport: "device", properties: {} };
}

function blockArguments(device: BlockDevice, id: string, virtio: VirtioDevices): string[] {
  if ((device.file === undefined) === (device.source === undefined)) {
    throw new TypeError(`The disk ${id} needs either a file or a source`);
  }
  const image =
    device.file === undefined
      ? given({ file: device.source })
      : { "file.driver": "file", "file.filename": path.resolve(device.file) };
  const drive = {
    id: driveId(id),
    ...image,
    format: device.format ?? "raw",
    readonly: device.readOnly ?? false,
    ...device.driveProperties,
  };
  const front = { id, drive: driveId(id), ...given({ serial: device.serial }), ...placement(device) };
  return [
    "-drive",
    optionList("if=none", drive),
    "-device",
    optionList(`virtio-blk-${virtio.transport}`, { ...front, ...virtio.properties, ...device.properties }),
  ];
}

function netArguments(device: NetDevice, id: string, virtio: VirtioDevices): string[] {
  const front = {
    id,
    netdev: netdevId(id),
    // No boot ROM: nothing would run it, and QEMU may come without the file.
    ...(virtio.transport === "pci" ? { romfile: "" } : {}),
    ...given({ mac: device.mac, host_mtu: device.mtu }),
    ...placement(device),
    ...virtio.properties,
  };
  const result = [
    "-netdev",
    optionList(device.backend.type, { id: netdevId(id), ...device.backend.properties }),
    "-device",
    optionList(`virtio-net-${virtio.transport}`, { ...front, ...device.properties }),
  ];
  if (device.capture !== undefined) {
    const dump = { id: `${id}-capture`, netdev: netdevId(id), file: path.resolve(device.capture) };
    result.push("-object", optionList("filter-dump", dump));
  }
  return result;
}

function entropyArguments(device: EntropyDevice, id: string, virtio: VirtioDevices): string[] {
  const front = { id, ...placement(device), ...virtio.properties };
  return ["-device", optionList(`virtio-rng-${virtio.transport}`, { ...front, ...device.properties })];
}

function deviceArguments(options: QemuOptions): string[] {
  const virtio = virtioDevices(options);
  let disks = 0;
  let nets = 0;
  let sources = 0;
  return (options.devices ?? []).flatMap((device) => {
    switch (device.kind) {
      case "block":
        return blockArguments(device, device.id ?? `disk${disks++}`, virtio);
      case "net":
        return netArguments(device, device.id ?? `net${nets++}`, virtio);
      case "entropy":
        return entropyArguments(device, device.id ?? `entropy${sources++}`, virtio);
      case "raw":
        return ["-device", device.device];
    }
  });
}

/** Bytes of guest RAM. Throws a RangeError when the options ask for what cannot be. */
export function memoryBytes(options: QemuOptions): number {
  const bytes = options.memoryBytes ?? DEFAULT_MEMORY;
  if (!(bytes >= SMALLEST_MEMORY && bytes <= LARGEST_MEMORY && bytes % MEBIBYTE === 0)) {
    throw new RangeError("Guest memory has to be a multiple of 1 MiB, from 2 MiB to 2 GiB");
  }
  return bytes;
}

/** The board, and what it shall be without. */
function machineArguments({ machine = "pc", virtio }: QemuOptions): string[] {
  if (machine !== "microvm") {
    return ["-machine", `${machine},vmport=off,memory-backend=memory`];
  }
  return [
    // The second I/O APIC has no name by which qtest could watch its inputs.
    ...["-machine", `${machine},ioapic2=off,memory-backend=memory`],
    ...(virtio === undefined ? [] : ["-global", `virtio-mmio.force-legacy=${virtio === "legacy" ? "on" : "off"}`]),
  ];
}

/** QEMU's arguments: nothing of the computer's own configuration, no default devices, and what the options name. */
export function commandLine(options: QemuOptions, files: QemuFiles): string[] {
  const size = `${memoryBytes(options) / MEBIBYTE}M`;
  const memory = { id: "memory", size, "mem-path": files.memory, share: true };
  return [
    ...["-no-user-config", "-nodefaults", "-display", "none"],
    ...[...machineArguments(options), "-m", size],
    ...["-object", optionList("memory-backend-file", memory)],
    // The processor stops at its first instructions and never wakes. A machine that is not running would not do: its
    // virtio devices take no work.
    ...["-accel", "tcg", "-bios", files.firmware],
    ...["-chardev", optionList("pipe", { id: "qtest", path: files.qtest })],
    ...["-qtest", "chardev:qtest", "-qtest-log", "none"],
    ...["-chardev", optionList("pipe", { id: "qmp", path: files.qmp }), "-mon", "chardev=qmp,mode=control"],
    ...deviceArguments(options),
    ...(options.extraArguments ?? []),
  ];
}
