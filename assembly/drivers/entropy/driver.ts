/** What virtio-entropy adds to the life that all devices have, see `virtio/lifecycle.ts`. [virtio-1.2 §5.4] */
import { Result } from "../../abi/results";
import { Device } from "../../virtio/device";
import { VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_ANY_LAYOUT, VIRTIO_F_EVENT_IDX } from "../../virtio/features";
import { Virtqueue } from "../../virtio/queue/virtqueue";
import { REQUEST_QUEUE } from "./wire";

export const MINIMAL: u64 = 0;
export const OPTIONAL: u64 = VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ANY_LAYOUT | VIRTIO_F_EVENT_IDX;

/** Descriptors of the smallest request. */
const CHAIN_MIN: u32 = 1;

/** An open entropy device. */
@unmanaged
export class EntropyDriver extends Device {
  get queue(): Virtqueue {
    return changetype<Virtqueue>(this.queueState(0));
  }

  acceptable(features: u64): u64 {
    return features;
  }

  configure(): i32 {
    return Result.OK;
  }

  queuesNeeded(): u32 {
    return 1;
  }

  allocate(): i32 {
    this.queue.timeout = this.timeout;
    return this.queue.allocate(this, REQUEST_QUEUE, CHAIN_MIN, 0, 0);
  }

  prepare(): i32 {
    return Result.OK;
  }

  started(): void {}

  recall(): void {}

  outstanding(): u32 {
    return this.queue.outstanding;
  }

  free(): void {}

  configurationChanged(): void {}

  interrupted(): void {}

  enableInterrupts(): bool {
    return this.queue.enableCallbacks(0);
  }

  disableInterrupts(): void {
    this.queue.disableCallbacks();
  }
}
