/**
 * The receive queue: puts frames from the network into the driver's buffers, one frame over several with MRG_RXBUF, and
 * keeps some frames while there are no buffers. [virtio-1.2 §5.1.6.3, §5.1.6.4]
 */
import type { Chain } from "../virtio/chain.js";
import { ANY_FRAMING, VIRTIO_F_EVENT_IDX } from "../virtio/constants.js";
import type { DeviceQueue } from "../virtio/queue.js";
import type { Rule } from "../violations.js";
import { LARGE_RECEIVE_FEATURES, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_MRG_RXBUF } from "./features.js";
import { headerBytes, receiveHeader } from "./header.js";
import { hasRightChecksum } from "./offloads/checksum.js";
import type { Todo } from "./offloads/unfinished.js";
import * as rules from "./rules.js";

/** What the queue needs of the device. */
export interface ReceiveContext {
  /** Undefined if the device has none. */
  queue(): DeviceQueue | undefined;
  /** Any of the features in the mask. */
  hasNegotiated(features: number): boolean;
  /** What num_buffers holds where nothing is merged. */
  numBuffersUnmerged(): number;
  record(rule: Rule, detail: string): void;
}

/** Where a test can spoil what is received; what is absent is not touched. */
export interface ReceiveFaults {
  /** Changes the header, 10 or 12 bytes, before it is written. */
  header?: (header: Uint8Array) => void;
  /** How many of the buffers of a frame come back; the others the device keeps for good. */
  buffersReturned?: (count: number) => number;
}

export interface ReceiveCounters {
  frames: number;
  bytes: number;
  /** Frames dropped because too many waited for buffers already. */
  droppedForLackOfBuffers: number;
  /** Frames dropped because the buffers, or the host's own, were too small for them. */
  droppedTooLong: number;
  /** Frames that had to wait for a buffer. */
  delayed: number;
}

/** The longest that a neighbour on the network gets through any host: what QEMU takes from a socket. */
export const LONGEST_RECEIVED = 69_632;

const SMALLEST_BUFFER = 1526;
const SMALLEST_LARGE_BUFFER = 65_562;
/** Frames that wait for buffers unless a test says otherwise. */
export const DEFAULT_BACKLOG = 256;

/** A frame on its way to the driver, and what is left to be done of it. */
interface Arrived {
  readonly frame: Uint8Array;
  readonly todo: Todo | null;
}

export class ReceiveSide {
  readonly counters: ReceiveCounters = {
    frames: 0,
    bytes: 0,
    droppedForLackOfBuffers: 0,
    droppedTooLong: 0,
    delayed: 0,
  };
  private backlog: Arrived[] = [];
  /** Buffers taken from the queue and not filled yet: the first frame of the backlog needs more than these. */
  private held: Chain[] = [];

  constructor(
    private readonly context: ReceiveContext,
    private readonly longestBacklog: number,
    private readonly faults: ReceiveFaults,
  ) {}

  /** Frames that wait for buffers. */
  get waiting(): number {
    return this.backlog.length;
  }

  /** Takes in a frame; the device is ready and wants it, and the driver takes it as it is. */
  receive(frame: Uint8Array, todo: Todo | null = null): void {
    if (frame.length > LONGEST_RECEIVED) {
      this.counters.droppedTooLong += 1;
      return;
    }
    const arrived = { frame, todo };
    this.backlog.push(arrived);
    this.deliver();
    if (this.backlog.at(-1) !== arrived) return;
    if (this.backlog.length > this.longestBacklog) {
      this.backlog.pop();
      this.counters.droppedForLackOfBuffers += 1;
    } else {
      this.counters.delayed += 1;
    }
  }

  /** Delivers what waits, as far as there are buffers. */
  deliver(): void {
    const queue = this.context.queue();
    if (queue === undefined) return;
    let delivered = false;
    for (let arrived = this.backlog[0]; arrived !== undefined; arrived = this.backlog[0]) {
      const buffers = this.buffersFor(queue, arrived.frame);
      if (buffers === null) break;
      this.backlog.shift();
      if (buffers.length === 0) continue;
      this.fill(queue, arrived, buffers);
      delivered = true;
    }
    if (delivered) queue.signal();
  }

  reset(): void {
    this.backlog = [];
    this.forgetBuffers();
  }

  /** The queue was reset: what was taken of it is the driver's again. */
  forgetBuffers(): void {
    this.held = [];
  }

  /**
   * Buffers that together hold a frame and its header; none for a frame that no buffers will ever hold, which is then
   * counted; null for one that has to wait.
   */
  private buffersFor(queue: DeviceQueue, frame: Uint8Array): Chain[] | null {
    const isMergeable = this.context.hasNegotiated(VIRTIO_NET_F_MRG_RXBUF);
    const needed = this.header + frame.length;
    while (this.heldBytes < needed) {
      if (this.held.length > 0 && (!isMergeable || this.holdsWholeQueue(queue))) {
        this.counters.droppedTooLong += 1;
        return [];
      }
      const chain = this.takeBuffer(queue);
      if (chain === null) return null;
      this.held.push(chain);
    }
    return this.held.splice(0);
  }

  private get header(): number {
    return headerBytes((feature) => this.context.hasNegotiated(feature));
  }

  private get heldBytes(): number {
    return this.held.reduce((bytes, chain) => bytes + chain.writableBytes, 0);
  }

  /** Whether a driver that posts buffers of the same kind has no descriptors left for another one. */
  private holdsWholeQueue(queue: DeviceQueue): boolean {
    const descriptors = this.held.reduce((count, chain) => count + chain.descriptors.length, 0);
    return descriptors + (this.held[0]?.descriptors.length ?? 0) > queue.size;
  }

  /**
   * While there are buffers the device comes by itself, with the next frame, and needs no notification; when there are
   * none it asks for one, and looks again. With EVENT_IDX it is asked for already.
   */
  private takeBuffer(queue: DeviceQueue): Chain | null {
    if (queue.available() === 0) queue.enableNotifications();
    for (let chain = queue.next(); chain !== null; chain = queue.next()) {
      if (!this.context.hasNegotiated(VIRTIO_F_EVENT_IDX)) queue.disableNotifications();
      if (this.isUsable(chain)) return chain;
      queue.complete(chain, 0);
      queue.signal();
    }
    return null;
  }

  /** Checks a buffer. One that cannot even take the header where it belongs goes back empty. */
  private isUsable(chain: Chain): boolean {
    const { context, header } = this;
    const first = chain.writable[0]?.length ?? 0;
    const detail = `head ${chain.head}, ${chain.writableBytes} bytes, ${first} in the first descriptor`;
    if (chain.readable.length > 0) context.record(rules.RECEIVE_READABLE, detail);
    const smallestFrameBuffer = context.hasNegotiated(LARGE_RECEIVE_FEATURES) ? SMALLEST_LARGE_BUFFER : SMALLEST_BUFFER;
    const smallest = context.hasNegotiated(VIRTIO_NET_F_MRG_RXBUF) ? header : smallestFrameBuffer;
    if (chain.writableBytes < smallest) context.record(rules.RECEIVE_SHORT, detail);
    const isFramed = context.hasNegotiated(ANY_FRAMING) ? first >= header : first === header;
    if (!isFramed) context.record(rules.RECEIVE_FRAMING, detail);
    return first >= header;
  }

  private fill(queue: DeviceQueue, { frame, todo }: Arrived, buffers: readonly Chain[]): void {
    const isMergeable = this.context.hasNegotiated(VIRTIO_NET_F_MRG_RXBUF);
    const numBuffers = isMergeable ? buffers.length : this.context.numBuffersUnmerged();
    const isVerified = this.context.hasNegotiated(VIRTIO_NET_F_GUEST_CSUM) && hasRightChecksum(frame);
    const header = receiveHeader(this.header, numBuffers, { todo, isVerified });
    this.faults.header?.(header);
    const returned = this.faults.buffersReturned?.(buffers.length) ?? buffers.length;
    const bytes = new Uint8Array(header.length + frame.length);
    bytes.set(header);
    bytes.set(frame, header.length);
    let done = 0;
    for (const [index, chain] of buffers.entries()) {
      const written = chain.write(0, bytes, done, bytes.length - done);
      done += written;
      if (index < returned) queue.put(chain, written);
    }
    queue.publish();
    this.counters.frames += 1;
    this.counters.bytes += frame.length;
  }
}
