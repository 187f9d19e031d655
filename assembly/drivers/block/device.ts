/** A disk's private state: what the driver knows of its device and of the requests in flight. */
import { BlockInformation, BlockStatistics } from "../../abi/records";
import { Device } from "../../virtio/device";
import { Virtqueue } from "../../virtio/queue/virtqueue";

/**
 * One accepted request. The device may see it as several, its parts, when it has more segments or larger ones than
 * the device takes; it completes when the last part has.
 */
@unmanaged
export class RequestState {
  /** The caller's. */
  token: u64;
  /** Bytes of payload. */
  length: u32;
  /** OK, or the first error among the parts. */
  result: i32;
  operation: u32;
  /** Parts that the device still has. */
  parts: u16;
  /** The next free one; an index. */
  next: u16;
}

/** An open disk. */
@unmanaged
export class BlockDevice extends Device {
  /** Array of RequestState, as many as the queue has descriptors. */
  requests: u32;
  freeRequest: u32;
  /** Requests accepted and not yet handed back. */
  inFlight: u32;
  /** Headers and status bytes, one for each descriptor that a chain can begin with. */
  headers: u32;
  headersAddress: u64;
  /** Sectors of 512 bytes. */
  capacity: u64;
  /** Bytes, a power of two, at least 512. */
  blockSize: u32;
  /** Largest data segment of a part, bytes. */
  sizeMax: u32;
  /** Most data segments of a part. */
  segMax: u32;
  /** The same as far as the ring has room, and an indirect table. */
  ringDataMax: u32;
  tableDataMax: u32;
  readOnly: bool;

  // The queue, the counters and the description lie behind this object: what is always at the same distance needs no
  // pointer.

  @inline
  get queue(): Virtqueue {
    return changetype<Virtqueue>(changetype<usize>(this) + QUEUE_OFFSET);
  }


  @inline
  get statistics(): BlockStatistics {
    return changetype<BlockStatistics>(changetype<usize>(this) + STATISTICS_OFFSET);
  }

  /** What the kernel is told of the disk. */
  get information(): BlockInformation {
    return changetype<BlockInformation>(changetype<usize>(this) + INFORMATION_OFFSET);
  }


  @inline
  request(index: u32): RequestState {
    return changetype<RequestState>(this.requests + index * offsetof<RequestState>());
  }
}

const QUEUE_OFFSET: u32 = (offsetof<BlockDevice>() + 7) & ~7;
const STATISTICS_OFFSET: u32 = (QUEUE_OFFSET + offsetof<Virtqueue>() + 7) & ~7;
const INFORMATION_OFFSET: u32 = STATISTICS_OFFSET + offsetof<BlockStatistics>();

/** Bytes of a disk's state, queue, counters and description included. */
export const BLOCK_DEVICE_BYTES: u32 = INFORMATION_OFFSET + offsetof<BlockInformation>();
