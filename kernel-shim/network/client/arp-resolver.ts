/** Finds the MAC address of a neighbour [RFC 826], with repeated requests [RFC 1122 §2.3.2.1]. */
import { type Ipv4Address, type MacAddress } from "../addresses.js";
import { ArpOperation, arpInFrame, arpRequestFrame, type Identity } from "../arp.js";
import { milliseconds, type Exchange, type Nanoseconds } from "./exchange.js";

export interface ArpResolverOptions {
  /** Who asks. */
  self: Identity;
  target: Ipv4Address;
  /** Requests to send before giving up; 3 if not given. */
  attempts?: number;
  /** Time to wait for an answer to each; a second if not given. */
  timeoutMilliseconds?: number;
}

/** `mac` is null if nobody answered; the time is that from the answered request to its answer. */
export type ArpResult = { mac: MacAddress; roundTrip: Nanoseconds } | { mac: null };

export class ArpResolver implements Exchange<ArpResult> {
  deadline: Nanoseconds | null = null;
  result: ArpResult | null = null;
  private readonly self: Identity;
  private readonly target: Ipv4Address;
  private readonly timeout: Nanoseconds;
  private attemptsLeft: number;
  private sentAt: Nanoseconds = 0;

  constructor(options: ArpResolverOptions) {
    this.self = options.self;
    this.target = options.target;
    this.attemptsLeft = options.attempts ?? 3;
    this.timeout = milliseconds(options.timeoutMilliseconds ?? 1000);
  }

  start(now: Nanoseconds): Uint8Array[] {
    return this.ask(now);
  }

  receive(frame: Uint8Array, now: Nanoseconds): Uint8Array[] {
    const packet = arpInFrame(frame);
    const isAnswer =
      packet?.operation === ArpOperation.REPLY &&
      packet.senderAddress === this.target &&
      packet.targetAddress === this.self.address &&
      packet.targetMac === this.self.mac;
    if (this.deadline !== null && isAnswer) {
      this.finish({ mac: packet.senderMac, roundTrip: now - this.sentAt });
    }
    return [];
  }

  elapse(now: Nanoseconds): Uint8Array[] {
    return this.deadline === null || now < this.deadline ? [] : this.ask(now);
  }

  private ask(now: Nanoseconds): Uint8Array[] {
    if (this.attemptsLeft === 0) {
      this.finish({ mac: null });
      return [];
    }
    this.attemptsLeft -= 1;
    this.sentAt = now;
    this.deadline = now + this.timeout;
    return [arpRequestFrame(this.self, this.target)];
  }

  private finish(result: ArpResult): void {
    this.result = result;
    this.deadline = null;
  }
}
