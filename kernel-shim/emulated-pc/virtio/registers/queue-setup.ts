/**
 * How a queue is set up where its three areas have addresses of their own: on modern PCI and in version 2 of MMIO.
 * [virtio-1.2 §4.1.5.1.3, §4.2.3.2]
 */
import { VIRTIO_F_RING_RESET } from "../constants.js";
import type { VirtioDevice } from "../device.js";
import type { DeviceQueue } from "../queue.js";
import type { QueueAreas } from "../ring-layout.js";
import * as rules from "../rules.js";
import { QUEUE_INCOMPLETE, QUEUE_RESET_NOT_NEGOTIATED, QUEUE_RESET_NOT_READ, QUEUE_SIZE } from "./rules.js";

/** Low and high half of three addresses. */
const HALVES = 6;
const HALF_BYTES = 4;
const HIGH_HALF = 0x1_0000_0000;

interface Addresses {
  readonly halves: Uint32Array;
  readonly wasWritten: boolean[];
}

export class QueueSetup {
  private readonly addresses = new Map<DeviceQueue, Addresses>();
  /** Queues whose reset the driver does not yet know to be complete. */
  private readonly resetUnread = new Set<DeviceQueue>();

  constructor(private readonly device: VirtioDevice) {
    device.resetListeners.push(() => {
      this.addresses.clear();
      this.resetUnread.clear();
    });
  }

  /** @param offset in bytes from the low half of the descriptor area's address */
  readAddress(queue: DeviceQueue, offset: number): number {
    return this.addresses.get(queue)?.halves[offset / HALF_BYTES] ?? 0;
  }

  writeAddress(queue: DeviceQueue, offset: number, value: number): void {
    if (!this.isChangeable(queue)) return;
    const { halves, wasWritten } = this.of(queue);
    halves[offset / HALF_BYTES] = value;
    wasWritten[offset / HALF_BYTES] = true;
  }

  writeSize(queue: DeviceQueue, size: number): void {
    if (!this.isChangeable(queue)) return;
    const isPowerOfTwo = size > 0 && (size & (size - 1)) === 0;
    if (isPowerOfTwo && size <= queue.maximumSize) queue.size = size;
    else this.device.record(QUEUE_SIZE, `queue ${queue.index}, size ${size} of ${queue.maximumSize}`);
  }

  /** The addresses of a queue that is to be enabled, null when it must not be; says what is missing. */
  complete(queue: DeviceQueue): QueueAreas | null {
    if (!this.isChangeable(queue)) return null;
    const { halves, wasWritten } = this.of(queue);
    const missing = Array.from({ length: HALVES }, (_, half) => half).filter((half) => wasWritten[half] !== true);
    if (missing.length > 0) {
      this.device.record(QUEUE_INCOMPLETE, `queue ${queue.index}, address halves ${missing.join(", ")}`);
    }
    const address = (area: number): number => (halves[2 * area + 1] ?? 0) * HIGH_HALF + (halves[2 * area] ?? 0);
    return { descriptorArea: address(0), driverArea: address(1), deviceArea: address(2) };
  }

  /** The queue is no longer in use. */
  forget(queue: DeviceQueue): void {
    this.addresses.delete(queue);
  }

  /** queue_reset, or QueueReset. [virtio-1.2 §2.6.1] */
  readReset(queue: DeviceQueue | undefined): number {
    if (queue === undefined) return 0;
    if (!queue.isResetting) this.resetUnread.delete(queue);
    return queue.isResetting ? 1 : 0;
  }

  writeReset(queue: DeviceQueue, value: number): void {
    const { device } = this;
    if (value !== 1 || !device.hasNegotiated(VIRTIO_F_RING_RESET) || !queue.isEnabled) {
      device.record(QUEUE_RESET_NOT_NEGOTIATED, `queue ${queue.index}, ${value}`);
      return;
    }
    this.forget(queue);
    this.resetUnread.add(queue);
    device.resetQueue(queue);
  }

  private isChangeable(queue: DeviceQueue): boolean {
    if (this.resetUnread.delete(queue)) this.device.record(QUEUE_RESET_NOT_READ, `queue ${queue.index}`);
    if (!queue.isEnabled) return true;
    this.device.record(rules.QUEUE_LIVE, `queue ${queue.index}`);
    return false;
  }

  private of(queue: DeviceQueue): Addresses {
    let addresses = this.addresses.get(queue);
    if (addresses === undefined) {
      addresses = { halves: new Uint32Array(HALVES), wasWritten: [] };
      this.addresses.set(queue, addresses);
    }
    return addresses;
  }
}
