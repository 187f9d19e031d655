/** What virtio-entropy adds to the life that all devices have, see `virtio/lifecycle.ts`. [virtio-1.2 §5.4] */
import { Result } from "../../abi/results";
import { Device } from "../../virtio/device";
import { VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_ANY_LAYOUT, VIRTIO_F_EVENT_IDX } from "../../virtio/features";
import { allocateQueues, disableAllCallbacks, enableAllCallbacks, outstandingChains } from "../../virtio/queue/buffers";
import { Virtqueue } from "../../virtio/queue/virtqueue";
import { QUEUES, REQUEST_QUEUE } from "./wire";

export const MINIMAL: u64 = 0;
export const OPTIONAL: u64 = VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ANY_LAYOUT | VIRTIO_F_EVENT_IDX;

/** An open entropy device. */
@unmanaged
export class EntropyDriver extends Device {
  get queue(): Virtqueue {
    return changetype<Virtqueue>(this.queueState(REQUEST_QUEUE));
  }

  acceptable(features: u64): u64 {
    return features;
  }

  configure(): i32 {
    return Result.OK;
  }

  queuesNeeded(): u32 {
    return QUEUES;
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

  configurationChanged(): void {}

  interrupted(): void {}

  enableInterrupts(): bool {
    return enableAllCallbacks(this);
  }

  disableInterrupts(): void {
    disableAllCallbacks(this);
  }
}
