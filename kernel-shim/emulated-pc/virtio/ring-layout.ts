/** Where the three areas of a split virtqueue lie: one stretch in a legacy queue, three otherwise. [virtio-1.2 §2.7] */
import { DESCRIPTOR_BYTES } from "./constants.js";

/** The three addresses of a queue, physical. [virtio-1.2 §2.6] */
export interface QueueAreas {
  /** Descriptor table. */
  readonly descriptorArea: number;
  /** Available ring. */
  readonly driverArea: number;
  /** Used ring. */
  readonly deviceArea: number;
}

export interface RingLayout extends QueueAreas {
  /** All memory that belongs to the ring. */
  readonly stretches: readonly { readonly address: number; readonly bytes: number }[];
}

/** Unit of the queue address register of legacy PCI, and the alignment of the used ring there. [virtio-1.2 §2.7.2] */
export const LEGACY_ALIGNMENT = 4096;

/** Bytes of a legacy ring of `size` entries, both parts, padding included. */
export function ringBytes(size: number, alignment = LEGACY_ALIGNMENT): number {
  return usedOffset(size, alignment) + roundUp(deviceAreaBytes(size), alignment);
}

/** A legacy queue of `size` entries at a physical address. */
export function legacyLayout(address: number, size: number, alignment = LEGACY_ALIGNMENT): RingLayout {
  return {
    descriptorArea: address,
    driverArea: address + DESCRIPTOR_BYTES * size,
    deviceArea: address + usedOffset(size, alignment),
    stretches: [{ address, bytes: ringBytes(size, alignment) }],
  };
}

/** A queue of `size` entries whose areas lie wherever the driver put them. */
export function separateLayout(areas: QueueAreas, size: number): RingLayout {
  return {
    ...areas,
    stretches: [
      { address: areas.descriptorArea, bytes: DESCRIPTOR_BYTES * size },
      { address: areas.driverArea, bytes: driverAreaBytes(size) },
      { address: areas.deviceArea, bytes: deviceAreaBytes(size) },
    ],
  };
}

/** Whether the areas are aligned as each has to be. [virtio-1.2 §2.7] */
export function isAligned({ descriptorArea, driverArea, deviceArea }: QueueAreas): boolean {
  return descriptorArea % 16 === 0 && driverArea % 2 === 0 && deviceArea % 4 === 0;
}

function usedOffset(size: number, alignment: number): number {
  return roundUp(DESCRIPTOR_BYTES * size + driverAreaBytes(size), alignment);
}

function driverAreaBytes(size: number): number {
  return 6 + 2 * size;
}

function deviceAreaBytes(size: number): number {
  return 6 + 8 * size;
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}
