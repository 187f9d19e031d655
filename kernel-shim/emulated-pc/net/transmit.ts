/**
 * The transmit queue: takes frames from the driver, in order, and gives the buffers back, in whatever order.
 * [virtio-1.2 §5.1.6.2]
 */
import { ETHERNET_HEADER_BYTES } from "../../network/ethernet.js";
import { firstDifference, toHex } from "../bytes.js";
import type { Chain } from "../virtio/chain.js";
import { ANY_FRAMING } from "../virtio/constants.js";
import type { DeviceQueue } from "../virtio/queue.js";
import type { Rule } from "../violations.js";
import { VIRTIO_NET_F_MTU } from "./features.js";
import { asksForOffload, brokenRules, headerBytes, todoOf } from "./header.js";
import { VIRTIO_NET_HDR_GSO_NONE, type Todo } from "./offloads/unfinished.js";
import * as rules from "./rules.js";

/** What the queue needs of the device. */
export interface TransmitContext {
  mtu(): number;
  /** What the used element of a frame reports. */
  usedLength(): "zero" | "sent";
  hasNegotiated(feature: number): boolean;
  record(rule: Rule, detail: string): void;
  /** Whether each buffer comes back after a time of its own. */
  isOneByOne(): boolean;
  /** Nanoseconds that the next frame or batch takes, −1: none. */
  requestDelay(): number;
  /** Runs `work` after `delay` nanoseconds (at once if negative), never if the device is reset before. */
  later(delay: number, work: () => void): void;
  /** Hands a frame to the network, of which something may be left to be done. False if that is impossible. */
  send(frame: Uint8Array, todo: Todo | null): boolean;
}

export interface TransmitCounters {
  frames: number;
  bytes: number;
  /** Frames that could not be sent: too short, too long, or asking for what the device cannot do with them. */
  dropped: number;
}

/** A buffer whose frame was sent, and its bytes at that time. */
interface Sent {
  chain: Chain;
  bytes: Uint8Array;
}

/** A VLAN tag does not count towards the MTU. */
const VLAN_TAG_BYTES = 4;
/** The most that any host takes: 64 KiB of IPv6 payload, a VLAN tag in the Ethernet header. */
const LONGEST_FRAME = 65_593;

export class TransmitSide {
  readonly counters: TransmitCounters = { frames: 0, bytes: 0, dropped: 0 };

  constructor(private readonly context: TransmitContext) {}

  /** Sends all frames that are there; their buffers come back together, or each after a time of its own. */
  serve(queue: DeviceQueue): void {
    const together: Sent[] = [];
    for (let chain = queue.next(); chain !== null; chain = queue.next()) {
      const sent = { chain, bytes: this.take(chain) };
      if (this.context.isOneByOne()) this.completeLater(queue, [sent]);
      else together.push(sent);
    }
    if (together.length > 0) this.completeLater(queue, together);
  }

  /** Reads a buffer and sends the frame in it. Returns its bytes, as many as the longest frame has. */
  private take(chain: Chain): Uint8Array {
    const header = headerBytes((feature) => this.context.hasNegotiated(feature));
    const bytes = new Uint8Array(Math.min(chain.readableBytes, header + LONGEST_FRAME));
    chain.read(0, bytes, 0, bytes.length);
    const frame = bytes.slice(header);
    const headerPart = bytes.subarray(0, header);
    const isSent =
      this.isSendable(chain, bytes, header) &&
      this.context.send(frame, asksForOffload(headerPart) ? todoOf(headerPart) : null);
    if (isSent) {
      this.counters.frames += 1;
      this.counters.bytes += frame.length;
    } else {
      this.counters.dropped += 1;
    }
    return bytes;
  }

  private isSendable(chain: Chain, bytes: Uint8Array, header: number): boolean {
    const { context } = this;
    const detail = `head ${chain.head}, ${chain.readableBytes} bytes`;
    if (chain.writable.length > 0) context.record(rules.TRANSMIT_WRITABLE, detail);
    if (bytes.length < header + ETHERNET_HEADER_BYTES) {
      context.record(rules.TRANSMIT_SHORT, detail);
      return false;
    }
    const first = chain.readable[0]?.length ?? 0;
    if (first !== header && !context.hasNegotiated(ANY_FRAMING)) {
      context.record(rules.TRANSMIT_FRAMING, `${detail}, ${first} in the first descriptor`);
    }
    const headerPart = bytes.subarray(0, header);
    const frameBytes = chain.readableBytes - header;
    const broken = brokenRules(headerPart, frameBytes, (feature) => context.hasNegotiated(feature));
    for (const rule of broken) context.record(rule, `${detail}, header ${toHex(headerPart)}`);

    const longest = context.mtu() + ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES;
    const isSegmented = todoOf(headerPart).gsoType !== VIRTIO_NET_HDR_GSO_NONE;
    if (context.hasNegotiated(VIRTIO_NET_F_MTU) && frameBytes > longest && !isSegmented) {
      context.record(rules.TRANSMIT_MTU, `${detail}, MTU ${context.mtu()}`);
      return false;
    }
    return frameBytes <= LONGEST_FRAME && !(asksForOffload(headerPart) && broken.length > 0);
  }

  /** The buffers stay the device's until then, so they must still hold the same bytes. */
  private completeLater(queue: DeviceQueue, batch: readonly Sent[]): void {
    const delay = this.context.requestDelay();
    this.context.later(delay, () => {
      for (const { chain, bytes } of batch) {
        if (chain.isOver) continue;
        if (delay >= 0 && !holdsStill(chain, bytes)) this.context.record(rules.TRANSMIT_CHANGED, `head ${chain.head}`);
        queue.put(chain, this.usedLength(chain));
      }
      queue.publish();
      queue.signal();
    });
  }

  private usedLength(chain: Chain): number {
    return this.context.usedLength() === "sent" ? chain.readableBytes : 0;
  }
}

function holdsStill(chain: Chain, bytes: Uint8Array): boolean {
  const now = new Uint8Array(bytes.length);
  chain.read(0, now, 0, now.length);
  return firstDifference(now, bytes) < 0;
}
