/**
 * A split virtqueue from the device's side: taking chains, giving them back, and when to notify whom.
 * [virtio-1.2 §2.7.6 to §2.7.10]
 *
 * The device's own picture of the ring is private; what the driver may not touch is compared with it.
 */
import type { DmaView } from "../memory/dma-view.js";
import type { Rule, Violations } from "../violations.js";
import { Chain, type QueueLife } from "./chain.js";
import {
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_NOTIFY_ON_EMPTY,
  VIRTIO_MSI_NO_VECTOR,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_USED_F_NO_NOTIFY,
} from "./constants.js";
import type { DeviceFaults } from "./faults.js";
import { hasFeature, type FeatureSet } from "./feature-sets.js";
import type { QueueAreas, RingLayout } from "./ring-layout.js";
import { RingMemory } from "./ring.js";
import * as rules from "./rules.js";

/** What a queue needs of the device it belongs to. */
export interface QueueOwner {
  readonly dma: DmaView;
  readonly violations: Violations;
  readonly faults: DeviceFaults;
  /** As the driver accepted them. */
  readonly negotiated: FeatureSet;
  /** False: bus mastering is off, and with it every access to rings and buffers. */
  readonly canReachMemory: boolean;
  /** For violations. */
  readonly source: string;
  /** Interrupts because of this queue. */
  raiseQueueInterrupt(queue: DeviceQueue): void;
  /** Serving a queue makes no sense any more. */
  queueBroke(): void;
}

const NOWHERE: QueueAreas = { descriptorArea: 0, driverArea: 0, deviceArea: 0 };

export class DeviceQueue {
  /** Ring entries, which a driver may lower where the transport lets it; 0: the queue does not exist. */
  size: number;
  /** The driver made the queue known. Without memory that the device can reach it is not live all the same. */
  isEnabled = false;
  /** The driver reset the queue on its own, and the device has not done it yet. */
  isResetting = false;
  /** The device stopped serving this queue because the driver broke a rule that leaves nothing sensible to do. */
  isBroken = false;
  /** A look at the queue is scheduled. */
  isPending = false;
  /** Message vector, as the driver reads it back. */
  vector = VIRTIO_MSI_NO_VECTOR;
  /** Chains taken and not given back. */
  inFlight = 0;
  /** Counters since the reset. */
  notifications = 0;
  interrupts = 0;
  completions = 0;

  /** Where the driver put the ring of an enabled queue. */
  areas: QueueAreas = NOWHERE;
  private ring: RingMemory | null = null;
  private life: QueueLife = { isOver: false };
  private owned = new Uint8Array(0);
  /** Position of the next entry to take from the available ring. */
  private nextAvailable = 0;
  /** avail.idx when the device last asked for notifications or got one: anything beyond must be notified of. */
  private announcedAvailable = 0;
  /** avail_event as the device wrote it last. */
  private availEvent = 0;
  /** Position of the next entry to fill in the used ring. */
  private nextUsed = 0;
  /** The used index at the last decision about an interrupt. */
  private signalledUsed = 0;
  private hasSignalled = false;
  /** Whether the device wants to be notified of the next available entry. */
  private wantsNotification = true;
  /** The device cannot work: whether the driver notifies or not says nothing about the driver. */
  private ignoresNotifications = false;

  constructor(
    private readonly owner: QueueOwner,
    readonly index: number,
    /** The size that the device offers. */
    readonly maximumSize: number,
  ) {
    this.size = maximumSize;
  }

  get isLive(): boolean {
    return this.ring !== null;
  }

  /** The ring's memory, for hostile devices; null while the queue is not live. */
  get memory(): RingMemory | null {
    return this.ring;
  }

  /** Makes the queue live, if its memory is such as the device can use. */
  enable(layout: RingLayout): void {
    const { dma, faults } = this.owner;
    const ring = new RingMemory(dma, faults, this.index, this.size, layout);
    this.isEnabled = true;
    this.areas = layout;
    if (!ring.isReachable()) {
      this.isBroken = true;
      this.owner.queueBroke();
      return;
    }
    if (!ring.isZero()) this.record(rules.RING_NOT_ZEROED, `descriptors at 0x${layout.descriptorArea.toString(16)}`);
    this.ring = ring;
    this.owned = new Uint8Array(this.size);
  }

  /** Forgets everything, the size that the driver chose included. */
  reset(): void {
    this.checkUsedRing();
    this.life.isOver = true;
    this.life = { isOver: false };
    this.ring = null;
    this.size = this.maximumSize;
    this.isEnabled = false;
    this.isResetting = false;
    this.areas = NOWHERE;
    this.isBroken = false;
    this.isPending = false;
    this.vector = VIRTIO_MSI_NO_VECTOR;
    this.inFlight = 0;
    this.notifications = 0;
    this.interrupts = 0;
    this.completions = 0;
    this.nextAvailable = 0;
    this.announcedAvailable = 0;
    this.availEvent = 0;
    this.nextUsed = 0;
    this.signalledUsed = 0;
    this.hasSignalled = false;
    this.wantsNotification = true;
    this.ignoresNotifications = false;
  }

  /** How many chains are there to take. Records and breaks the queue when the index makes no sense. */
  available(): number {
    if (this.ring === null || this.isBroken || this.isResetting || !this.owner.canReachMemory) return 0;
    const index = this.ring.availIndex;
    const count = (index - this.nextAvailable) & 0xffff;
    if (count <= this.size) return count;
    this.break(rules.AVAIL_INDEX_JUMP, `from ${this.nextAvailable} to ${index}, size ${this.size}`);
    return 0;
  }

  /** Takes the next available chain; null when there is none or the queue is broken. */
  next(): Chain | null {
    if (this.available() === 0 || this.ring === null) return null;
    const head = this.ring.availHead(this.nextAvailable);
    const chain = new Chain(head, this.owner.dma, this.life);
    const indirect = hasFeature(this.owner.negotiated, VIRTIO_F_INDIRECT_DESC);
    const broken = chain.walk(this.ring.address, this.size, indirect, (index) => this.owned[index] === 1);
    if (broken !== null) {
      this.break(broken, `head ${head}, entry ${this.nextAvailable}`);
      return null;
    }
    for (const index of chain.descriptors) this.owned[index] = 1;
    for (const segment of chain.readable) this.owner.dma.check(segment.address, segment.length);
    for (const segment of chain.writable) this.owner.dma.check(segment.address, segment.length);
    const takesAnnounced = this.announcedAvailable !== this.nextAvailable;
    this.nextAvailable = (this.nextAvailable + 1) & 0xffff;
    if (!this.wantsNotification && !takesAnnounced) this.announcedAvailable = this.nextAvailable;
    this.inFlight++;
    return chain;
  }

  /**
   * Gives a chain back and publishes it; `signal` then decides about the interrupt.
   *
   * @param length bytes that the device wrote, as the used element reports it
   */
  complete(chain: Chain, length: number): void {
    this.put(chain, length);
    this.publish();
  }

  /** Writes the used element without moving the index on: for several that belong together. `publish` follows. */
  put(chain: Chain, length: number): void {
    const ring = this.ring;
    if (ring === null || chain.isOver) return;
    if (!chain.isUnchanged()) this.record(rules.DESCRIPTOR_CHANGED, `head ${chain.head}`);
    if (!ring.usedElementIsIntact(this.nextUsed)) this.reportUsedRing(`entry ${this.nextUsed}`);
    for (const index of chain.descriptors) this.owned[index] = 0;
    ring.writeUsedElement(this.nextUsed, chain.head, length);
    this.nextUsed = (this.nextUsed + 1) & 0xffff;
    this.inFlight--;
    this.completions++;
  }

  /** Shows the driver everything that was put. */
  publish(): void {
    this.checkUsedHeader();
    this.ring?.writeUsedIndex(this.nextUsed);
  }

  /** Interrupts if the driver wants to know of what was published since the last call. [virtio-1.2 §2.7.7.2] */
  signal(): void {
    const ring = this.ring;
    if (ring === null || this.owner.faults.silent === true) return;
    const old = this.signalledUsed;
    const isFirst = !this.hasSignalled;
    if (old === this.nextUsed && !isFirst) return;
    this.signalledUsed = this.nextUsed;
    this.hasSignalled = true;
    const features = this.owner.negotiated;
    this.checkAvailFlags(ring);
    const isEmpty =
      hasFeature(features, VIRTIO_F_NOTIFY_ON_EMPTY) && this.inFlight === 0 && ring.availIndex === this.nextAvailable;
    const isWanted = hasFeature(features, VIRTIO_F_EVENT_IDX)
      ? isFirst || needEvent(ring.usedEvent, this.nextUsed, old)
      : (ring.availFlags & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    if (!isWanted && !isEmpty) return;
    this.interrupts++;
    this.owner.raiseQueueInterrupt(this);
  }

  /** Asks the driver to notify of the next entry. Look at `available` afterwards: one may have come meanwhile. */
  enableNotifications(): void {
    const ring = this.ring;
    if (ring === null || this.isBroken) return;
    this.checkUsedHeader();
    this.wantsNotification = true;
    this.ignoresNotifications = false;
    this.announcedAvailable = ring.availIndex;
    this.availEvent = this.announcedAvailable;
    if (hasFeature(this.owner.negotiated, VIRTIO_F_EVENT_IDX)) ring.writeAvailEvent(this.availEvent);
    else ring.writeUsedFlags(0);
  }

  /** Asks the driver not to notify. */
  disableNotifications(): void {
    const ring = this.ring;
    if (ring === null || this.isBroken) return;
    this.checkUsedHeader();
    this.wantsNotification = false;
    // With EVENT_IDX it is enough to leave the event where it is, behind what the driver published.
    if (!hasFeature(this.owner.negotiated, VIRTIO_F_EVENT_IDX)) ring.writeUsedFlags(VIRTQ_USED_F_NO_NOTIFY);
  }

  /** Judges no notification, sent or not, until they are enabled again. */
  ignoreNotifications(): void {
    this.ignoresNotifications = true;
  }

  /** Called for every notification of a live queue, before it is served. */
  wasNotified(): void {
    this.notifications++;
    const ring = this.ring;
    if (ring === null || this.isBroken) return;
    this.checkAvailFlags(ring);
    const index = ring.availIndex;
    if (this.ignoresNotifications) return;
    if (!this.isNotificationWanted(index))
      this.record(rules.NOTIFICATION_SUPPRESSED, `avail.idx ${index}, avail_event ${this.availEvent}`);
    this.announcedAvailable = index;
  }

  /** Whether entries were published that the driver should have notified of and did not. Records it if so. */
  missesNotification(): boolean {
    const ring = this.ring;
    if (ring === null || this.isBroken || this.isPending) return false;
    if (!this.wantsNotification || this.ignoresNotifications) return false;
    const index = ring.availIndex;
    if (index === this.announcedAvailable || !this.isNotificationWanted(index)) return false;
    this.record(rules.NOTIFICATION_MISSING, `avail.idx ${index}, last seen ${this.announcedAvailable}`);
    this.announcedAvailable = index;
    return true;
  }

  /** Compares the whole used ring with what the device wrote. */
  checkUsedRing(): void {
    const ring = this.ring;
    if (ring === null || this.isBroken) return;
    this.checkUsedHeader();
    for (let slot = 0; slot < this.size; slot++) {
      if (!ring.usedElementIsIntact(slot)) {
        this.reportUsedRing(`slot ${slot}`);
        return;
      }
    }
  }

  /** Stops serving the queue until the reset. */
  break(rule: Rule, detail: string): void {
    this.record(rule, detail);
    this.isBroken = true;
    this.owner.queueBroke();
  }

  /**
   * Whether the driver has to notify when it moves its index to `index`. An event that is left behind comes round again
   * after 65536 entries.
   */
  private isNotificationWanted(index: number): boolean {
    return hasFeature(this.owner.negotiated, VIRTIO_F_EVENT_IDX)
      ? needEvent(this.availEvent, index, this.announcedAvailable)
      : this.wantsNotification;
  }

  private checkUsedHeader(): void {
    if (this.ring !== null && !this.ring.usedHeaderIsIntact()) this.reportUsedRing("flags, idx or event");
  }

  private reportUsedRing(detail: string): void {
    this.record(rules.USED_RING_WRITTEN, detail);
    this.ring?.adoptUsedRing();
  }

  private checkAvailFlags(ring: RingMemory): void {
    const flags = ring.availFlags;
    const allowed = hasFeature(this.owner.negotiated, VIRTIO_F_EVENT_IDX) ? 0 : VIRTQ_AVAIL_F_NO_INTERRUPT;
    if ((flags & ~allowed) !== 0) this.record(rules.AVAIL_FLAGS, `flags ${flags}`);
  }

  private record(rule: Rule, detail: string): void {
    this.owner.violations.record(rule, `${this.owner.source} queue ${this.index}`, detail);
  }
}

/** Whether moving an index from `old` to `now` passes `event`. [virtio-1.2 §2.7.7.2] */
export function needEvent(event: number, now: number, old: number): boolean {
  return ((now - event - 1) & 0xffff) < ((now - old) & 0xffff);
}
