/**
 * The network card: offers what the profile says, moves frames between its queues and a back end, and checks what the
 * driver does with them. [virtio-1.2 §5.1]
 */
import { macFromBytes, macToBytes, type MacAddress } from "../../network/addresses.js";
import type { NetProfile, Profile } from "../profiles.js";
import type { VirtualTime } from "../time.js";
import { ConfigurationSpace } from "../virtio/configuration.js";
import { VIRTIO_F_VERSION_1, VIRTIO_ID_NET } from "../virtio/constants.js";
import { VirtioDevice, type DeviceOffer, type VirtioDeviceOptions } from "../virtio/device.js";
import type { DeviceEnvironment } from "../virtio/environment.js";
import { featureSet, hasFeature } from "../virtio/feature-sets.js";
import type { DeviceQueue } from "../virtio/queue.js";
import { UnpluggedBackend, type NetworkBackend, type NetworkPort } from "./backend.js";
import {
  ControlSide,
  type Coalescing,
  type ControlContext,
  type ControlFaults,
  type ReceiveFilters,
} from "./control.js";
import * as features from "./features.js";
import { isTakenUnfinished } from "./header.js";
import { finish } from "./offloads/finish.js";
import { VIRTIO_NET_HDR_GSO_NONE, type Todo, type UnfinishedFrame } from "./offloads/unfinished.js";
import {
  DEFAULT_BACKLOG,
  ReceiveSide,
  type ReceiveContext,
  type ReceiveCounters,
  type ReceiveFaults,
} from "./receive.js";
import * as rules from "./rules.js";
import { TransmitSide, type TransmitContext, type TransmitCounters } from "./transmit.js";

export interface NetDeviceOptions extends VirtioDeviceOptions {
  /** What the card is plugged into; nothing if not given. Closed by `close`. */
  backend?: NetworkBackend;
  /** 52:54:00:12:34:56 if not given. Several cards on one network need one each. */
  mac?: MacAddress;
  /** Offered only with MTU; the profile's if not given. */
  mtu?: number;
  /** Megabits a second, and whether both directions at a time, offered only with SPEED_DUPLEX; unknown if not given. */
  speed?: number;
  isFullDuplex?: boolean;
  /** Whether the cable is plugged in at the start; it is if not given. */
  linkUp?: boolean;
  /** Frames kept while the driver has no buffers posted; 256 if not given. */
  backlog?: number;
  /** Ways to spoil what is received, beside the general `faults`. */
  receiveFaults?: ReceiveFaults;
  /** Ways in which the control queue misbehaves. May be changed at any time. */
  controlFaults?: ControlFaults;
}

export interface NetCounters {
  readonly transmitted: Readonly<TransmitCounters>;
  readonly received: Readonly<ReceiveCounters>;
  readonly control: Readonly<{ accepted: number; refused: number }>;
  /** Frames of the driver's that went nowhere because the link was down. */
  readonly transmittedWithoutLink: number;
  /** Frames from the network that were not taken in: link down, driver not ready, longer than the MTU, or filtered. */
  readonly receivedWithoutLink: number;
  readonly receivedTooEarly: number;
  readonly receivedOverMtu: number;
  readonly filtered: number;
}

const DEFAULT_MAC: MacAddress = "52:54:00:12:34:56";
const RECEIVE_QUEUE = 0;
const TRANSMIT_QUEUE = 1;
const CONTROL_QUEUE = 2;

const VIRTIO_NET_S_LINK_UP = 1;
const VIRTIO_NET_S_ANNOUNCE = 2;

const SPEED_UNKNOWN = 0xffff_ffff;
const DUPLEX_UNKNOWN = 0xff;

/** Ethernet header and VLAN tag, which the MTU does not count. */
const OVERHEAD_BYTES = 18;

export class NetDevice extends VirtioDevice implements NetworkPort {
  readonly type = VIRTIO_ID_NET;
  readonly kind = "net";
  /** Ethernet controller. */
  readonly classCode = 0x020000;
  protected readonly featureDependencies = features.featureDependencies;

  private readonly backend: NetworkBackend;
  private readonly transmitSide: TransmitSide;
  private readonly receiveSide: ReceiveSide;
  private readonly controlSide: ControlSide;
  private machineTime: VirtualTime | null = null;
  private linkIsUp: boolean;
  private wantsAnnouncement = false;
  private mtu = 0;
  private usedLength: NetProfile["transmitUsedLength"] = "zero";
  private readonly dropped = {
    transmittedWithoutLink: 0,
    receivedWithoutLink: 0,
    receivedTooEarly: 0,
    receivedOverMtu: 0,
    filtered: 0,
  };

  constructor(private readonly netOptions: NetDeviceOptions = {}) {
    super(netOptions);
    this.backend = netOptions.backend ?? new UnpluggedBackend();
    this.linkIsUp = netOptions.linkUp ?? true;
    this.transmitSide = new TransmitSide(this.transmitContext());
    this.receiveSide = new ReceiveSide(
      this.receiveContext(),
      netOptions.backlog ?? DEFAULT_BACKLOG,
      netOptions.receiveFaults ?? {},
    );
    this.controlSide = new ControlSide(this.controlContext(), netOptions.controlFaults ?? {});
    this.backend.attach(this);
  }

  get time(): VirtualTime | null {
    return this.machineTime;
  }

  override attach(environment: DeviceEnvironment): void {
    super.attach(environment);
    this.machineTime = environment.time;
  }

  /** The address in the configuration, which the driver may change until the next reset. */
  get mac(): MacAddress {
    return macFromBytes(this.configuration.bytes);
  }

  /** Which frames the card lets in. */
  get filters(): ReceiveFilters {
    return this.controlSide.filters;
  }

  /** How the driver wants interrupts put off, by queue. */
  get coalescing(): ReadonlyMap<number, Coalescing> {
    return this.controlSide.coalescing;
  }

  /** Whether the driver was asked to announce itself, and has not said yet that it did. */
  get isAnnouncementDue(): boolean {
    return this.wantsAnnouncement;
  }

  get isLinkUp(): boolean {
    return this.linkIsUp;
  }

  get counters(): NetCounters {
    return {
      transmitted: this.transmitSide.counters,
      received: this.receiveSide.counters,
      control: this.controlSide.counters,
      ...this.dropped,
    };
  }

  /** Frames that wait for the driver to post buffers. */
  get waitingFrames(): number {
    return this.receiveSide.waiting;
  }

  /** A frame from the network. Dropped and counted if the card has no use for it. */
  receive(frame: Uint8Array): void {
    this.takeIn(frame, null);
  }

  /** The same of a frame of which something is left to be done: the driver's matter where it agreed to that. */
  receiveUnfinished(frame: UnfinishedFrame): void {
    if (isTakenUnfinished(frame.todo, (feature) => this.hasNegotiated(feature))) this.takeIn(frame.bytes, frame.todo);
    else for (const finished of finish(frame)) this.takeIn(finished, null);
  }

  private takeIn(frame: Uint8Array, todo: Todo | null): void {
    const isLarge = todo !== null && todo.gsoType !== VIRTIO_NET_HDR_GSO_NONE;
    const isTooLong = frame.length > this.mtu + OVERHEAD_BYTES && !isLarge;
    if (!this.linkIsUp) this.dropped.receivedWithoutLink += 1;
    else if (!this.isReady || !this.canReachMemory) this.dropped.receivedTooEarly += 1;
    else if (this.hasNegotiated(features.VIRTIO_NET_F_MTU) && isTooLong) {
      this.dropped.receivedOverMtu += 1;
    } else if (!this.controlSide.accepts(frame)) this.dropped.filtered += 1;
    else this.receiveSide.receive(frame, todo);
  }

  /** Plugs the cable in or out; the driver is told if STATUS is offered. */
  setLink(up: boolean): void {
    if (this.linkIsUp === up) return;
    this.linkIsUp = up;
    this.statusChanged();
  }

  /** Asks the driver to announce itself on the network, as after a move to another host. Needs GUEST_ANNOUNCE. */
  requestAnnouncement(): void {
    if (!this.hasNegotiated(features.VIRTIO_NET_F_GUEST_ANNOUNCE)) return;
    this.wantsAnnouncement = true;
    this.statusChanged();
  }

  /** Closes the back end. */
  override close(): void {
    this.backend.close?.();
  }

  protected describe(profile: Profile): DeviceOffer {
    const { net } = profile;
    const offered = this.netOptions.features ?? net.features + profile.ringFeatures;
    this.mtu = this.netOptions.mtu ?? net.mtu;
    this.usedLength = net.transmitUsedLength;
    const queueSizes = [net.receiveQueueSize, net.transmitQueueSize];
    if (hasFeature(featureSet(offered), features.VIRTIO_NET_F_CTRL_VQ)) queueSizes.push(net.controlQueueSize);
    const configuration = new ConfigurationSpace([
      {
        name: "mac",
        offset: 0,
        bytes: 6,
        feature: features.VIRTIO_NET_F_MAC,
        // How legacy drivers change their address without a control queue [virtio-1.2 §5.1.4.3].
        writableWith: features.VIRTIO_NET_F_MAC,
        isWritableByLegacyOnly: true,
        readOnlyWith: features.VIRTIO_NET_F_CTRL_MAC_ADDR,
      },
      { name: "status", offset: 6, bytes: 2, feature: features.VIRTIO_NET_F_STATUS },
      { name: "max_virtqueue_pairs", offset: 8, bytes: 2, feature: features.VIRTIO_NET_F_MQ },
      { name: "mtu", offset: 10, bytes: 2, feature: features.VIRTIO_NET_F_MTU },
      { name: "speed", offset: 12, bytes: 4, feature: features.VIRTIO_NET_F_SPEED_DUPLEX },
      { name: "duplex", offset: 16, bytes: 1, feature: features.VIRTIO_NET_F_SPEED_DUPLEX },
    ]);
    const { speed = SPEED_UNKNOWN, isFullDuplex } = this.netOptions;
    configuration.set("speed", speed);
    configuration.set("duplex", isFullDuplex === undefined ? DUPLEX_UNKNOWN : Number(isFullDuplex));
    configuration.set("mac", macToBytes(this.netOptions.mac ?? DEFAULT_MAC));
    configuration.set("status", this.linkIsUp ? VIRTIO_NET_S_LINK_UP : 0);
    configuration.set("max_virtqueue_pairs", 1);
    configuration.set("mtu", this.mtu);
    return { features: offered, queueSizes, configuration };
  }

  protected override driverIsReady(): void {
    for (const { name, feature, requiresOneOf } of features.alternatives) {
      if (this.hasNegotiated(feature) && !this.hasNegotiated(requiresOneOf)) {
        this.record(rules.ALTERNATIVE_MISSING, name);
      }
    }
  }

  protected serve(queue: DeviceQueue): void {
    if (queue.index === TRANSMIT_QUEUE) this.transmitSide.serve(queue);
    else if (queue.index === CONTROL_QUEUE) this.serveControl(queue);
    else this.receiveSide.deliver();
  }

  /** While there are receive buffers the card comes by itself, with the next frame. */
  protected override needsNotification(queue: DeviceQueue): boolean {
    return queue.index !== RECEIVE_QUEUE || queue.available() === 0;
  }

  protected wasReset(): void {
    this.receiveSide.reset();
    this.controlSide.reset();
    this.wantsAnnouncement = false;
    this.configuration.set("mac", macToBytes(this.netOptions.mac ?? DEFAULT_MAC));
    this.updateStatus();
  }

  protected override queueWasReset(queue: DeviceQueue): void {
    if (queue.index === RECEIVE_QUEUE) this.receiveSide.forgetBuffers();
  }

  private serveControl(queue: DeviceQueue): void {
    let completed = false;
    for (let chain = queue.next(); chain !== null; chain = queue.next()) {
      const written = this.controlSide.perform(chain);
      if (written === null) continue;
      queue.complete(chain, written);
      completed = true;
    }
    if (completed) queue.signal();
  }

  private statusChanged(): void {
    this.updateStatus();
    if (hasFeature(this.offered, features.VIRTIO_NET_F_STATUS)) this.configurationChanged();
  }

  private updateStatus(): void {
    const link = this.linkIsUp ? VIRTIO_NET_S_LINK_UP : 0;
    this.configuration.set("status", link | (this.wantsAnnouncement ? VIRTIO_NET_S_ANNOUNCE : 0));
  }

  /** False if the frame is not what its segmentation says, so that nothing can be sent. */
  private send(frame: Uint8Array, todo: Todo | null): boolean {
    const finished = todo === null ? [frame] : finish({ bytes: frame, todo });
    if (finished.length === 0) return false;
    if (!this.linkIsUp) this.dropped.transmittedWithoutLink += 1;
    else if (todo !== null && this.backend.sendUnfinished !== undefined) {
      this.backend.sendUnfinished({ bytes: frame, todo });
    } else for (const one of finished) this.backend.send(one);
    return true;
  }

  private transmitContext(): TransmitContext {
    return {
      mtu: () => this.mtu,
      usedLength: () => (this.hasNegotiated(VIRTIO_F_VERSION_1) ? "zero" : this.usedLength),
      hasNegotiated: (feature) => this.hasNegotiated(feature),
      record: (rule, detail) => this.record(rule, detail),
      isOneByOne: () => this.environment.completion.isOneByOne,
      requestDelay: () => this.environment.completion.requestDelay(),
      later: (delay, work) => this.later(delay, work),
      send: (frame, todo) => this.send(frame, todo),
    };
  }

  private receiveContext(): ReceiveContext {
    return {
      queue: () => this.queues[RECEIVE_QUEUE],
      hasNegotiated: (mask) => this.hasNegotiated(mask),
      numBuffersUnmerged: () => this.profile.net.numBuffersUnmerged ?? 1,
      record: (rule, detail) => this.record(rule, detail),
    };
  }

  private controlContext(): ControlContext {
    return {
      hasNegotiated: (feature) => this.hasNegotiated(feature),
      record: (rule, detail) => this.record(rule, detail),
      mac: () => this.mac,
      setMac: (mac) => this.configuration.set("mac", macToBytes(mac)),
      announced: () => {
        const { wantsAnnouncement } = this;
        this.wantsAnnouncement = false;
        this.updateStatus();
        return wantsAnnouncement;
      },
    };
  }
}
