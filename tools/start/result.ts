/**
 * What a run found out: the document that `--json` writes, and what the terminal shows in words. `npm run format` makes
 * `result.schema.json` of it.
 */

import type { Build } from "../../kernel-shim/machine.js";

export interface RunResult {
  /** Of this document's form: another number means that fields went or have another meaning. */
  version: 1;
  machine: MachineResult;
  /** Null when the machine's PCI functions could not be listed, or it has no PCI. */
  pci: PciResult | null;
  /** The memory-mapped devices. */
  slots: SlotResult[];
  networkCards: NetworkCardResult[];
  disks: DiskResult[];
  /** What did not work, a sentence each. */
  problems: string[];
  worked: boolean;
  /** The last line, in words. */
  conclusion: string;
}

export interface MachineResult {
  name: string;
  build: Build;
  /** Whether round-trip times are of the machine's own, virtual clock. */
  hasVirtualTime: boolean;
}

export interface PciResult {
  functions: PciFunctionResult[];
  /** Reads of configuration space that the scan took. */
  configurationReads: number;
  /** How many it may take for these functions. */
  configurationReadBudget: number;
}

/** Numbers in hexadecimal, as people know them. */
export interface PciFunctionResult {
  address: string;
  class: string;
  className: string;
  vendor: string;
  vendorName: string | null;
  device: string;
  deviceName: string | null;
  revision: string;
  subsystem: string | null;
  /** Null when the function has no interrupt pin. */
  interrupt: { pin: string; line: number } | null;
  /** What lies behind its base address registers. */
  resources: PciResourceResult[];
  /** Ids of its capabilities, in their order. */
  capabilities: string[];
  /** For a bridge, the buses behind it. */
  buses: { first: number; last: number } | null;
  virtio: { type: number; isLegacy: boolean } | null;
}

export interface PciResourceResult {
  register: number;
  kind: "ports" | "memory";
  /** Null when not assigned. */
  base: string | null;
  bytes: number;
}

/** A slot with a memory-mapped device in it. */
export interface SlotResult {
  /** Where its registers are, in hexadecimal. */
  base: string;
  bytes: number;
  /** Kind of the device, as the specification numbers them. */
  type: number;
  /** Of the registers: 1 or 2. */
  version: number;
  /** Its interrupt line. */
  line: number;
}

/** How the driver reached a device. */
export interface ConnectionResult {
  transport: "legacy PCI" | "modern PCI" | "MMIO version 1" | "MMIO version 2";
  registers: "ports" | "memory" | "configuration space";
  /** The line that the device interrupts by; null when it does so by messages, or not at all. */
  line: number | null;
  /** MSI-X vectors in use. */
  vectors: number;
}

/** Names of feature bits. */
export interface FeaturesResult {
  offered: string[];
  accepted: string[];
  refused: string[];
}

export interface NetworkCardResult {
  /** Of its PCI function, or where its registers are in memory. */
  address: string;
  /** Null when the card could not be opened. */
  connection: ConnectionResult | null;
  features: FeaturesResult | null;
  mac: string | null;
  /** Whether the driver had to make the address up. */
  isMacGenerated: boolean;
  isLinkUp: boolean;
  mtu: number;
  receiveQueueSize: number;
  transmitQueueSize: number;
  receiveBuffers: number;
  receiveBufferBytes: number;
  /** Null when no server gave one. */
  lease: { address: string; subnetMask: string; router: string; server: string; seconds: number } | null;
  /** The router's answer to an ARP request; null when it gave none. */
  resolution: { address: string; mac: string; milliseconds: number } | null;
  pings: PingResult[];
  statistics: NetworkStatisticsResult | null;
  problems: string[];
}

export interface PingResult {
  outcome: "reply" | "corrupt" | "timeout";
  /** Null when nothing came back. */
  milliseconds: number | null;
}

export interface NetworkStatisticsResult {
  framesTransmitted: number;
  framesReceived: number;
  notifications: number;
  interrupts: number;
}

export interface DiskResult {
  /** Of its PCI function, or where its registers are in memory. */
  address: string;
  /** Null when the disk could not be opened. */
  connection: ConnectionResult | null;
  features: FeaturesResult | null;
  /** Null when the disk does not tell. */
  serial: string | null;
  sectors: number;
  bytes: number;
  blockBytes: number;
  isReadOnly: boolean;
  queueSize: number;
  /** Null: no limit. */
  mostSegments: number | null;
  /** Null: no limit. */
  mostSegmentBytes: number | null;
  geometry: { cylinders: number; heads: number; sectors: number } | null;
  /** What was done to the whole disk, in order. */
  passes: PassResult[];
  /** SHA-256 of the whole disk, as the driver read it; null where it was not read to the end. */
  sha256: { asFound: string | null; asWritten: string | null };
  /** Whether everything came back as it was written; null when nothing was. */
  isVerified: boolean | null;
  problems: string[];
}

export interface PassResult {
  name: "write" | "read";
  bytes: number;
  requests: number;
  /** Time of driver and device, without that for making and comparing the contents. */
  seconds: number;
  megabytesPerSecond: number;
  requestsPerSecond: number;
  notificationsPerRequest: number;
  interruptsPerRequest: number;
}
