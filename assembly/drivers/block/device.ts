/** A disk's private state: what the driver knows of its device and of the requests in flight. */
import { Result } from "../../abi/results";
import { BlockInformation, BlockStatistics } from "./abi";
import { Device } from "../../virtio/device";
import { ChainState } from "../../virtio/queue/chain-state";
import { Virtqueue } from "../../virtio/queue/virtqueue";

/**
 * What is known of a request, kept with the chain that carries it, or the first of its chains. The device may see a
 * request as several, its parts, when it has more segments or larger ones than the device takes; it completes when the
 * last part has.
 *
 * `token` is the caller's; `bytes` is the payload of all of the request.
 */
@unmanaged
export class RequestState extends ChainState {
  operation: u16;
  /** Parts that the device still has, 1 in all but the first; 0: this chain is the whole request. */
  parts: u16;
  /** OK, or the first error among the parts. */
  result: i32;
  /** Head of the first part, which is not free before the request is complete. */
  first: u16;
}

/** Beside the operation of a part: `execute` has seen that the device has used it. */
export const SEEN: u16 = 0x4000;
/** Beside the operation of a request: its completion has been handed over, and its chains are taken in silence. */
export const EXECUTED: u16 = 0x8000;

/** A queue for requests. */
@unmanaged
export class RequestQueue extends Virtqueue {
  /** Most data segments of a part, as far as the ring has room, and an indirect table. */
  ringDataMax: u32;
  tableDataMax: u32;
  /** Requests accepted and not yet handed back. */
  inFlight: u32;

  /** The request, or part of one, whose chain begins at `head`. */
  @inline
  request(head: u32): RequestState {
    return changetype<RequestState>(this.state(head));
  }

  /** Notes of the chain that begins at `head` that it is a part of the request whose first part begins at `first`. */
  @inline
  notePart(head: u32, first: u32): void {
    const part = this.request(head);
    part.first = <u16>first;
    part.parts = 1;
    if (!isDefined(WITHOUT_BLOCK_COMMANDS)) part.operation = 0;
  }

  /**
   * Notes what is to be known of a request whose parts have been noted.
   *
   * @param bytes of payload
   */
  @inline
  noteRequest(first: u32, parts: u32, operation: u32, token: u64, bytes: u32): void {
    const request = this.request(first);
    request.token = token;
    request.bytes = bytes;
    request.result = Result.OK;
    request.operation = <u16>operation;
    request.parts = parts == 1 ? 0 : <u16>parts;
  }
}

/** An open disk. */
@unmanaged
export class BlockDevice extends Device {
  /** Sectors of 512 bytes. */
  capacity: u64;
  /** Bytes, a power of two, at least 512. */
  blockSize: u32;
  /** Largest data segment of a part, bytes. */
  sizeMax: u32;
  /** Most data segments of a part. */
  segMax: u32;
  readOnly: bool;
  /** Whether the caller has set the mode of the cache, and whether to write-back. */
  writebackSet: bool;
  writebackWanted: bool;


  @inline
  get queue(): RequestQueue {
    return changetype<RequestQueue>(this.queueState(0));
  }

  // The counters and the description follow this object: what is always at the same distance needs no pointer.

  @inline
  get statistics(): BlockStatistics {
    return changetype<BlockStatistics>(changetype<usize>(this) + STATISTICS_OFFSET);
  }

  /** What the kernel is told of the disk. */
  get information(): BlockInformation {
    return changetype<BlockInformation>(changetype<usize>(this) + INFORMATION_OFFSET);
  }
}

const STATISTICS_OFFSET: u32 = (offsetof<BlockDevice>() + 7) & ~7;
const INFORMATION_OFFSET: u32 = STATISTICS_OFFSET + offsetof<BlockStatistics>();

/** Bytes of a disk's state, counters and description included. */
export const BLOCK_DEVICE_BYTES: u32 = INFORMATION_OFFSET + offsetof<BlockInformation>();
