/** The sections of the terminal's report: a heading and aligned lines below it. */

import { count } from "../command/count.js";
import { columns, fold, indent, WIDTH, wrap } from "../command/layout.js";
import type {
  ConnectionResult,
  DiskResult,
  FeaturesResult,
  MachineResult,
  NetworkCardResult,
  PassResult,
  PingResult,
  RunResult,
  SlotResult,
} from "./result.js";

/** What fits beside the labels. */
const TEXT_WIDTH = WIDTH - 16;
const KIBIBYTE = 1024;
const MODULES: Record<MachineResult["build"], string> = { mapped: "virtio.wasm", ported: "virtio-ported.wasm" };

export function describeMachine({ name, build }: MachineResult): string {
  return `${MODULES[build]} on ${name}`;
}

/** @param all how many slots there are, empty ones included */
export function describeSlots(found: readonly SlotResult[], all: number): string {
  const rows = found.map((slot) => [slot.base, describeSlot(slot)]);
  return section(`Memory-mapped: ${count(found.length, "device")} in ${count(all, "slot")}`, rows);
}

/** What is in a slot. */
export function describeSlot({ type, version, line }: SlotResult): string {
  return `virtio type ${type}, registers of version ${version}, interrupt line ${line}`;
}

export function describeNetworkCard(card: NetworkCardResult, machine: MachineResult): string {
  const rows = connectionRows(card.connection);
  if (card.mac !== null) {
    const origin = card.isMacGenerated ? " (made up: the card has none)" : "";
    rows.push(["MAC", card.mac + origin]);
    rows.push(["link", `${card.isLinkUp ? "up" : "down"}, frames of up to ${card.mtu} bytes behind the header`]);
    const buffers = `${card.receiveBuffers} buffers of ${card.receiveBufferBytes} bytes`;
    rows.push(["queues", `receive ${card.receiveQueueSize} (${buffers}), transmit ${card.transmitQueueSize}`]);
  }
  rows.push(...featureRows(card.features));
  const { lease, resolution, statistics } = card;
  if (lease !== null) {
    rows.push(["DHCP", `${lease.address}, mask ${lease.subnetMask}, from ${lease.server} for ${lease.seconds} s`]);
  }
  if (resolution !== null) {
    rows.push(["ARP", `${resolution.address} is at ${resolution.mac}, known after ${time(resolution.milliseconds)}`]);
  }
  if (card.pings.length > 0) {
    rows.push(["ping", card.pings.map(describePing).join(", ")]);
    if (machine.hasVirtualTime) rows.push(["clock", "virtual: these times are the machine's, not this computer's"]);
  }
  if (statistics !== null) {
    const frames = `${count(statistics.framesTransmitted, "frame")} sent, ${statistics.framesReceived} received`;
    rows.push(["traffic", `${frames}; ${notificationsAndInterrupts(statistics)}`]);
  }
  return section(`Network card ${card.address}`, rows);
}

export function describeDisk(disk: DiskResult): string {
  const rows = connectionRows(disk.connection);
  if (disk.features !== null) {
    const access = disk.isReadOnly ? "read-only" : "writable";
    rows.push(["capacity", `${bytesInWords(disk.bytes)} in ${disk.sectors} sectors of 512 bytes, ${access}`]);
    if (disk.serial !== null) {
      rows.push(["serial", disk.serial === "" ? "(empty)" : disk.serial]);
    }
    if (disk.geometry !== null) {
      const { cylinders, heads, sectors } = disk.geometry;
      rows.push(["geometry", `${cylinders} cylinders, ${heads} heads, ${sectors} sectors a track`]);
    }
    const segments =
      disk.mostSegments === null ? "any number of segments" : `up to ${count(disk.mostSegments, "segment")}`;
    const bytes = disk.mostSegmentBytes === null ? "" : ` of up to ${disk.mostSegmentBytes} bytes`;
    rows.push(["blocks", `${disk.blockBytes} bytes; a request has ${segments}${bytes}`]);
    rows.push(["queue", String(disk.queueSize)]);
  }
  rows.push(...featureRows(disk.features));
  if (disk.passes.length > 0) {
    rows.push(["passes", passTable(disk.passes)]);
  }
  const { asFound, asWritten } = disk.sha256;
  if (asFound !== null || asWritten !== null) {
    rows.push(["SHA-256", ""]);
    if (asFound !== null) rows.push(["  as found", asFound]);
    if (asWritten !== null) rows.push(["  as written", asWritten]);
  }
  if (disk.isVerified !== null) {
    rows.push(["verified", disk.isVerified ? "every byte came back as it was written" : "no"]);
  }
  return section(`Disk ${disk.address}`, rows);
}

export function describeConclusion({ conclusion }: RunResult): string {
  return fold(conclusion);
}

/** All that went wrong, each on lines of its own. */
export function describeProblems(problems: readonly string[]): string {
  const lines = problems.map((problem) => fold(problem, WIDTH - 4).split("\n"));
  return ["Problems", ...lines.flatMap(([first = "", ...rest]) => [`  - ${first}`, ...indent(rest, 4)])].join("\n");
}

function connectionRows(connection: ConnectionResult | null): string[][] {
  if (connection === null) {
    return [];
  }
  const { transport, registers, line, vectors } = connection;
  const onLine = line === null ? "no interrupts" : `interrupts on line ${line}`;
  const interrupts = vectors === 0 ? onLine : count(vectors, "message vector");
  return [["transport", `${transport}, registers in ${registers}, ${interrupts}`]];
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
  const heading = ["", "MB/s", "requests/s", "requests", "notifications", "interrupts"];
  const whole = (value: number): string => value.toFixed(0);
  const rows = passes.map((pass) => [
    pass.name,
    whole(pass.megabytesPerSecond),
    whole(pass.requestsPerSecond),
    String(pass.requests),
    whole(pass.notificationsPerRequest * pass.requests),
    whole(pass.interruptsPerRequest * pass.requests),
  ]);
  return columns([heading, ...rows], [1, 2, 3, 4, 5]).join("\n");
}

function notificationsAndInterrupts(counted: { notifications: number; interrupts: number }): string {
  return `${count(counted.notifications, "notification")}, ${count(counted.interrupts, "interrupt")}`;
}

function section(heading: string, rows: readonly string[][]): string {
  // What has lines of its own is laid out already.
  const fitting = rows.map(([label = "", text = ""]) => [label, text.includes("\n") ? text : fold(text, TEXT_WIDTH)]);
  return [heading, ...indent(columns(fitting))].join("\n");
}

function time(milliseconds: number): string {
  return `${milliseconds.toFixed(3)} ms`;
}

/** A number of bytes in the largest unit that it is a whole number of. */
export function bytesInWords(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let amount = bytes;
  while (unit < units.length - 1 && amount >= KIBIBYTE && amount % KIBIBYTE === 0) {
    amount /= KIBIBYTE;
    unit++;
  }
  return `${amount} ${units[unit] ?? "bytes"}`;
}
