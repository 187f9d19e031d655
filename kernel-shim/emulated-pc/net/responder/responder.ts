/**
 * A small host to talk to: answers ARP, ICMP echo, UDP echo [RFC 862] and DHCP, asks by ARP where it has to answer,
 * checks every checksum, and drops and counts what is malformed or not for it. It never speaks first.
 */
import {
  BROADCAST_IPV4,
  BROADCAST_MAC,
  directedBroadcast,
  inSameNetwork,
  ipv4FromNumber,
  ipv4Mask,
  ipv4ToNumber,
  type Ipv4Address,
  type MacAddress,
} from "../../../network/addresses.js";
import {
  ArpOperation,
  arpReplyFrame,
  arpRequestFrame,
  decodeArp,
  type ArpPacket,
  type Identity,
} from "../../../network/arp.js";
import { decodeDhcp, encodeDhcp } from "../../../network/dhcp.js";
import { EtherType, decodeEthernet, encodeEthernet, type EthernetFrame } from "../../../network/ethernet.js";
import { udpFrame } from "../../../network/frames.js";
import { IcmpType, decodeIcmpEcho, encodeIcmpEcho } from "../../../network/icmp.js";
import { IpProtocol, decodeIpv4, encodeIpv4, type DecodedIpv4Packet } from "../../../network/ipv4.js";
import { UdpPort, decodeUdp, encodeUdp, type UdpDatagram } from "../../../network/udp.js";
import { deliver, type NetworkBackend, type NetworkPort } from "../backend.js";
import { DhcpServer, type DhcpServerOptions } from "./dhcp-server.js";
import { Neighbours } from "./neighbours.js";

export interface ResponderOptions {
  /** 52:55:0a:00:02:02 if not given. */
  mac?: MacAddress;
  /** 10.0.2.2 if not given. */
  address?: Ipv4Address;
  /** Length of the network's prefix in bits, at most 30; 24 if not given. */
  prefixLength?: number;
  /** What DHCP gives away; the 15th address of the network and the next 15, for a day, if not given. */
  dhcp?: Partial<Pick<DhcpServerOptions, "firstAddress" | "addresses" | "leaseSeconds" | "domainNameServer">>;
  /** Nanoseconds from a frame's arrival to its answer; 50 µs if not given. */
  latency?: number;
}

/** Why a frame was dropped: the layer that found it malformed, or what was wrong about it. */
export type DropReason =
  | "ethernet"
  | "arp"
  | "ipv4"
  | "icmp"
  | "udp"
  | "dhcp"
  | "not for this host"
  | "unknown protocol"
  | "fragment"
  | "closed port"
  | "neighbour unknown";

export interface ResponderCounters {
  received: number;
  sent: number;
  dropped: Partial<Record<DropReason, number>>;
}

const DEFAULT_MAC = "52:55:0a:00:02:02";
const DEFAULT_ADDRESS = "10.0.2.2";
const DEFAULT_PREFIX_LENGTH = 24;
const DEFAULT_LATENCY = 50_000;
const FIRST_LEASED_HOST = 15;
const LEASED_ADDRESSES = 16;
const DAY_SECONDS = 86_400;

export class Responder implements NetworkBackend {
  readonly self: Identity;
  readonly counters: ResponderCounters = { received: 0, sent: 0, dropped: {} };
  readonly dhcpServer: DhcpServer;
  private readonly subnetMask: Ipv4Address;
  private readonly broadcast: Ipv4Address;
  private readonly neighbours = new Neighbours();
  private readonly latency: number;
  private port: NetworkPort | null = null;

  constructor(options: ResponderOptions = {}) {
    this.self = { mac: options.mac ?? DEFAULT_MAC, address: options.address ?? DEFAULT_ADDRESS };
    this.latency = options.latency ?? DEFAULT_LATENCY;
    const { address } = this.self;
    this.subnetMask = ipv4Mask(options.prefixLength ?? DEFAULT_PREFIX_LENGTH);
    this.broadcast = directedBroadcast(address, this.subnetMask);
    const network = ipv4ToNumber(address) & ipv4ToNumber(this.subnetMask);
    this.dhcpServer = new DhcpServer({
      address,
      subnetMask: this.subnetMask,
      router: address,
      domainNameServer: address,
      firstAddress: ipv4FromNumber(network + FIRST_LEASED_HOST),
      addresses: LEASED_ADDRESSES,
      leaseSeconds: DAY_SECONDS,
      ...options.dhcp,
    });
  }

  attach(port: NetworkPort): void {
    this.port = port;
  }

  send(frame: Uint8Array): void {
    if (this.port === null) return;
    for (const answer of this.handle(frame, this.port.time?.now ?? 0)) deliver(this.port, answer, this.latency);
  }

  /** Takes in a frame at `now` nanoseconds and returns the answers without sending them: for use without a device. */
  handle(bytes: Uint8Array, now: number): Uint8Array[] {
    this.counters.received += 1;
    const answers = this.answersTo(bytes, now);
    this.counters.sent += answers.length;
    return answers;
  }

  private answersTo(bytes: Uint8Array, now: number): Uint8Array[] {
    const frame = decodeEthernet(bytes);
    if (frame === null) return this.drop("ethernet");
    if (frame.destination !== this.self.mac && frame.destination !== BROADCAST_MAC) {
      return this.drop("not for this host");
    }
    if (frame.type === EtherType.ARP) return this.handleArp(frame);
    if (frame.type === EtherType.IPV4) return this.handleIpv4(frame, now);
    return this.drop("unknown protocol");
  }

  private handleArp(frame: EthernetFrame): Uint8Array[] {
    const packet = decodeArp(frame.payload);
    // A sender that claims another's frame, or this host's address, would poison what is known of the neighbours.
    if (packet?.senderMac !== frame.source || packet.senderAddress === this.self.address) return this.drop("arp");
    // Only those who talk to this host are worth remembering [RFC 826, "Packet Reception"].
    if (packet.targetAddress !== this.self.address) {
      if (!this.neighbours.update(packet.senderAddress, packet.senderMac)) return this.drop("not for this host");
      return [];
    }
    const answers = this.sendWaiting(packet);
    return packet.operation === ArpOperation.REQUEST ? [arpReplyFrame(this.self, packet), ...answers] : answers;
  }

  private sendWaiting({ senderAddress, senderMac }: ArpPacket): Uint8Array[] {
    return this.neighbours
      .learn(senderAddress, senderMac)
      .map((payload) =>
        encodeEthernet({ destination: senderMac, source: this.self.mac, type: EtherType.IPV4, payload }),
      );
  }

  private handleIpv4(frame: EthernetFrame, now: number): Uint8Array[] {
    const packet = decodeIpv4(frame.payload);
    if (packet === null) return this.drop("ipv4");
    const isForAll = packet.destination === BROADCAST_IPV4 || packet.destination === this.broadcast;
    if (packet.destination !== this.self.address && !isForAll) return this.drop("not for this host");
    if (packet.isFragment) return this.drop("fragment");
    if (packet.protocol === IpProtocol.ICMP) return this.handleIcmp(packet, isForAll);
    if (packet.protocol === IpProtocol.UDP) return this.handleUdp(packet, isForAll, now);
    return this.drop("unknown protocol");
  }

  private handleIcmp(packet: DecodedIpv4Packet, isForAll: boolean): Uint8Array[] {
    const message = decodeIcmpEcho(packet.payload);
    if (message === null) return this.drop("icmp");
    // A request to everybody may be passed over in silence [RFC 1122 §3.2.2.6], a reply was not asked for.
    if (isForAll || message.type !== IcmpType.ECHO_REQUEST) return this.drop("not for this host");
    return this.answer(packet, IpProtocol.ICMP, encodeIcmpEcho({ ...message, type: IcmpType.ECHO_REPLY }));
  }

  private handleUdp(packet: DecodedIpv4Packet, isForAll: boolean, now: number): Uint8Array[] {
    const datagram = decodeUdp(packet.payload, packet);
    if (datagram === null) return this.drop("udp");
    if (datagram.destinationPort === UdpPort.DHCP_SERVER) return this.handleDhcp(datagram, now);
    if (datagram.destinationPort !== UdpPort.ECHO || isForAll) return this.drop("closed port");
    // Two echo services would otherwise answer each other for ever.
    if (datagram.sourcePort === UdpPort.ECHO) return this.drop("closed port");
    const addresses = { source: this.self.address, destination: packet.source };
    const { sourcePort, destinationPort, payload } = datagram;
    const echo = encodeUdp({ sourcePort: destinationPort, destinationPort: sourcePort, payload }, addresses);
    return this.answer(packet, IpProtocol.UDP, echo);
  }

  private handleDhcp(datagram: UdpDatagram, now: number): Uint8Array[] {
    const request = decodeDhcp(datagram.payload);
    if (request === null) return this.drop("dhcp");
    const reply = this.dhcpServer.handle(request, now);
    if (reply === null) return [];
    // The client cannot answer ARP for an address it does not use yet: its MAC address is taken from the message.
    const toAll = reply.destination === BROADCAST_IPV4;
    const route = {
      sourceMac: this.self.mac,
      destinationMac: toAll ? BROADCAST_MAC : request.clientMac,
      source: this.self.address,
      destination: reply.destination,
    };
    const ports = { sourcePort: UdpPort.DHCP_SERVER, destinationPort: UdpPort.DHCP_CLIENT };
    return [udpFrame(route, { ...ports, payload: encodeDhcp(reply.message) })];
  }

  /** The frame that takes `payload` back to where a packet came from, or the question where that is. */
  private answer(packet: DecodedIpv4Packet, protocol: number, payload: Uint8Array): Uint8Array[] {
    const destination = packet.source;
    // There is no router behind this host: who is not on its network cannot be answered.
    const isHost = destination !== this.broadcast && destination !== this.self.address;
    if (!isHost || !inSameNetwork(destination, this.self.address, this.subnetMask)) {
      return this.drop("not for this host");
    }
    const reply = encodeIpv4({ source: this.self.address, destination, protocol, payload });
    const mac = this.neighbours.find(destination);
    if (mac === null) {
      const droppedBefore = this.neighbours.dropped;
      this.neighbours.wait(destination, reply);
      if (this.neighbours.dropped > droppedBefore) this.drop("neighbour unknown");
      return [arpRequestFrame(this.self, destination)];
    }
    return [encodeEthernet({ destination: mac, source: this.self.mac, type: EtherType.IPV4, payload: reply })];
  }

  private drop(reason: DropReason): Uint8Array[] {
    this.counters.dropped[reason] = (this.counters.dropped[reason] ?? 0) + 1;
    return [];
  }
}
