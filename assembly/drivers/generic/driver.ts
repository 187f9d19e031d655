/** What the generic device adds to the life that all devices have, see `virtio/lifecycle.ts`. */
import { Event, Result } from "../../abi/results";
import { Device } from "../../virtio/device";
import { VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_ANY_LAYOUT, VIRTIO_F_EVENT_IDX } from "../../virtio/features";
import { allocateQueues, disableAllCallbacks, enableAllCallbacks, outstandingChains } from "../../virtio/queue/buffers";
import { Virtqueue } from "../../virtio/queue/virtqueue";
import { DEVICE_TYPE_FEATURES } from "./wire";

export const MINIMAL: u64 = 0;
export const OPTIONAL: u64 = DEVICE_TYPE_FEATURES | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ANY_LAYOUT | VIRTIO_F_EVENT_IDX;

/** An open device of any type, whose queues and configuration are the caller's. */
@unmanaged
export class GenericDriver extends Device {
  /** As the caller wished. */
  queuesWanted: u32;

  /** Queue `index`, which is less than `queueCount`. */
  queue(index: u32): Virtqueue {
    return changetype<Virtqueue>(this.queueState(index));
  }

  acceptable(features: u64): u64 {
    return features;
  }

  configure(): i32 {
    return Result.OK;
  }

  queuesNeeded(): u32 {
    return this.queuesWanted;
  }

  allocate(): i32 {
    return allocateQueues(this);
  }

  prepare(): i32 {
    return Result.OK;
  }

  started(): void {}

  recall(): void {}

  outstanding(): u32 {
    return outstandingChains(this);
  }

  free(): void {}

  configurationChanged(): void {
    this.raise(Event.CONFIGURATION);
  }

  interrupted(): void {}

  enableInterrupts(): bool {
    return enableAllCallbacks(this);
  }

  disableInterrupts(): void {
    disableAllCallbacks(this);
  }
}
