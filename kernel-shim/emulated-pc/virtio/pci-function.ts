/** The PCI function that a virtio device shows: legacy, modern, or both at once. [virtio-1.2 §4.1.2, §4.1.4] */
import { BarRegions } from "../pci/bar-regions.js";
import {
  type BaseAddressDescription,
  type CapabilityDescription,
  PciFunction,
  type PortHandler,
} from "../pci/function.js";
import { type Message, Msix } from "../pci/msix.js";
import type { Profile } from "../profiles.js";
import type { Rule } from "../violations.js";
import type { VirtioDevice } from "./device.js";
import { configurationWindow, modernCapabilities } from "./modern-capabilities.js";
import { type ModernLayout, qemuLayout, type RegionPlace } from "./modern-layout.js";
import { legacyBytes, legacyRegisters } from "./registers/legacy.js";
import { modernRegisters } from "./registers/modern.js";
import * as rules from "./registers/rules.js";
import { modernLayoutOf, type PciTransport } from "./transport.js";

export const VIRTIO_VENDOR_ID = 0x1af4;

/** Transitional PCI device ids by device type. [virtio-1.2 §4.1.2.1] */
const TRANSITIONAL_IDS: Readonly<Record<number, number>> = {
  1: 0x1000,
  2: 0x1001,
  3: 0x1003,
  4: 0x1005,
  5: 0x1002,
  8: 0x1004,
  9: 0x1009,
};
/** For types that have no transitional id of their own: the last of the range. */
const OTHER_TRANSITIONAL_ID = 0x103f;
const FIRST_MODERN_ID = 0x1040;
/** Of modern devices, which are no transitional ones. */
const MODERN_SUBSYSTEM_ID = 0x1100;

/** Where the configuration window leads on hosts that do without. */
const UNREACHED: PortHandler = {
  read: () => 0,
  write() {
    // Lost.
  },
};

/** What may be chosen about the function itself. */
export interface VirtioFunctionOptions {
  /** 1 to 4; 1 unless given. */
  interruptPin?: number;
  /** False: nobody assigns its base addresses at power-on. */
  firmware?: boolean;
  revisionId?: number;
  deviceId?: number;
  vendorId?: number;
  /** Further capabilities, in front of the device's own and behind them. */
  firstCapabilities?: readonly CapabilityDescription[];
  capabilities?: readonly CapabilityDescription[];
}

/** A function, and what the machine needs of it. */
export interface VirtioFunction {
  readonly pciFunction: PciFunction;
  /** Null where the host has no MSI-X. */
  readonly msix: Msix | null;
}

/**
 * Builds the function of a device.
 *
 * @param send takes messages on their way to memory
 */
export function createVirtioFunction(
  device: VirtioDevice,
  transport: PciTransport,
  profile: Profile,
  options: VirtioFunctionOptions,
  send: (message: Message) => void,
): VirtioFunction {
  const { messageVectors } = profile;
  const record = (rule: Rule, detail: string): void => device.record(rule, detail);
  const layout = modernLayoutOf(transport, profile);
  const { bars, msix: place } = layout ?? qemuLayout;
  const handlers = new BarHandlers(record);
  const capabilities = layout === null ? [] : addModern(device, layout, messageVectors, handlers, record);
  const msix = messageVectors > 0 ? new Msix(messageVectors, place, send, record) : null;
  if (msix !== null) {
    handlers.of(place.bar).add(place.table, msix.tableBytes, msix.table);
    handlers.of(place.bar).add(place.pendingBits, msix.pendingBytes, msix.pendingBits);
    capabilities.push(msix.capability);
  }
  const hasLegacy = transport === "legacy" || transport === "transitional";
  const interruptPin = profile.hasInterruptPin ? (options.interruptPin ?? 1) : 0;
  const pciFunction = new PciFunction({
    name: `virtio-${device.kind}`,
    vendorId: options.vendorId ?? VIRTIO_VENDOR_ID,
    deviceId: options.deviceId ?? deviceIdOf(device.type, hasLegacy),
    classCode: device.classCode,
    revisionId: options.revisionId ?? (hasLegacy ? 0 : 1),
    subsystemVendorId: VIRTIO_VENDOR_ID,
    subsystemId: hasLegacy ? device.type : MODERN_SUBSYSTEM_ID,
    interruptPin,
    firmware: options.firmware ?? true,
    baseAddresses: [
      ...(hasLegacy ? [legacyBar(device, messageVectors)] : []),
      ...bars
        .filter(({ index }) => handlers.has(index))
        .map((bar) => ({ ...bar, handler: handlers.of(bar.index), firmware: transport !== "modern-window" })),
    ],
    capabilities: [...(options.firstCapabilities ?? []), ...capabilities, ...(options.capabilities ?? [])],
  });
  return { pciFunction, msix };
}

function deviceIdOf(type: number, hasLegacy: boolean): number {
  return hasLegacy ? (TRANSITIONAL_IDS[type] ?? OTHER_TRANSITIONAL_ID) : FIRST_MODERN_ID + type;
}

function legacyBar(device: VirtioDevice, vectors: number): BaseAddressDescription {
  const size = legacyBytes(device.configuration.bytes.length);
  return { index: 0, kind: "io", size, handler: legacyRegisters(device, vectors) };
}

/** What lies in each base address. */
class BarHandlers {
  private readonly byIndex = new Map<number, BarRegions>();

  constructor(private readonly record: (rule: Rule, detail: string) => void) {}

  has(index: number): boolean {
    return this.byIndex.has(index);
  }

  of(index: number): BarRegions {
    let regions = this.byIndex.get(index);
    if (regions === undefined) {
      regions = new BarRegions((detail) => this.record(rules.REGION_OUTSIDE, detail));
      this.byIndex.set(index, regions);
    }
    return regions;
  }
}

/** Puts the structures into their base addresses. Returns the capabilities that say where they are. */
function addModern(
  device: VirtioDevice,
  layout: ModernLayout,
  vectors: number,
  handlers: BarHandlers,
  record: (rule: Rule, detail: string) => void,
): CapabilityDescription[] {
  const registers = modernRegisters(device, vectors);
  const reached = new BarHandlers(record);
  const add = ({ bar, offset, length }: RegionPlace, handler: PortHandler, isReached: boolean): void => {
    handlers.of(bar).add(offset, length, handler);
    reached.of(bar).add(offset, length, isReached ? handler : UNREACHED);
  };
  const hasDevice = device.configuration.bytes.length > 0;
  const reachesRegisters = layout.window !== "nothing";
  add(layout.common, registers.common, reachesRegisters);
  add(layout.isr, registers.isr, reachesRegisters);
  if (hasDevice) add(layout.device, registers.device, reachesRegisters);
  for (const place of layout.notify) add(place, registers.notify(place.multiplier), layout.window === "everything");
  return modernCapabilities(
    layout,
    hasDevice,
    configurationWindow((bar) => reached.of(bar), record),
  );
}
