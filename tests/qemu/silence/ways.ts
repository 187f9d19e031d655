/**
 * Ways to make QEMU's devices go silent: after each, the device looks as before and does nothing until it is reset.
 * QEMU says on stderr what it found; that it did is what the tests check first.
 */

import { INDIRECT, NEXT, WRITE, type SharedRing } from "./shared-ring.js";

/** One way. */
export interface Way {
  /** What is wrong in the ring. */
  readonly name: string;
  /** What QEMU says of it. */
  readonly words: RegExp;
  /** Works on a ring whose descriptors are all in flight, too. */
  readonly fitsFullRing?: true;
  /**
   * Writes it behind the driver's back. `buffer`: a page that the device may use, for chains that are well-formed
   * otherwise. Descriptors are taken from the end of the ring, where the driver has none in flight.
   */
  spoil(ring: SharedRing, buffer: number): void;
}

/** Whatever the device, virtio's own rules. [virtio-1.2 §2.7.4.2, §2.7.5] */
const ringWays: readonly Way[] = [
  {
    name: "a head behind the last descriptor",
    words: /Guest says index \d+ is available/,
    fitsFullRing: true,
    spoil: (ring) => ring.offer(ring.size),
  },
  {
    name: "a descriptor without length",
    words: /zero sized buffers are not allowed/,
    spoil(ring, address) {
      ring.describe(ring.size - 1, { address, length: 0 });
      ring.offer(ring.size - 1);
    },
  },
  {
    name: "a chain that ends where it began",
    words: /Looped descriptor/,
    spoil(ring, address) {
      ring.describe(ring.size - 2, { address, length: 16, flags: NEXT, next: ring.size - 1 });
      ring.describe(ring.size - 1, { address, length: 16, flags: NEXT, next: ring.size - 2 });
      ring.offer(ring.size - 2);
    },
  },
  {
    name: "a chain that leads out of the ring",
    words: /Desc next is \d+/,
    spoil(ring, address) {
      ring.describe(ring.size - 1, { address, length: 16, flags: NEXT, next: ring.size });
      ring.offer(ring.size - 1);
    },
  },
  {
    name: "a buffer to be read behind one to be written",
    words: /Incorrect order for descriptors/,
    spoil(ring, address) {
      ring.describe(ring.size - 2, { address, length: 16, flags: NEXT | WRITE, next: ring.size - 1 });
      ring.describe(ring.size - 1, { address, length: 16 });
      ring.offer(ring.size - 2);
    },
  },
  {
    name: "an indirect table that is no whole number of descriptors",
    words: /Invalid size for indirect buffer table/,
    spoil(ring, address) {
      ring.describe(ring.size - 1, { address, length: 17, flags: INDIRECT });
      ring.offer(ring.size - 1);
    },
  },
];

/**
 * QEMU takes for chains what the ring happens to hold: too many of them, or what was never filled in. (A card would
 * send what it finds there, and go on.)
 */
const STALE_CHAINS =
  /Virtqueue size exceeded|zero sized buffers are not allowed|Invalid size for indirect buffer table/;

/** Rules of disks, and of rings where disks only mind. [virtio-1.2 §2.7.6, §5.2.6] */
export const diskWays: readonly Way[] = [
  ...ringWays,
  {
    name: "an available index that jumps by more than the ring has entries",
    words: STALE_CHAINS,
    fitsFullRing: true,
    spoil: (ring) => ring.moveOn(2 * ring.size + 1),
  },
  {
    name: "an available index that goes back",
    words: STALE_CHAINS,
    fitsFullRing: true,
    spoil: (ring) => ring.moveOn(-1),
  },
  {
    name: "a request without a place for its status",
    words: /virtio-blk missing headers/,
    spoil(ring, address) {
      ring.describe(ring.size - 1, { address, length: 16 });
      ring.offer(ring.size - 1);
    },
  },
  {
    name: "a request whose header is too short",
    words: /virtio-blk request outhdr too short/,
    spoil(ring, address) {
      ring.describe(ring.size - 2, { address, length: 15, flags: NEXT, next: ring.size - 1 });
      ring.describe(ring.size - 1, { address: address + 512, length: 1, flags: WRITE });
      ring.offer(ring.size - 2);
    },
  },
];

/** Rules of what cards send. [virtio-1.2 §5.1.6.2] */
export const transmitWays: readonly Way[] = [
  ...ringWays,
  {
    name: "a frame that the card is to write",
    words: /virtio-net header not in first element/,
    spoil(ring, address) {
      ring.describe(ring.size - 1, { address, length: 64, flags: WRITE });
      ring.offer(ring.size - 1);
    },
  },
];

/** Rules of where frames are received, all of whose descriptors are in flight: noticed at the next frame. */
export const receiveWays: readonly Way[] = [
  {
    name: "heads behind the last descriptor",
    words: /Guest says index \d+ is available/,
    spoil: (ring) => ring.replaceHeads(0xffff),
  },
  {
    name: "buffers whose chains never end",
    words: /Looped descriptor/,
    spoil(ring, address) {
      for (let index = 0; index < ring.size; index++) {
        ring.describe(index, { address, length: 1, flags: NEXT | WRITE, next: index });
      }
    },
  },
  {
    name: "buffers whose chains lead out of the ring",
    words: /Desc next is \d+/,
    spoil(ring, address) {
      for (let index = 0; index < ring.size; index++) {
        ring.describe(index, { address, length: 1, flags: NEXT | WRITE, next: 0xffff });
      }
    },
  },
];
