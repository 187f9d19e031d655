/**
 * Obtains a lease: DISCOVER, OFFER, REQUEST, ACK [RFC 2131 §3.1, §4.4.1]. The first acceptable offer is taken.
 * Renewing a lease, and probing the address before use, are left to whoever keeps it longer than a session.
 */
import {
  BROADCAST_IPV4,
  BROADCAST_MAC,
  UNSPECIFIED_IPV4,
  ipv4ToBytes,
  type Ipv4Address,
  type MacAddress,
} from "../addresses.js";
import {
  DhcpMessageType,
  DhcpOperation,
  DhcpOption,
  addressOption,
  addressesOption,
  blankDhcpMessage,
  decodeDhcp,
  encodeDhcp,
  numberOption,
  type DhcpMessage,
} from "../dhcp.js";
import { udpFrame, udpInFrame } from "../frames.js";
import { UdpPort } from "../udp.js";
import { NANOSECONDS_PER_SECOND, milliseconds, type Exchange, type Nanoseconds } from "./exchange.js";

export interface DhcpClientOptions {
  mac: MacAddress;
  /** `xid`: 32 bits that no other client on the network uses at the same time. */
  transaction: number;
  /** Messages of one kind to send, and refusals to take, before giving up; 4 if not given. */
  attempts?: number;
  /** Wait after the first message of a kind, doubled after each further one [RFC 2131 §4.1]; 4 seconds if not given. */
  timeoutMilliseconds?: number;
}

export interface DhcpLease {
  address: Ipv4Address;
  /** 255.255.255.255 if the server named none. */
  subnetMask: Ipv4Address;
  routers: Ipv4Address[];
  domainNameServers: Ipv4Address[];
  /** Seconds; 0xffffffff is for ever. */
  leaseSeconds: number;
  server: Ipv4Address;
}

/** `lease` is null if no server answered in time, or those that did refused. */
export interface DhcpResult {
  lease: DhcpLease | null;
}

interface Offer {
  address: Ipv4Address;
  server: Ipv4Address;
}

const WANTED_OPTIONS = [
  DhcpOption.SUBNET_MASK,
  DhcpOption.ROUTER,
  DhcpOption.DOMAIN_NAME_SERVER,
  DhcpOption.LEASE_TIME,
];

export class DhcpClient implements Exchange<DhcpResult> {
  deadline: Nanoseconds | null = null;
  result: DhcpResult | null = null;
  private readonly options: Required<DhcpClientOptions>;
  /** Null in the state SELECTING, the accepted one in REQUESTING. */
  private offer: Offer | null = null;
  private attempt = 0;
  private refusals = 0;
  private startedAt: Nanoseconds = 0;

  constructor(options: DhcpClientOptions) {
    this.options = { attempts: 4, timeoutMilliseconds: 4000, ...options };
  }

  start(now: Nanoseconds): Uint8Array[] {
    this.startedAt = now;
    return this.send(now);
  }

  receive(frame: Uint8Array, now: Nanoseconds): Uint8Array[] {
    const message = this.deadline === null ? null : this.replyInFrame(frame);
    if (message === null) return [];
    const server = addressOption(message.options, DhcpOption.SERVER_IDENTIFIER);
    if (server === null) return [];

    if (this.offer === null) {
      if (message.type !== DhcpMessageType.OFFER || message.yourAddress === UNSPECIFIED_IPV4) return [];
      return this.enter({ address: message.yourAddress, server }, now);
    }
    if (server !== this.offer.server) return [];
    if (message.type === DhcpMessageType.NAK) {
      this.refusals += 1;
      return this.enter(null, now);
    }
    if (message.type !== DhcpMessageType.ACK || message.yourAddress === UNSPECIFIED_IPV4) return [];
    const leaseSeconds = numberOption(message.options, DhcpOption.LEASE_TIME);
    if (leaseSeconds === null) return [];
    this.finish({
      address: message.yourAddress,
      subnetMask: addressOption(message.options, DhcpOption.SUBNET_MASK) ?? BROADCAST_IPV4,
      routers: addressesOption(message.options, DhcpOption.ROUTER),
      domainNameServers: addressesOption(message.options, DhcpOption.DOMAIN_NAME_SERVER),
      leaseSeconds,
      server,
    });
    return [];
  }

  elapse(now: Nanoseconds): Uint8Array[] {
    return this.deadline === null || now < this.deadline ? [] : this.send(now);
  }

  private replyInFrame(frame: Uint8Array): DhcpMessage | null {
    const udp = udpInFrame(frame);
    if (udp?.datagram.destinationPort !== UdpPort.DHCP_CLIENT) return null;
    const message = decodeDhcp(udp.datagram.payload);
    const isForUs =
      message?.operation === DhcpOperation.REPLY &&
      message.transaction === this.options.transaction &&
      message.clientMac === this.options.mac;
    return isForUs ? message : null;
  }

  /** Goes to REQUESTING with an offer, back to SELECTING with none. */
  private enter(offer: Offer | null, now: Nanoseconds): Uint8Array[] {
    this.offer = offer;
    this.attempt = 0;
    return this.send(now);
  }

  private send(now: Nanoseconds): Uint8Array[] {
    const { attempts, timeoutMilliseconds, mac, transaction } = this.options;
    if (this.attempt === attempts || this.refusals === attempts) {
      this.finish(null);
      return [];
    }
    this.deadline = now + milliseconds(timeoutMilliseconds * 2 ** this.attempt);
    this.attempt += 1;

    const type = this.offer === null ? DhcpMessageType.DISCOVER : DhcpMessageType.REQUEST;
    const options = new Map<number, Uint8Array>();
    if (this.offer !== null) {
      options.set(DhcpOption.REQUESTED_ADDRESS, ipv4ToBytes(this.offer.address));
      options.set(DhcpOption.SERVER_IDENTIFIER, ipv4ToBytes(this.offer.server));
    }
    options.set(DhcpOption.PARAMETER_REQUEST_LIST, Uint8Array.from(WANTED_OPTIONS));
    const message = {
      ...blankDhcpMessage(DhcpOperation.REQUEST, type, transaction, mac),
      seconds: Math.floor((now - this.startedAt) / NANOSECONDS_PER_SECOND) & 0xffff,
      broadcast: true,
      options,
    };
    const route = {
      sourceMac: mac,
      destinationMac: BROADCAST_MAC,
      source: UNSPECIFIED_IPV4,
      destination: BROADCAST_IPV4,
    };
    const { DHCP_CLIENT: sourcePort, DHCP_SERVER: destinationPort } = UdpPort;
    return [udpFrame(route, { sourcePort, destinationPort, payload: encodeDhcp(message) })];
  }

  private finish(lease: DhcpLease | null): void {
    this.result = { lease };
    this.deadline = null;
  }
}
