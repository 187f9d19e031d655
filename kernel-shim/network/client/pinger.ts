/** Sends ICMP echo requests one after the other and checks what comes back [RFC 792], [RFC 1122 §3.2.2.6]. */
import { type Ipv4Address, type MacAddress } from "../addresses.js";
import { type Identity } from "../arp.js";
import { icmpEchoFrame, icmpEchoInFrame } from "../frames.js";
import { IcmpType } from "../icmp.js";
import { milliseconds, type Exchange, type Nanoseconds } from "./exchange.js";

export interface PingerOptions {
  /** Who pings. */
  self: Identity;
  target: Ipv4Address;
  /** The target itself, or the router on the way to it. */
  targetMac: MacAddress;
  /** 16 bits that tell this pinger's replies from another's. */
  identifier: number;
  /** Requests to send; 4 if not given. At most 65536, so that no sequence number comes twice. */
  count?: number;
  /** Bytes of payload in each; 56 if not given. */
  payloadBytes?: number;
  /** From a request's answer, or its time-out, to the next request; none if not given. */
  intervalMilliseconds?: number;
  /** How long to wait for each answer; a second if not given. */
  timeoutMilliseconds?: number;
}

/** What became of one request. `corrupt`: a reply came back with another payload. */
export type Ping =
  | { sequence: number; outcome: "reply" | "corrupt"; roundTrip: Nanoseconds; timeToLive: number }
  | { sequence: number; outcome: "timeout" };

const MOST_PINGS = 0x10000;

/** Bytes that differ from request to request and from byte to byte, so that shifted or stale ones are noticed. */
function pattern(sequence: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => sequence * 31 + index * 7 + (index >> 8));
}

function areEqual(first: Uint8Array, second: Uint8Array): boolean {
  return first.length === second.length && first.every((byte, index) => byte === second[index]);
}

export class Pinger implements Exchange<readonly Ping[]> {
  deadline: Nanoseconds | null = null;
  result: readonly Ping[] | null = null;
  private readonly options: Required<PingerOptions>;
  private readonly pings: Ping[] = [];
  private payload: Uint8Array = new Uint8Array(0);
  private sentAt: Nanoseconds = 0;
  private state: "awaiting" | "pausing" = "pausing";

  /** Throws `RangeError` if `count` is not within its limits. */
  constructor(options: PingerOptions) {
    this.options = { count: 4, payloadBytes: 56, intervalMilliseconds: 0, timeoutMilliseconds: 1000, ...options };
    const { count } = this.options;
    if (!Number.isInteger(count) || count < 1 || count > MOST_PINGS) {
      throw new RangeError(`a pinger sends 1 to ${MOST_PINGS} requests, not ${count}`);
    }
  }

  start(now: Nanoseconds): Uint8Array[] {
    return this.request(now);
  }

  receive(frame: Uint8Array, now: Nanoseconds): Uint8Array[] {
    if (this.deadline === null || this.state !== "awaiting") return [];
    const { self, target, identifier } = this.options;
    const echo = icmpEchoInFrame(frame);
    if (echo?.packet.source !== target || echo.packet.destination !== self.address) return [];
    const { message } = echo;
    const sequence = this.pings.length;
    if (message.type !== IcmpType.ECHO_REPLY || message.identifier !== identifier) return [];
    if (message.sequence !== sequence) return [];
    const outcome = areEqual(message.payload, this.payload) ? "reply" : "corrupt";
    const { timeToLive } = echo.packet;
    return this.conclude({ sequence, outcome, roundTrip: now - this.sentAt, timeToLive }, now);
  }

  elapse(now: Nanoseconds): Uint8Array[] {
    if (this.deadline === null || now < this.deadline) return [];
    if (this.state === "pausing") return this.request(now);
    return this.conclude({ sequence: this.pings.length, outcome: "timeout" }, now);
  }

  private request(now: Nanoseconds): Uint8Array[] {
    const { self, target, targetMac, identifier, payloadBytes, timeoutMilliseconds } = this.options;
    const sequence = this.pings.length;
    this.state = "awaiting";
    this.payload = pattern(sequence, payloadBytes);
    this.sentAt = now;
    this.deadline = now + milliseconds(timeoutMilliseconds);
    const route = { sourceMac: self.mac, destinationMac: targetMac, source: self.address, destination: target };
    return [icmpEchoFrame(route, { type: IcmpType.ECHO_REQUEST, identifier, sequence, payload: this.payload })];
  }

  private conclude(ping: Ping, now: Nanoseconds): Uint8Array[] {
    this.pings.push(ping);
    if (this.pings.length === this.options.count) {
      this.result = this.pings;
      this.deadline = null;
      return [];
    }
    if (this.options.intervalMilliseconds === 0) return this.request(now);
    this.state = "pausing";
    this.deadline = now + milliseconds(this.options.intervalMilliseconds);
    return [];
  }
}
