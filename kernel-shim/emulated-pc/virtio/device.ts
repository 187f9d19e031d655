/**
 * A virtio device behind whatever registers lead to it: status, features, queues, configuration, interrupt.
 * [virtio-1.2 §2.1 to §2.6, §3.1]
 *
 * A kind of device (block, net) extends this class, says what it offers, and serves its queues. The files in
 * `registers/` turn accesses into calls of it.
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
  ISR_CONFIGURATION,
  ISR_QUEUE,
  LEGACY_FEATURES,
  UNUSED_BIT_30,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
  VIRTIO_MSI_NO_VECTOR,
} from "./constants.js";
import type { DeviceEnvironment } from "./environment.js";
import type { DeviceFaults } from "./faults.js";
import {
  featureSet,
  hasFeature,
  intersection,
  isEmpty,
  NO_FEATURES,
  numberOf,
  union,
  without,
  withWord,
  type FeatureSet,
} from "./feature-sets.js";
import { DeviceQueue, type QueueOwner } from "./queue.js";
import { isAligned, type RingLayout } from "./ring-layout.js";
import * as rules from "./rules.js";

/** What a test may decide about any device; what is absent is the profile's. */
export interface VirtioDeviceOptions {
  /** Features 0 to 31 offered, in place of the profile's. The modern interface hides those that are legacy's. */
  features?: number;
  /** Features from 32 on, in place of VERSION_1 and the profile's. The modern interface alone shows them. */
  modernFeatures?: number;
  /** Without these, and VERSION_1, the device refuses FEATURES_OK through its modern interface. */
  requiredFeatures?: number;
  /** Nanoseconds for which the status reads as before a reset, through the modern interface; 0 unless given. */
  resetTime?: number;
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

/**
 * Which of its interfaces a driver uses: that of before virtio 1.0, or the one with VERSION_1. A transitional device has
 * both. [virtio-1.2 §1.3, §2.2.3]
 */
export type DriverInterface = "legacy" | "modern";

const DRIVER_STATUS_BITS = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED;

export abstract class VirtioDevice implements QueueOwner {
  /** The device type of the specification. [virtio-1.2 §5] */
  abstract readonly type: number;
  /** One word for people: "block". */
  abstract readonly kind: string;
  /** PCI class × 65536 + subclass × 256 + interface. */
  abstract readonly classCode: number;
  /** May be set or changed at any time. */
  readonly faults: DeviceFaults;
  /** The vector of configuration changes, as the driver reads it back. */
  configurationVector = VIRTIO_MSI_NO_VECTOR;
  /** Changes whenever the configuration does. [virtio-1.2 §2.5.2] */
  configurationGeneration = 0;
  /** Called at every reset: registers have state of their own. */
  readonly resetListeners: (() => void)[] = [];

  /** The machine that it is plugged into, or was last. */
  private environmentOrNull: DeviceEnvironment | null = null;
  private isAttached = false;
  private offerOrNull: DeviceOffer | null = null;
  private queueList: DeviceQueue[] = [];
  private interfaceInUse: DriverInterface = "legacy";
  private statusRegister = 0;
  private isrRegister = 0;
  private driverFeatures = NO_FEATURES;
  private driverWroteFeatures = false;
  /** Counts resets, so that work of the time before can be told. */
  private resets = 0;

  constructor(private readonly options: VirtioDeviceOptions) {
    this.faults = options.faults ?? {};
  }

  /** What this kind offers on a host of the given profile. Called once, when the device is plugged in. */
  protected abstract describe(profile: Profile): DeviceOffer;

  /** Features of this kind that only legacy drivers are offered. */
  protected readonly legacyFeatures: number = 0;

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

  /** The driver reset one queue: forget its chains. What completes later of them is dropped by the queue. */
  protected queueWasReset?(queue: DeviceQueue): void;

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

  /** What is offered through the interface in use. */
  get offered(): FeatureSet {
    const features = featureSet(this.offer.features);
    if (this.interfaceInUse === "legacy") return features;
    const modern = this.options.modernFeatures ?? VIRTIO_F_VERSION_1 + this.environment.profile.modernFeatures;
    return union(without(features, featureSet(LEGACY_FEATURES + this.legacyFeatures)), featureSet(modern));
  }

  /** The accepted features; none when the driver wrote none. */
  get negotiated(): FeatureSet {
    return this.driverFeatures;
  }

  /** The same as numbers, which are exact up to bit 52. */
  get offeredFeatures(): number {
    return numberOf(this.offered);
  }

  get negotiatedFeatures(): number {
    return numberOf(this.driverFeatures);
  }

  /** Whether the device may access memory at all. */
  get canReachMemory(): boolean {
    return this.environment.isBusMaster();
  }

  /** Any of the features in the mask. */
  hasNegotiated(features: number): boolean {
    return hasFeature(this.driverFeatures, features);
  }

  /** Whether the driver has set DRIVER_OK, and nothing is wrong that keeps the device from working. */
  get isReady(): boolean {
    const bits = DRIVER_OK | FAILED | DEVICE_NEEDS_RESET;
    if ((this.statusRegister & bits) !== DRIVER_OK || this.faults.silent === true) return false;
    return this.interfaceInUse === "legacy" || (this.statusRegister & FEATURES_OK) !== 0;
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
    const { resets } = this;
    this.environment.time.schedule(delay, () => {
      if (resets === this.resets) work();
    });
  }

  /** Tells the driver that the configuration changed. [virtio-1.2 §2.5.2, §4.1.5.4] */
  configurationChanged(): void {
    this.configurationGeneration = (this.configurationGeneration + 1) & 0xff;
    this.interruptForConfiguration();
  }

  /** Sets DEVICE_NEEDS_RESET and tells the driver: from now on nothing works until the reset. [virtio-1.2 §2.1.2] */
  fail(): void {
    this.statusRegister |= DEVICE_NEEDS_RESET;
    this.interruptForConfiguration();
  }

  /** @param queue the first unless given, which matters where each queue has a message vector */
  raiseQueueInterrupt(queue = this.queueList[0]): void {
    this.raise(ISR_QUEUE, queue?.vector ?? VIRTIO_MSI_NO_VECTOR);
  }

  /** Legacy drivers cannot be told. [virtio-1.2 §2.1.2] */
  queueBroke(): void {
    if (this.hasNegotiated(VIRTIO_F_VERSION_1)) this.fail();
  }

  // ---- for the machine ----

  /** Plugs the device in; once more after `detach` only. */
  attach(environment: DeviceEnvironment): void {
    if (this.isAttached) throw new Error(`the ${this.kind} device is plugged in already`);
    this.isAttached = true;
    this.environmentOrNull = environment;
    this.interfaceInUse = environment.interfaces[0];
    const offer = this.describe(environment.profile);
    offer.features = (this.options.features ?? offer.features) >>> 0;
    offer.queueSizes = this.options.queueSizes ?? offer.queueSizes;
    this.offerOrNull = offer;
    this.queueList = offer.queueSizes.map((size, index) => new DeviceQueue(this, index, size));
  }

  /** Pulls the device out: it forgets everything and lets go of the interrupt line. */
  detach(): void {
    this.reset();
    this.resetListeners.length = 0;
    this.isAttached = false;
  }

  /** Loses power for a moment, and with it all that a driver told it. */
  powerCycle(): void {
    this.reset();
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

  // ---- registers, as the files in `registers/` call them ----

  /** The driver uses the device through one of its interfaces. Until the reset it stays with that one. */
  useInterface(used: DriverInterface): void {
    if (used === this.interfaceInUse) return;
    if (this.statusRegister === 0) this.interfaceInUse = used;
    else this.record(rules.INTERFACES_MIXED, `${used} beside ${this.interfaceInUse}`);
  }

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
    if ((value & ~before & FEATURES_OK) !== 0 && !this.latchesFeaturesOk()) this.statusRegister &= ~FEATURES_OK;
    const isNowReady = (value & ~before & DRIVER_OK) !== 0;
    if (!isNowReady) return;
    if (hasFeature(without(this.offered, this.driverFeatures), VIRTIO_F_ANY_LAYOUT)) {
      this.record(rules.FEATURE_ANY_LAYOUT_REFUSED, `accepted 0x${this.negotiatedFeatures.toString(16)}`);
    }
    this.featuresAreSettled?.();
    if (this.isReady) this.driverIsReady();
  }

  /** The driver accepts features, all at once, as legacy drivers do. */
  setDriverFeatures(value: number): void {
    const features = featureSet(value);
    this.checkFeaturesWrite(features);
    if (hasFeature(features, UNUSED_BIT_30)) {
      this.driverFeatures = NO_FEATURES;
      return;
    }
    this.checkFeatureDependencies(features);
    this.driverFeatures = intersection(features, this.offered);
  }

  /** The driver accepts 32 features: how they belong together shows once it sets FEATURES_OK. */
  setDriverFeatureWord(word: number, value: number): void {
    const features = withWord(this.driverFeatures, word, value);
    this.checkFeaturesWrite(features);
    this.driverFeatures = intersection(features, this.offered);
  }

  /** A queue that the driver wants to do something with; undefined, and recorded, when the device does not have it. */
  requireQueue(index: number, what: string): DeviceQueue | undefined {
    const queue = this.queueList[index];
    if (queue !== undefined && queue.size !== 0) return queue;
    this.record(rules.QUEUE_MISSING, `${what} ${index}`);
    return undefined;
  }

  enableQueue(queue: DeviceQueue, layout: RingLayout): void {
    const at = `queue ${queue.index}`;
    if (queue.isEnabled) this.record(rules.QUEUE_LIVE, at);
    if (!this.isTimeForQueues) this.record(rules.QUEUE_ORDER, `${at}, status ${this.statusRegister}`);
    if (!this.canReachMemory) this.record(rules.BUS_MASTER_OFF, at);
    if (!isAligned(layout)) {
      this.record(rules.QUEUE_ALIGNMENT, `${at}, ${describeAreas(layout)}`);
      return;
    }
    queue.enable(layout);
  }

  /** The driver lets go of a queue, at once. */
  disableQueue(queue: DeviceQueue): void {
    queue.reset();
    this.queueWasReset?.(queue);
  }

  /** The driver resets a queue on its own, which takes as long as looking at a queue does. [virtio-1.2 §2.6.1] */
  resetQueue(queue: DeviceQueue): void {
    queue.isResetting = true;
    this.later(this.environment.completion.notificationDelay(), () => this.disableQueue(queue));
  }

  /** Lets go of a queue as legacy drivers do, with address 0. */
  releaseQueue(queue: DeviceQueue): void {
    if (!queue.isLive) return;
    if ((this.statusRegister & DRIVER_OK) !== 0) this.record(rules.QUEUE_LIVE, `queue ${queue.index} released`);
    if (this.environment.profile.zeroAddressResets) this.reset();
    else this.disableQueue(queue);
  }

  notify(index: number): void {
    const queue = this.requireQueue(index, "notification of queue");
    if (queue === undefined) return;
    if ((this.statusRegister & DRIVER_OK) === 0 || !queue.isEnabled) {
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

  /** The bits of the ISR register, or of the InterruptStatus register. */
  get interruptStatus(): number {
    return this.isrRegister;
  }

  /** Reads the bits and clears them, as the ISR register does. */
  takeIsr(): number {
    const bits = this.isrRegister;
    this.acknowledgeInterrupt(bits);
    return bits;
  }

  /** Clears bits of it, and ends the interrupt when none is left. */
  acknowledgeInterrupt(bits: number): void {
    this.isrRegister &= ~bits;
    if (this.isrRegister === 0) this.environment.setInterruptPin(false);
  }

  get isMsixEnabled(): boolean {
    return this.environment.isMsixEnabled();
  }

  /** When a reset that begins now shows in the status register, in nanoseconds. */
  get resetEnd(): number {
    return this.now + (this.options.resetTime ?? 0);
  }

  /** Virtual time, in nanoseconds. */
  get now(): number {
    return this.environment.time.now;
  }

  get profile(): Profile {
    return this.environment.profile;
  }

  /** Reads one byte of the device configuration. */
  readConfiguration(offset: number): number {
    const field = this.configuration.fieldAt(offset);
    if (field === undefined) {
      this.record(rules.CONFIGURATION_OUTSIDE, `read at ${offset}`);
      return 0xff;
    }
    if (field.feature !== 0 && !hasFeature(this.offered, field.feature)) {
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
    const isLegacy = this.interfaceInUse === "legacy";
    const isEarly = isLegacy && field.isWritableEarly === true && (this.statusRegister & DRIVER_OK) === 0;
    const isNeverWritable = !isLegacy && field.isWritableByLegacyOnly === true;
    if (
      isNeverWritable ||
      hasFeature(this.driverFeatures, field.readOnlyWith ?? 0) ||
      !hasFeature(isEarly ? this.offered : this.driverFeatures, field.writableWith ?? 0) ||
      (!isLegacy && (this.statusRegister & FEATURES_OK) === 0)
    ) {
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
    this.resets++;
    for (const queue of this.queueList) queue.reset();
    this.interfaceInUse = this.environment.interfaces[0];
    this.statusRegister = 0;
    this.driverFeatures = NO_FEATURES;
    this.driverWroteFeatures = false;
    this.configurationVector = VIRTIO_MSI_NO_VECTOR;
    this.takeIsr();
    for (const listener of this.resetListeners) listener();
    this.wasReset();
  }

  /** Whether FEATURES_OK stays set. A device without VERSION_1 has nothing to say against it, if it knows it. */
  private latchesFeaturesOk(): boolean {
    if (this.interfaceInUse === "legacy") return this.environment.profile.latchesFeaturesOk;
    const { offered } = this;
    const accepted = this.driverFeatures;
    const isComplete = this.checkFeatureDependencies(accepted);
    if (hasFeature(without(offered, accepted), VIRTIO_F_VERSION_1)) {
      this.record(rules.VERSION_1_REFUSED, `accepted 0x${numberOf(accepted).toString(16)}`);
      return false;
    }
    return isComplete && isEmpty(without(featureSet(this.options.requiredFeatures ?? 0), accepted));
  }

  private checkFeaturesWrite(value: FeatureSet): void {
    const { offered } = this;
    const detail = `0x${numberOf(value).toString(16)}, offered 0x${numberOf(offered).toString(16)}`;
    if ((this.statusRegister & DRIVER) === 0 || (this.statusRegister & (FEATURES_OK | DRIVER_OK)) !== 0) {
      this.record(rules.FEATURES_ORDER, `status ${this.statusRegister}`);
    }
    this.driverWroteFeatures = true;
    if (hasFeature(value, UNUSED_BIT_30)) this.record(rules.FEATURE_BIT_30, detail);
    else if (!isEmpty(without(value, offered))) this.record(rules.FEATURE_NOT_OFFERED, detail);
  }

  private checkFeatureDependencies(accepted: FeatureSet): boolean {
    const broken = this.featureDependencies.filter(
      ({ feature, requires }) => hasFeature(accepted, feature) && !isEmpty(without(featureSet(requires), accepted)),
    );
    for (const { name } of broken) this.record(rules.FEATURE_DEPENDENCY, name);
    return broken.length === 0;
  }

  /** Queues are set up before DRIVER_OK, and again when they were reset on their own. [virtio-1.2 §3.1.1, §2.6.1.2] */
  private get isTimeForQueues(): boolean {
    const status = this.statusRegister;
    if ((status & DRIVER_OK) !== 0) return this.hasNegotiated(VIRTIO_F_RING_RESET);
    if (this.interfaceInUse === "modern") return (status & FEATURES_OK) !== 0;
    return (status & DRIVER) !== 0 && this.driverWroteFeatures;
  }

  private interruptForConfiguration(): void {
    if ((this.statusRegister & DRIVER_OK) !== 0) this.raise(ISR_CONFIGURATION, this.configurationVector);
  }

  private checkStatusOrder(before: number, value: number): void {
    const isInOrder =
      ((value & DRIVER) === 0 || (value & ACKNOWLEDGE) !== 0) &&
      ((value & FEATURES_OK) === 0 || (value & DRIVER) !== 0) &&
      ((value & DRIVER_OK) === 0 || (value & DRIVER) !== 0) &&
      ((value & DRIVER_OK) === 0 || (before & FEATURES_OK) !== 0 || this.interfaceInUse === "legacy") &&
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

  /** While MSI-X is enabled a message says what there is, and the ISR register nothing. [virtio-1.2 §4.1.4.5.1] */
  private raise(bits: number, vector: number): void {
    const raised = this.faults.interrupt?.(bits) ?? bits;
    if (this.faults.silent === true || raised === 0) return;
    if (this.environment.isMsixEnabled()) {
      this.environment.sendMessage(vector);
      return;
    }
    if (!this.environment.hasInterruptPin) return;
    this.isrRegister |= raised;
    this.environment.setInterruptPin(true);
  }
}

function describeAreas({ descriptorArea, driverArea, deviceArea }: RingLayout): string {
  return [descriptorArea, driverArea, deviceArea].map((address) => `0x${address.toString(16)}`).join(", ");
}
