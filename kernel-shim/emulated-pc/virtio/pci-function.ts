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

/** What may be chosen about the function itself. */
export interface VirtioFunctionOptions {
  /** 1 to 4; 1 unless given. */
  interruptPin?: number;
  /** False: nobody assigns its base addresses at power-on. */
  firmware?: boolean;
  revisionId?: number;
  deviceId?: number;
  vendorId?: number;
  /** Further capabilities, behind the device's own. */
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
  const place = (layout ?? qemuLayout).msix;
  const msix = messageVectors > 0 ? new Msix(messageVectors, place, send, record) : null;
  const bars = new Map<number, BarRegions>();
  const regionsOf = (bar: number): BarRegions => {
    const regions = bars.get(bar) ?? new BarRegions((detail) => record(rules.REGION_OUTSIDE, detail));
    bars.set(bar, regions);
    return regions;
  };

  const isLegacy = transport === "legacy";
  const hasLegacy = isLegacy || transport === "transitional";
  const capabilities: CapabilityDescription[] = [];
  if (layout !== null) capabilities.push(...addModern(device, layout, messageVectors, regionsOf, bars, record));
  if (msix !== null) {
    const regions = regionsOf(place.bar);
    regions.add(place.table, msix.tableBytes, msix.table);
    regions.add(place.pendingBits, msix.pendingBytes, msix.pendingBits);
    capabilities.push(msix.capability);
  }

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
      ...barsOf(layout, msix, isLegacy).map((bar) => withHandler(bar, bars.get(bar.index), transport)),
    ],
    capabilities: [...capabilities, ...(options.capabilities ?? [])],
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

/** The base addresses beside that of the legacy registers: those of the layout, and the one of MSI-X. */
function barsOf(layout: ModernLayout | null, msix: Msix | null, isLegacy: boolean): BaseAddressDescription[] {
  const used = new Set(msix === null ? [] : [msix.place.bar]);
  if (layout !== null) {
    for (const { bar } of [layout.common, layout.isr, layout.device, ...layout.notify]) used.add(bar);
  }
  return (layout ?? qemuLayout).bars.filter(({ index }) => used.has(index) && (!isLegacy || index === msix?.place.bar));
}

/** A window is needed where nobody assigns the address. */
function withHandler(
  bar: BaseAddressDescription,
  handler: PortHandler | undefined,
  transport: PciTransport,
): BaseAddressDescription {
  return { ...bar, ...(handler === undefined ? {} : { handler }), firmware: transport !== "modern-window" };
}

/** Puts the structures into their base addresses. Returns the capabilities that say where they are. */
function addModern(
  device: VirtioDevice,
  layout: ModernLayout,
  vectors: number,
  regionsOf: (bar: number) => BarRegions,
  bars: ReadonlyMap<number, BarRegions>,
  record: (rule: Rule, detail: string) => void,
): CapabilityDescription[] {
  const registers = modernRegisters(device, vectors);
  const add = ({ bar, offset, length }: RegionPlace, handler: PortHandler): void => {
    regionsOf(bar).add(offset, length, handler);
  };
  const hasDevice = device.configuration.bytes.length > 0;
  add(layout.common, registers.common);
  add(layout.isr, registers.isr);
  if (hasDevice) add(layout.device, registers.device);
  for (const place of layout.notify) add(place, registers.notify(place.multiplier));
  const isNotification = (bar: number, offset: number): boolean =>
    layout.notify.some((place) => place.bar === bar && offset >= place.offset && offset < place.offset + place.length);
  const reaches = (bar: number, offset: number): boolean =>
    layout.window === "everything" || (layout.window === "no notifications" && !isNotification(bar, offset));
  return modernCapabilities(layout, hasDevice, configurationWindow(bars, reaches, record));
}
