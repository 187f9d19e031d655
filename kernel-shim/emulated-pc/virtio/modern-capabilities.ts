/** The vendor capabilities of a modern device, and the window that is one of them. [virtio-1.2 §4.1.4] */
import type { BarRegions } from "../pci/bar-regions.js";
import type { CapabilityBehaviour, CapabilityDescription } from "../pci/function.js";
import { CAPABILITY_VENDOR } from "../pci/registers.js";
import type { Rule } from "../violations.js";
import type { ModernLayout, RegionPlace } from "./modern-layout.js";
import * as rules from "./registers/rules.js";

const VIRTIO_PCI_CAP_COMMON_CFG = 1;
const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
const VIRTIO_PCI_CAP_ISR_CFG = 3;
const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
const VIRTIO_PCI_CAP_PCI_CFG = 5;

/** From the start of a capability. */
const BAR = 4;
const OFFSET = 8;
const LENGTH = 12;
const PCI_CFG_DATA = 16;
const DATA_BYTES = 4;

/** @param hasDevice whether the device has any configuration: without, there is no structure for it */
export function modernCapabilities(
  layout: ModernLayout,
  hasDevice: boolean,
  window: CapabilityBehaviour,
): CapabilityDescription[] {
  return [
    capability(VIRTIO_PCI_CAP_COMMON_CFG, layout.common),
    capability(VIRTIO_PCI_CAP_ISR_CFG, layout.isr),
    ...(hasDevice ? [capability(VIRTIO_PCI_CAP_DEVICE_CFG, layout.device)] : []),
    ...layout.notify.map((place) => capability(VIRTIO_PCI_CAP_NOTIFY_CFG, place, bytesOf(place.multiplier))),
    {
      ...capability(VIRTIO_PCI_CAP_PCI_CFG, { bar: 0, offset: 0, length: 0 }, bytesOf(0)),
      // Bar, offset and length, counted behind id and link.
      writable: [0, 0, 0xff, 0, 0, 0, ...Array<number>(8).fill(0xff)],
      behaviour: window,
    },
  ];
}

/**
 * The way to registers by configuration space alone, whether or not base addresses are assigned. [virtio-1.2 §4.1.4.9]
 *
 * @param structuresOf the stretches of a base address that capabilities describe
 */
export function configurationWindow(
  structuresOf: (bar: number) => BarRegions,
  record: (rule: Rule, detail: string) => void,
): CapabilityBehaviour {
  let fields: DataView | null = null;

  /** Where the driver directed the window; null, and recorded, when that is nowhere. */
  function target(): { structures: BarRegions; offset: number; length: number } | null {
    if (fields === null) return null;
    const bar = fields.getUint8(BAR);
    const offset = fields.getUint32(OFFSET, true);
    const length = fields.getUint32(LENGTH, true);
    const detail = `${length} bytes at 0x${offset.toString(16)} of base address ${bar}`;
    if (![1, 2, 4].includes(length) || offset % length !== 0) {
      record(rules.WINDOW_LENGTH, detail);
      return null;
    }
    const structures = structuresOf(bar);
    if (structures.find(offset, length) === undefined) {
      record(rules.WINDOW_OUTSIDE, detail);
      return null;
    }
    return { structures, offset, length };
  }

  return {
    attached: (capabilityFields) => (fields = capabilityFields),
    data: {
      offset: PCI_CFG_DATA,
      bytes: DATA_BYTES,
      handler: {
        read: () => {
          const found = target();
          return found === null ? 0 : found.structures.read(found.offset, found.length);
        },
        write: (_offset, _width, value) => {
          const found = target();
          if (found === null) return;
          found.structures.write(found.offset, found.length, value % 2 ** (8 * found.length));
        },
      },
    },
  };
}

function capability(type: number, place: RegionPlace, more: readonly number[] = []): CapabilityDescription {
  const { bar, offset, length } = place;
  const bytes = [type, bar, 0, 0, 0, ...bytesOf(offset), ...bytesOf(length), ...more];
  return { id: CAPABILITY_VENDOR, bytes: [3 + bytes.length, ...bytes] };
}

function bytesOf(value: number): number[] {
  return [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
}
