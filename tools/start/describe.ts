/** The sections of the terminal's report: a heading and aligned lines below it. */

import { columns, indent, wrap } from "./layout.js";
import type {
  DiskResult,
  FeaturesResult,
  MachineResult,
  NetworkCardResult,
  PassResult,
  PciFunctionResult,
  PciResult,
  PingResult,
} from "./result.js";

/** What fits a terminal of 100 columns beside the labels. */
const TEXT_WIDTH = 82;
const KIBIBYTE = 1024;
const MODULES: Record<MachineResult["build"], string> = { mapped: "virtio.wasm", ported: "virtio-ported.wasm" };

export function describeMachine({ name, build }: MachineResult): string {
  return `${MODULES[build]} on ${name}`;
}

export function describePci({ functions, configurationReads, configurationReadBudget }: PciResult): string {
  const heading =
    `PCI: ${count(functions.length, "function")}, found with ` +
    `${count(configurationReads, "read")} of configuration space (budget ${configurationReadBudget})`;
  return [heading, ...functions.flatMap((pciFunction) => indent(describeFunction(pciFunction)))].join("\n");
}

export function describeNetworkCard(card: NetworkCardResult, machine: MachineResult): string {
  const rows: string[][] = [];
  if (card.mac !== null) {
    const origin = card.isMacGenerated ? " (made up: the card has none)" : "";
    rows.push(["MAC", card.mac + origin]);
    rows.push(["link", `${card.isLinkUp ? "up" : "down"}, frames of up to ${card.mtu} bytes behind the header`]);
    const buffers = `${card.receiveBuffers} buffers of ${card.receiveBufferBytes} bytes`;
    rows.push(["queues", `receive ${card.receiveQueueSize} (${buffers}), transmit ${card.transmitQueueSize}`]);
  }
  rows.push(...featureRows(card.features));
  const { lease, resolution, statistics } = card;
  const clock = machine.hasVirtualTime ? " of virtual time" : "";
  if (lease !== null) {
    rows.push(["DHCP", `${lease.address}, mask ${lease.subnetMask}, from ${lease.server} for ${lease.seconds} s`]);
  }
  if (resolution !== null) {
    rows.push([
      "ARP",
      `${resolution.address} is at ${resolution.mac}, known after ${time(resolution.milliseconds)}${clock}`,
    ]);
  }
  if (card.pings.length > 0) {
    rows.push(["ping", `${card.pings.map(describePing).join(", ")}${clock}`]);
  }
  if (statistics !== null) {
    const frames = `${statistics.framesTransmitted} frames sent, ${statistics.framesReceived} received`;
    rows.push(["traffic", `${frames}; ${notificationsAndInterrupts(statistics)}`]);
  }
  return section(`Network card ${card.address}`, rows);
}

export function describeDisk(disk: DiskResult): string {
  const rows: string[][] = [];
  if (disk.features !== null) {
    const access = disk.isReadOnly ? "read-only" : "writable";
    rows.push(["capacity", `${size(disk.bytes)} in ${count(disk.sectors, "sector")} of 512 bytes, ${access}`]);
    if (disk.serial !== null) {
      rows.push(["serial", disk.serial === "" ? "(empty)" : disk.serial]);
    }
    if (disk.geometry !== null) {
      const { cylinders, heads, sectors } = disk.geometry;
      rows.push(["geometry", `${cylinders} cylinders, ${heads} heads, ${sectors} sectors a track`]);
    }
    const segments = disk.mostSegments === null ? "any number of" : `up to ${disk.mostSegments}`;
    const bytes = disk.mostSegmentBytes === null ? "" : ` of up to ${disk.mostSegmentBytes} bytes`;
    rows.push(["blocks", `${disk.blockBytes} bytes; a request has ${segments} segments${bytes}`]);
    rows.push(["queue", String(disk.queueSize)]);
  }
  rows.push(...featureRows(disk.features));
  if (disk.passes.length > 0) {
    rows.push(["passes", passTable(disk.passes)]);
  }
  if (disk.sha256.asFound !== null) {
    rows.push(["SHA-256", `${disk.sha256.asFound} as found`]);
  }
  if (disk.sha256.asWritten !== null) {
    rows.push(["SHA-256", `${disk.sha256.asWritten} as written`]);
  }
  if (disk.isVerified !== null) {
    rows.push(["verified", disk.isVerified ? "every byte came back as it was written" : "no"]);
  }
  return section(`Disk ${disk.address}`, rows);
}

/** All that went wrong, each on lines of its own. */
export function describeProblems(problems: readonly string[]): string {
  const lines = problems.map((problem) => wrap(problem.split(" "), TEXT_WIDTH, " ").split("\n"));
  return ["Problems", ...lines.flatMap(([first = "", ...rest]) => [`  - ${first}`, ...indent(rest, 4)])].join("\n");
}

function describeFunction(pciFunction: PciFunctionResult): string[] {
  const { address, className, vendorName, deviceName, vendor, device, revision, subsystem } = pciFunction;
  const names = [vendorName, deviceName].filter((name) => name !== null).join(" ");
  const title = `${address} ${className}: ${names === "" ? "" : `${names} `}[${vendor}:${device}] (rev ${revision})`;
  const details: string[] = [];
  if (subsystem !== null) {
    details.push(`subsystem ${subsystem}`);
  }
  if (pciFunction.buses !== null) {
    const { first, last } = pciFunction.buses;
    details.push(first === last ? `bus ${first}` : `buses ${first} to ${last}`);
  }
  if (pciFunction.interrupt !== null) {
    details.push(`interrupt ${pciFunction.interrupt.pin}, line ${pciFunction.interrupt.line}`);
  }
  for (const { kind, base, bytes } of pciFunction.resources) {
    details.push(`${kind} at ${base ?? "(not assigned)"} [${size(bytes)}]`);
  }
  if (pciFunction.capabilities.length > 0) {
    details.push(`capabilities ${pciFunction.capabilities.join(" ")}`);
  }
  if (pciFunction.virtio !== null) {
    details.push(`virtio type ${pciFunction.virtio.type}, ${pciFunction.virtio.isLegacy ? "" : "no "}legacy interface`);
  }
  if (details.length === 0) {
    return [title];
  }
  return [title, ...indent(wrap(details, TEXT_WIDTH, "; ").split("\n"), address.length + 1)];
}

function featureRows(features: FeaturesResult | null): string[][] {
  if (features === null) {
    return [];
  }
  const { offered, accepted, refused } = features;
  return [
    ["features", `${offered.length} offered, ${accepted.length} accepted, ${refused.length} refused`],
    ["  accepted", names(accepted)],
    ["  refused", names(refused)],
  ];
}

function names(features: readonly string[]): string {
  return features.length === 0 ? "none" : wrap(features, TEXT_WIDTH, " ");
}

function describePing({ outcome, milliseconds }: PingResult): string {
  if (milliseconds === null) {
    return "no answer";
  }
  return outcome === "corrupt" ? `${time(milliseconds)} with wrong contents` : time(milliseconds);
}

function passTable(passes: readonly PassResult[]): string {
  const heading = ["", "MB/s", "requests/s", "requests", "notifications/request", "interrupts/request"];
  const rows = passes.map((pass) => [
    pass.name,
    pass.megabytesPerSecond.toFixed(0),
    pass.requestsPerSecond.toFixed(0),
    String(pass.requests),
    pass.notificationsPerRequest.toFixed(3),
    pass.interruptsPerRequest.toFixed(3),
  ]);
  return columns([heading, ...rows], [1, 2, 3, 4, 5]).join("\n");
}

function notificationsAndInterrupts(counted: { notifications: number; interrupts: number }): string {
  return `${count(counted.notifications, "notification")}, ${count(counted.interrupts, "interrupt")}`;
}

function section(heading: string, rows: readonly string[][]): string {
  return [heading, ...indent(columns(rows))].join("\n");
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function time(milliseconds: number): string {
  return `${milliseconds.toFixed(3)} ms`;
}

function size(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let amount = bytes;
  while (unit < units.length - 1 && amount >= KIBIBYTE && amount % KIBIBYTE === 0) {
    amount /= KIBIBYTE;
    unit++;
  }
  return `${amount} ${units[unit] ?? "bytes"}`;
}
