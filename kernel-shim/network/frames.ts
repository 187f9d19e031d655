/** Whole frames: the formats of this folder put into, and taken out of, each other. */
import { type Ipv4Address, type MacAddress } from "./addresses.js";
import { EtherType, decodeEthernet, encodeEthernet } from "./ethernet.js";
import { decodeIcmpEcho, encodeIcmpEcho, type IcmpEcho } from "./icmp.js";
import { IpProtocol, decodeIpv4, encodeIpv4, type DecodedIpv4Packet, type Ipv4Packet } from "./ipv4.js";
import { decodeUdp, encodeUdp, type UdpDatagram } from "./udp.js";

/** Sender and receiver of a frame, on both layers. */
export interface Route {
  sourceMac: MacAddress;
  destinationMac: MacAddress;
  source: Ipv4Address;
  destination: Ipv4Address;
}

/** The frame that carries `content` as an IPv4 packet. */
export function ipv4Frame(route: Route, content: Pick<Ipv4Packet, "protocol" | "payload">): Uint8Array {
  return encodeEthernet({
    destination: route.destinationMac,
    source: route.sourceMac,
    type: EtherType.IPV4,
    payload: encodeIpv4({ source: route.source, destination: route.destination, ...content }),
  });
}

export function icmpEchoFrame(route: Route, message: IcmpEcho): Uint8Array {
  return ipv4Frame(route, { protocol: IpProtocol.ICMP, payload: encodeIcmpEcho(message) });
}

export function udpFrame(route: Route, datagram: UdpDatagram): Uint8Array {
  return ipv4Frame(route, { protocol: IpProtocol.UDP, payload: encodeUdp(datagram, route) });
}

/** The packet in a frame, or null if there is no well-formed one. */
export function ipv4InFrame(frame: Uint8Array): DecodedIpv4Packet | null {
  const ethernet = decodeEthernet(frame);
  return ethernet !== null && ethernet.type === EtherType.IPV4 ? decodeIpv4(ethernet.payload) : null;
}

/** The echo message in a frame and who sent it, or null if there is no well-formed whole one. */
export function icmpEchoInFrame(frame: Uint8Array): { packet: DecodedIpv4Packet; message: IcmpEcho } | null {
  const packet = ipv4InFrame(frame);
  if (packet === null || packet.isFragment || packet.protocol !== IpProtocol.ICMP) return null;
  const message = decodeIcmpEcho(packet.payload);
  return message === null ? null : { packet, message };
}

/** The datagram in a frame and who sent it, or null if there is no well-formed whole one. */
export function udpInFrame(frame: Uint8Array): { packet: DecodedIpv4Packet; datagram: UdpDatagram } | null {
  const packet = ipv4InFrame(frame);
  if (packet === null || packet.isFragment || packet.protocol !== IpProtocol.UDP) return null;
  const datagram = decodeUdp(packet.payload, packet);
  return datagram === null ? null : { packet, datagram };
}
