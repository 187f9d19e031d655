/** What virtio-net adds to the life that all devices have, see `virtio/lifecycle.ts`. [virtio-1.2 §5.1] */
import { Result } from "../../abi/results";
import { DeviceState } from "../../virtio/device";
import { VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_ANY_LAYOUT, VIRTIO_F_EVENT_IDX } from "../../virtio/features";
import { announceLink, readConfiguration, statedMtu, updateLink } from "./configuration";
import { allocateControl, CONTROL_FEATURES, controlFeatures, freeControl, restoreSettings } from "./control";
import { forgetCommand, offersControlQueue } from "./control-command";
import { NetDevice, TransmitWish } from "./device";
import { allocateDebug, endDebug, freeDebug } from "./net-debug";
import { OFFLOADS, withoutOrphans } from "./offloads";
import {
  allocateReceive,
  frameIsHeldBack,
  freeBuffers,
  postBuffers,
  recallBuffers,
  receiveBuffersFit,
} from "./receive";
import { allocateTransmit, armTransmit, disarmTransmit, settleWishes } from "./transmit";
import { VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU, VIRTIO_NET_F_STATUS } from "./wire";

/** The driver needs nothing beyond sending and receiving. */
export const MINIMAL: u64 = 0;
export const OPTIONAL: u64 =
  (isDefined(WITHOUT_NET_OFFLOADS) ? 0 : OFFLOADS) |
  VIRTIO_NET_F_MTU |
  VIRTIO_NET_F_MAC |
  VIRTIO_NET_F_MRG_RXBUF |
  VIRTIO_NET_F_STATUS |
  VIRTIO_F_ACCESS_PLATFORM |
  VIRTIO_F_ANY_LAYOUT |
  VIRTIO_F_EVENT_IDX |
  (isDefined(WITHOUT_NET_CONTROL) ? 0 : CONTROL_FEATURES);


@unmanaged
export class NetDriver extends NetDevice {
  acceptable(features: u64): u64 {
    if (!isDefined(WITHOUT_NET_OFFLOADS)) features = withoutOrphans(this, features);
    this.mtuStated = statedMtu(this);
    // A driver that accepts MTU keeps to it, so an MTU that cannot be is not accepted. [virtio-1.2 §5.1.4.2]
    const acceptable = this.mtuStated == 0 ? features & ~VIRTIO_NET_F_MTU : features;
    return isDefined(WITHOUT_NET_CONTROL) ? acceptable : controlFeatures(this, acceptable);
  }

  configure(): i32 {
    readConfiguration(this);
    // The reset made the device forget the interrupt that would have told of a change.
    if (this.resets != 0) announceLink(this);
    return Result.OK;
  }

  queuesNeeded(): u32 {
    if (isDefined(WITHOUT_NET_CONTROL) || !offersControlQueue(this)) return 2;
    this.quietQueues = 1;
    return 3;
  }

  allocate(): i32 {
    this.transmitQueue.timeout = this.timeout;
    let result = allocateReceive(this, this.receiveQueue, this.bufferCountWanted, this.bufferBytesWanted);
    if (!isDefined(WITHOUT_NET_CONTROL) && result == Result.OK) result = allocateControl(this);
    if (!isDefined(WITHOUT_NET_DEBUG) && result == Result.OK && this.debugWanted) result = allocateDebug(this);
    return result == Result.OK ? allocateTransmit(this, this.transmitQueue) : result;
  }

  prepare(): i32 {
    // A device that was reset may want larger ones than before.
    if (!receiveBuffersFit(this, this.receiveQueue)) return Result.E_CONFIGURATION;
    postBuffers(this, this.receiveQueue);
    return Result.OK;
  }

  started(): void {
    // Before there is room for a frame, so that none comes by what does not hold any more.
    if (!isDefined(WITHOUT_NET_CONTROL)) restoreSettings(this);
    // Not before DRIVER_OK: until then a device is not told of buffers. [virtio-1.2 §3.1.1]
    this.receiveQueue.kickRarely();
  }

  recall(): void {
    recallBuffers(this, this.receiveQueue);
    const queue = this.transmitQueue;
    queue.callbacks = false;
    // All that was in flight can be reclaimed now. Whoever waits for room in a card that is closed waits in vain.
    queue.wishes &= this.state == DeviceState.CLOSING ? 0 : TransmitWish.ROOM;
    if (!isDefined(WITHOUT_NET_CONTROL)) forgetCommand(this);
    if (!isDefined(WITHOUT_NET_DEBUG)) endDebug(this);
  }

  outstanding(): u32 {
    return this.transmitQueue.outstanding + this.receiveQueue.lent;
  }

  free(): void {
    if (this.queues != 0) freeBuffers(this.receiveQueue);
    if (!isDefined(WITHOUT_NET_CONTROL)) freeControl(this);
    if (!isDefined(WITHOUT_NET_DEBUG)) freeDebug(this);
  }

  configurationChanged(): void {
    updateLink(this);
  }

  interrupted(): void {
    const queue = this.transmitQueue;
    if (queue.wishes == 0) return;
    const pending = queue.waiting();
    if (pending != 0) settleWishes(this, queue, pending);
  }

  /** For received frames, and for room in the transmit ring while the caller waits. */
  enableInterrupts(): bool {
    const queue = this.receiveQueue;
    if (this.transmitQueue.wishes & TransmitWish.ROOM) armTransmit(this, this.transmitQueue);
    return queue.enableCallbacks(0) || frameIsHeldBack(queue);
  }

  disableInterrupts(): void {
    this.receiveQueue.disableCallbacks();
    disarmTransmit(this.transmitQueue);
  }
}
