/** What virtio-block adds to the life that all devices have, see `virtio/lifecycle.ts`. [virtio-1.2 §5.2] */
import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
} from "../../virtio/features";
import { isModern } from "../../virtio/transport/transport";
import { readConfiguration, updateCapacity, updateUnmap, withoutCacheChange } from "./configuration";
import { BlockDevice } from "./device";
import { prepareLimits } from "./limits";
import {
  CHAIN_MIN,
  FRAMING_BYTES,
  REQUEST_QUEUE,
  VIRTIO_BLK_F_BARRIER,
  VIRTIO_BLK_F_BLK_SIZE,
  VIRTIO_BLK_F_CONFIG_WCE,
  VIRTIO_BLK_F_DISCARD,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_F_GEOMETRY,
  VIRTIO_BLK_F_LIFETIME,
  VIRTIO_BLK_F_RO,
  VIRTIO_BLK_F_SCSI,
  VIRTIO_BLK_F_SECURE_ERASE,
  VIRTIO_BLK_F_SEG_MAX,
  VIRTIO_BLK_F_SIZE_MAX,
  VIRTIO_BLK_F_TOPOLOGY,
  VIRTIO_BLK_F_WRITE_ZEROES,
} from "./wire";

/** What is something else, or nothing, where a device has VERSION_1. [virtio-1.2 §5.2.3.1] */
const LEGACY_COMMANDS: u64 = VIRTIO_BLK_F_BARRIER | VIRTIO_BLK_F_SCSI;

/** What only the extra `block-commands` uses. */
const COMMANDS: u64 =
  LEGACY_COMMANDS |
  VIRTIO_BLK_F_DISCARD |
  VIRTIO_BLK_F_WRITE_ZEROES |
  VIRTIO_BLK_F_LIFETIME |
  VIRTIO_BLK_F_SECURE_ERASE;

/** The driver needs nothing beyond reading and writing. */
export const MINIMAL: u64 = 0;
export const OPTIONAL: u64 =
  (isDefined(WITHOUT_BLOCK_COMMANDS) ? 0 : COMMANDS) |
  VIRTIO_BLK_F_SIZE_MAX |
  VIRTIO_BLK_F_SEG_MAX |
  VIRTIO_BLK_F_GEOMETRY |
  VIRTIO_BLK_F_RO |
  VIRTIO_BLK_F_BLK_SIZE |
  VIRTIO_BLK_F_FLUSH |
  VIRTIO_BLK_F_TOPOLOGY |
  VIRTIO_BLK_F_CONFIG_WCE |
  VIRTIO_F_ACCESS_PLATFORM |
  VIRTIO_F_ANY_LAYOUT |
  VIRTIO_F_INDIRECT_DESC |
  VIRTIO_F_EVENT_IDX;

/**
 * Descriptors of an indirect table: a request of 64 KiB whose pages are all apart fits, with room to spare. Blocks in
 * more pieces go into the ring.
 */
const TABLE_ENTRIES: u32 = 32;


@unmanaged
export class BlockDriver extends BlockDevice {
  acceptable(features: u64): u64 {
    if (!isDefined(WITHOUT_BLOCK_COMMANDS) && isModern(this)) features &= ~LEGACY_COMMANDS;
    return withoutCacheChange(this, features);
  }

  configure(): i32 {
    return readConfiguration(this);
  }

  queuesNeeded(): u32 {
    return 1;
  }

  allocate(): i32 {
    this.queue.timeout = this.timeout;
    return this.queue.allocate(this, REQUEST_QUEUE, CHAIN_MIN, FRAMING_BYTES, TABLE_ENTRIES);
  }

  prepare(): i32 {
    prepareLimits(this, this.queue);
    return 0;
  }

  started(): void {}

  recall(): void {
    // Chains of `block_execute` may be left that nobody waits for.
    if (!isDefined(WITHOUT_BLOCK_COMMANDS) && this.queue.inFlight == 0) this.queue.forget();
  }

  outstanding(): u32 {
    return this.queue.inFlight;
  }

  free(): void {}

  configurationChanged(): void {
    updateCapacity(this);
    if (!isDefined(WITHOUT_BLOCK_COMMANDS)) updateUnmap(this);
  }

  interrupted(): void {}

  enableInterrupts(): bool {
    return this.queue.enableCallbacks(0);
  }

  disableInterrupts(): void {
    this.queue.disableCallbacks();
  }
}
