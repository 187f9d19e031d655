/**
 * A legacy virtio device behind its register file: status, features, queues, configuration, interrupt.
 * [virtio-1.2 §2.1 to §2.5, §3.1, §4.1.4.10]
 *
 * A kind of device (block, net) extends this class, says what it offers, and serves its queues.
 */
import type { DmaView } from "../memory/dma-view.js";
import type { Profile } from "../profiles.js";
import type { Rule, Violations } from "../violations.js";
import type { ConfigurationSpace } from "./configuration.js";
import {
  ACKNOWLEDGE,
  DEVICE_NEEDS_RESET,
  DRIVER,
  DRIVER_OK,
  FAILED,
  FEATURES_OK,
  hasFeature,
  ISR_CONFIGURATION,
  ISR_QUEUE,
  UNUSED_BIT_30,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_MSI_NO_VECTOR,
} from "./constants.js";
import type { DeviceEnvironment } from "./environment.js";
import type { DeviceFaults } from "./faults.js";
import { DeviceQueue, type QueueOwner } from "./queue.js";
import * as rules from "./rules.js";

/** What a test may decide about any device; what is absent is the profile's. */
export interface VirtioDeviceOptions {
  /** Features offered, all 32 bits, in place of the profile's. */
  features?: number;
  /** Size of each queue, in place of the profile's; 0 for a queue that does not exist. */
  queueSizes?: readonly number[];
  faults?: DeviceFaults;
}

/** What a kind of device offers on a host. */
export interface DeviceOffer {
  features: number;
  queueSizes: readonly number[];
  configuration: ConfigurationSpace;
}

/** A feature that may be accepted only together with others. */
export interface FeatureDependency {
  readonly name: string;
  readonly feature: number;
  /** All of these. */
  readonly requires: number;
}

const DRIVER_STATUS_BITS = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED;

export abstract class VirtioDevice implements QueueOwner {
  /** The device type of the specification, shown as PCI subsystem device id. [virtio-1.2 §5] */
  abstract readonly type: number;
  /** One word for people: "block". */
  abstract readonly kind: string;
  /** PCI class × 65536 + subclass × 256 + interface. */
  abstract readonly classCode: number;
  /** May be set or changed at any time. */
  readonly faults: DeviceFaults;

  /** The machine that it is plugged into, or was last. */
  private environmentOrNull: DeviceEnvironment | null = null;
  private isAttached = false;
  private offerOrNull: DeviceOffer | null = null;
  private queueList: DeviceQueue[] = [];
  private selectedQueue = 0;
  private statusRegister = 0;
  private isrRegister = 0;
  private driverFeatures = 0;
  private driverWroteFeatures = false;
  private configurationVector = VIRTIO_MSI_NO_VECTOR;
  /** Counts resets, so that work of the time before can be told. */
  private generation = 0;

  constructor(private readonly options: VirtioDeviceOptions) {
    this.faults = options.faults ?? {};
  }

  /** What this kind offers on a host of the given profile. Called once, when the device is plugged in. */
  protected abstract describe(profile: Profile): DeviceOffer;

  /** Which features need which others. */
  protected abstract readonly featureDependencies: readonly FeatureDependency[];

  /**
   * Works on a queue that was notified: takes chains with `queue.next()`, gives them back with `queue.complete()`, now
   * or later (see `later`), and ends with `queue.signal()`. Called with notifications disabled; they are enabled
   * afterwards, and the call is repeated if something came meanwhile.
   */
  protected abstract serve(queue: DeviceQueue): void;

  /**
   * Whether the driver is to notify of what it makes available next, asked once `queue` was served. A device that looks
   * into a queue on other occasions as well can do without, and calls `enableNotifications` itself later. Always, when
   * the device does not say.
   */
  protected needsNotification?(queue: DeviceQueue): boolean;

  /** The driver reset the device: forget every chain. Work given to `later` is dropped already. */
  protected abstract wasReset(): void;

  /** The driver wrote `bytes` bytes of the configuration, at `offset`; the new value is in `configuration`. */
  protected configurationWritten?(offset: number, bytes: number): void;

  /** DRIVER_OK was set, whether or not the device will work: the accepted features are final until the reset. */
  protected featuresAreSettled?(): void;

  /** The machine is switched off: let go of files and the like. */
  close(): void {
    // Most devices hold nothing.
  }

  /** DRIVER_OK was set: from now on the device may use its queues. */
  protected driverIsReady(): void {
    // Most devices wait for a notification.
  }

  // ---- for the kinds of device ----

  protected get environment(): DeviceEnvironment {
    if (this.environmentOrNull === null) throw new Error(`the ${this.kind} device is not plugged into a machine`);
    return this.environmentOrNull;
  }

  get configuration(): ConfigurationSpace {
    return this.offer.configuration;
  }

  get queues(): readonly DeviceQueue[] {
    return this.queueList;
  }

  get dma(): DmaView {
    return this.environment.dma;
  }

  get violations(): Violations {
    return this.environment.violations;
  }

  get source(): string {
    return `${this.kind} ${this.environment.location}`;
  }

  get offeredFeatures(): number {
    return this.offer.features;
  }

  /** The accepted features; 0 when the driver wrote none. */
  get negotiatedFeatures(): number {
    return this.driverFeatures;
  }

  /** Whether the device may access memory at all. */
  get canReachMemory(): boolean {
    return this.environment.isBusMaster();
  }

  hasNegotiated(feature: number): boolean {
    return hasFeature(this.driverFeatures, feature);
  }

  /** Whether the driver has set DRIVER_OK, and nothing is wrong that keeps the device from working. */
  get isReady(): boolean {
    const bits = DRIVER_OK | FAILED | DEVICE_NEEDS_RESET;
    return (this.statusRegister & bits) === DRIVER_OK && this.faults.silent !== true;
  }

  record(rule: Rule, detail: string): void {
    this.violations.record(rule, this.source, detail);
  }

  /** Runs `work` after `delay` nanoseconds, at once when `delay` is negative, never when the device is reset before. */
  protected later(delay: number, work: () => void): void {
    if (delay < 0) {
      work();
      return;
    }
    const generation = this.generation;
    this.environment.time.schedule(delay, () => {
      if (generation === this.generation) work();
    });
  }

  /** Tells the driver that the configuration changed. [virtio-1.2 §3.2.1, §4.1.5.4] */
  configurationChanged(): void {
    if ((this.statusRegister & DRIVER_OK) !== 0) this.raise(ISR_CONFIGURATION);
  }

  /** Sets DEVICE_NEEDS_RESET and tells the driver: from now on nothing works until the reset. [virtio-1.2 §2.1.2] */
  fail(): void {
    this.statusRegister |= DEVICE_NEEDS_RESET;
    this.configurationChanged();
  }

  raiseQueueInterrupt(): void {
    this.raise(ISR_QUEUE);
  }

  // ---- for the machine ----

  /** Plugs the device in; once more after `detach` only. */
  attach(environment: DeviceEnvironment): void {
    if (this.isAttached) throw new Error(`the ${this.kind} device is plugged in already`);
    this.isAttached = true;
    this.environmentOrNull = environment;
    const offer = this.describe(environment.profile);
    offer.features = this.options.features ?? offer.features;
    offer.queueSizes = this.options.queueSizes ?? offer.queueSizes;
    this.offerOrNull = offer;
    this.queueList = offer.queueSizes.map((size, index) => new DeviceQueue(this, index, size));
  }

  /** Pulls the device out: it forgets everything and lets go of the interrupt line. */
  detach(): void {
    this.reset();
    this.isAttached = false;
  }

  /** Looks for published work that nobody notified of; records and serves it. */
  checkNotifications(): void {
    if (!this.isReady || !this.canReachMemory) return;
    for (const queue of this.queueList) {
      if (queue.missesNotification()) this.startServing(queue);
    }
  }

  /** Compares every used ring with what the device wrote. */
  checkUsedRings(): void {
    for (const queue of this.queueList) queue.checkUsedRing();
  }

  // ---- registers, as the register file calls them ----

  get status(): number {
    return this.statusRegister;
  }

  setStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    const before = this.statusRegister;
    if ((before & ~value & DRIVER_STATUS_BITS) !== 0) this.record(rules.STATUS_BIT_CLEARED, `${before} to ${value}`);
    if ((value & ~DRIVER_STATUS_BITS & ~before) !== 0) this.record(rules.STATUS_UNKNOWN_BIT, `${before} to ${value}`);
    this.checkStatusOrder(before, value);
    this.statusRegister = (value & DRIVER_STATUS_BITS) | (before & DEVICE_NEEDS_RESET);
    if (!this.environment.profile.latchesFeaturesOk) this.statusRegister &= ~FEATURES_OK;
    const isNowReady = (value & ~before & DRIVER_OK) !== 0;
    if (!isNowReady) return;
    if (hasFeature(this.offeredFeatures & ~this.driverFeatures, VIRTIO_F_ANY_LAYOUT)) {
      this.record(rules.FEATURE_ANY_LAYOUT_REFUSED, `accepted 0x${this.driverFeatures.toString(16)}`);
    }
    this.featuresAreSettled?.();
    if (this.isReady) this.driverIsReady();
  }

  setDriverFeatures(value: number): void {
    const offered = this.offeredFeatures;
    const hex = `0x${value.toString(16)}, offered 0x${(offered >>> 0).toString(16)}`;
    if ((this.statusRegister & DRIVER) === 0 || (this.statusRegister & (FEATURES_OK | DRIVER_OK)) !== 0) {
      this.record(rules.FEATURES_ORDER, `status ${this.statusRegister}`);
    }
    this.driverWroteFeatures = true;
    if (hasFeature(value, UNUSED_BIT_30)) {
      this.record(rules.FEATURE_BIT_30, hex);
      this.driverFeatures = 0;
      return;
    }
    if ((value & ~offered) !== 0) this.record(rules.FEATURE_NOT_OFFERED, hex);
    for (const { name, feature, requires } of this.featureDependencies) {
      if (hasFeature(value, feature) && (value & requires) !== requires) this.record(rules.FEATURE_DEPENDENCY, name);
    }
    this.driverFeatures = (value & offered) >>> 0;
  }

  /** The selected queue, undefined when the device has no such queue. */
  get queue(): DeviceQueue | undefined {
    return this.queueList[this.selectedQueue];
  }

  get queueSelect(): number {
    return this.selectedQueue;
  }

  setQueueSelect(value: number): void {
    if (value < this.environment.profile.queueSelectLimit) this.selectedQueue = value;
  }

  setQueueAddress(pageFrame: number): void {
    const queue = this.queue;
    if (queue === undefined || queue.size === 0) {
      this.record(rules.QUEUE_MISSING, `queue ${this.selectedQueue}`);
      return;
    }
    if (pageFrame === 0) {
      this.releaseQueue(queue);
      return;
    }
    if (queue.pageFrame !== 0) this.record(rules.QUEUE_LIVE, `queue ${queue.index}`);
    if ((this.statusRegister & DRIVER) === 0 || (this.statusRegister & DRIVER_OK) !== 0 || !this.driverWroteFeatures) {
      this.record(rules.QUEUE_ORDER, `queue ${queue.index}, status ${this.statusRegister}`);
    }
    if (!this.canReachMemory) this.record(rules.BUS_MASTER_OFF, `queue ${queue.index}`);
    queue.setAddress(pageFrame);
  }

  notify(index: number): void {
    const queue = this.queueList[index];
    if (queue === undefined || queue.size === 0) {
      this.record(rules.QUEUE_MISSING, `notification of queue ${index}`);
      return;
    }
    if ((this.statusRegister & DRIVER_OK) === 0 || queue.pageFrame === 0) {
      this.record(rules.NOTIFICATION_EARLY, `queue ${index}, status ${this.statusRegister}`);
      return;
    }
    queue.wasNotified();
    if (!this.canReachMemory) {
      this.record(rules.BUS_MASTER_OFF, `notification of queue ${index}`);
      queue.ignoreNotifications();
      return;
    }
    if (this.isReady) this.startServing(queue);
    else queue.ignoreNotifications();
  }

  /** Reads and clears the ISR register, and ends the interrupt. */
  takeIsr(): number {
    const bits = this.isrRegister;
    this.isrRegister = 0;
    this.environment.setInterruptPin(false);
    return bits;
  }

  get configurationMessageVector(): number {
    return this.configurationVector;
  }

  setConfigurationMessageVector(vector: number): void {
    this.configurationVector = vector < this.environment.profile.messageVectors ? vector : VIRTIO_MSI_NO_VECTOR;
  }

  setQueueMessageVector(vector: number): void {
    const queue = this.queue;
    if (queue === undefined) return;
    queue.vector = vector < this.environment.profile.messageVectors ? vector : VIRTIO_MSI_NO_VECTOR;
  }

  /** Reads one byte of the device configuration. */
  readConfiguration(offset: number): number {
    const field = this.configuration.fieldAt(offset);
    if (field === undefined) {
      this.record(rules.CONFIGURATION_OUTSIDE, `read at ${offset}`);
      return 0xff;
    }
    if (field.feature !== 0 && !hasFeature(this.offeredFeatures, field.feature)) {
      this.record(rules.CONFIGURATION_NOT_OFFERED, field.name);
    }
    return this.configuration.bytes[offset] ?? 0xff;
  }

  /** Writes consecutive bytes of the device configuration, the lowest first. */
  writeConfiguration(offset: number, value: number, bytes: number): void {
    const field = this.configuration.fieldAt(offset);
    if (field === undefined || offset + bytes > field.offset + field.bytes) {
      this.record(rules.CONFIGURATION_OUTSIDE, `write at ${offset}`);
      return;
    }
    const isEarly = field.isWritableEarly === true && (this.statusRegister & DRIVER_OK) === 0;
    if (!hasFeature(isEarly ? this.offeredFeatures : this.driverFeatures, field.writableWith ?? 0)) {
      this.record(rules.CONFIGURATION_READ_ONLY, field.name);
      return;
    }
    for (let index = 0; index < bytes; index++) this.configuration.bytes[offset + index] = value >>> (8 * index);
    this.configurationWritten?.(offset, bytes);
  }

  // ---- inner workings ----

  private get offer(): DeviceOffer {
    if (this.offerOrNull === null) throw new Error(`the ${this.kind} device is not plugged into a machine`);
    return this.offerOrNull;
  }

  private reset(): void {
    this.generation++;
    for (const queue of this.queueList) queue.reset();
    this.statusRegister = 0;
    this.driverFeatures = 0;
    this.driverWroteFeatures = false;
    this.selectedQueue = 0;
    this.configurationVector = VIRTIO_MSI_NO_VECTOR;
    this.takeIsr();
    this.wasReset();
  }

  private releaseQueue(queue: DeviceQueue): void {
    if (!queue.isLive) return;
    if ((this.statusRegister & DRIVER_OK) !== 0) this.record(rules.QUEUE_LIVE, `queue ${queue.index} released`);
    if (this.environment.profile.zeroAddressResets) this.reset();
    else queue.reset();
  }

  private checkStatusOrder(before: number, value: number): void {
    const isInOrder =
      ((value & DRIVER) === 0 || (value & ACKNOWLEDGE) !== 0) &&
      ((value & FEATURES_OK) === 0 || (value & DRIVER) !== 0) &&
      ((value & DRIVER_OK) === 0 || (value & DRIVER) !== 0) &&
      ((before & DRIVER_OK) === 0 || (value & ~before & (ACKNOWLEDGE | DRIVER | FEATURES_OK)) === 0);
    if (!isInOrder && (value & FAILED) === 0) this.record(rules.STATUS_ORDER, `${before} to ${value}`);
  }

  private startServing(queue: DeviceQueue): void {
    if (queue.isPending) return;
    queue.isPending = true;
    queue.disableNotifications();
    this.later(this.environment.completion.notificationDelay(), () => {
      queue.isPending = false;
      this.serveUntilIdle(queue);
    });
  }

  /** Enabling notifications and finding nothing new, in this order, leaves no entry unseen. [virtio-1.2 §2.7.14] */
  private serveUntilIdle(queue: DeviceQueue): void {
    let seen: number;
    do {
      this.serve(queue);
      if (!(this.needsNotification?.(queue) ?? true)) return;
      seen = queue.available();
      queue.enableNotifications();
    } while (this.isReady && queue.available() > seen);
  }

  private raise(bits: number): void {
    const raised = this.faults.interrupt?.(bits) ?? bits;
    if (this.faults.silent === true || raised === 0) return;
    this.isrRegister |= raised;
    if (!this.environment.isMsixEnabled()) this.environment.setInterruptPin(true);
  }
}
