/**
 * Completions that never were: writes to a live used ring as only a hostile device makes them. [virtio-1.2 §2.7.8]
 */
import { ringBytes } from "../virtio/ring.js";
import type { VirtioDevice } from "../virtio/device.js";
import type { DeviceQueue } from "../virtio/queue.js";
import type { Random } from "../random.js";
import { otherValue, pick } from "./values.js";

const PAGE_BYTES = 4096;
const DESCRIPTOR_BYTES = 16;

/** Where the parts of a ring lie: physical addresses. */
interface Ring {
  readonly size: number;
  readonly available: number;
  readonly used: number;
}

function ringOf(queue: DeviceQueue): Ring | null {
  const { memory } = queue;
  if (memory === null) return null;
  const { address, size } = memory;
  const usedBytes = Math.ceil((6 + 8 * size) / PAGE_BYTES) * PAGE_BYTES;
  return { size, available: address + DESCRIPTOR_BYTES * size, used: address + ringBytes(size) - usedBytes };
}

/** Forges something in one of the device's used rings. Returns what, for people; null when no queue is live. */
export function forge(device: VirtioDevice, random: Random): string | null {
  const live = device.queues.filter((queue) => queue.isLive);
  if (live.length === 0) return null;
  const queue = pick(random, live);
  const ring = ringOf(queue);
  if (ring === null) return null;
  const { dma } = device;
  const { size, used } = ring;
  const index = dma.read16(used + 2);
  const elementAt = (position: number): number => used + 4 + 8 * (position & (size - 1));

  const moveIndex = (by: number): string => {
    dma.write16(used + 2, (index + by) & 0xffff);
    return `used.idx moved by ${by}`;
  };
  const complete = (id: number, length: number): string => {
    dma.write32(elementAt(index), id);
    dma.write32(elementAt(index) + 4, length);
    dma.write16(used + 2, (index + 1) & 0xffff);
    return `completed ${id} with length ${length}`;
  };
  const length = otherValue(random, 64, 4);
  const actions: readonly (() => string)[] = [
    () => moveIndex(pick(random, [1, 2, size - 1, size, size + 1, 0x7fff, 0x8000, 0xffff])),
    () => moveIndex(random.below(0x1_0000)),
    () => complete(random.below(size), length),
    () => complete(otherValue(random, size, 4), length),
    // Once more what was completed last, and what was offered last, whether or not it is done.
    () => complete(dma.read32(elementAt(index - 1)), length),
    () => complete(offered(device, ring, random), length),
    () => {
      const place = elementAt(random.below(size));
      dma.write32(place, otherValue(random, dma.read32(place), 4));
      return "an element's id changed";
    },
    () => {
      const place = elementAt(random.below(size)) + 4;
      dma.write32(place, otherValue(random, dma.read32(place), 4));
      return "an element's length changed";
    },
    () => {
      dma.write16(used, otherValue(random, dma.read16(used), 2));
      return "used.flags changed";
    },
    () => {
      dma.write16(used + 4 + 8 * size, random.below(0x1_0000));
      return "avail_event changed";
    },
  ];
  return `queue ${queue.index}: ${pick(random, actions)()}`;
}

/** One of the heads that the driver made available last. */
function offered(device: VirtioDevice, ring: Ring, random: Random): number {
  const index = device.dma.read16(ring.available + 2);
  const position = (index - 1 - random.below(Math.min(ring.size, 4))) & (ring.size - 1);
  return device.dma.read16(ring.available + 4 + 2 * position);
}
