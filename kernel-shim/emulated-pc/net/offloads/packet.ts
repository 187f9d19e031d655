/** Where the headers are in an Ethernet frame with an IPv4 or IPv6 packet, VLAN tags or not [RFC 791], [RFC 8200]. */
import { ETHERNET_HEADER_BYTES } from "../../../network/ethernet.js";

export const TCP = 6;
export const UDP = 17;

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const VLAN = 0x8100;
const VLAN_TAG_BYTES = 4;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const SOURCE_AND_DESTINATION = 2;
/** Hop-by-hop options, routing, destination options: each says how long it is, and what follows. */
const IPV6_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60]);
const FRAGMENT_BITS = 0x3fff;

/** Offsets from the frame's first byte. */
export interface PacketPlaces {
  readonly version: 4 | 6;
  /** Where the IP header begins. */
  readonly network: number;
  /** Where what it carries begins, behind options and extensions. */
  readonly transport: number;
  /** The number of what it carries. */
  readonly protocol: number;
  /** Where the packet ends, as it says itself: padding may follow. */
  readonly end: number;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Null for anything but a whole packet: other protocols, fragments, a frame that is cut off. */
export function findPacket(frame: Uint8Array): PacketPlaces | null {
  const view = viewOf(frame);
  let network = ETHERNET_HEADER_BYTES;
  while (network + 2 <= frame.length && view.getUint16(network - 2) === VLAN) network += VLAN_TAG_BYTES;
  if (network > frame.length) return null;
  switch (view.getUint16(network - 2)) {
    case IPV4:
      return findInIpv4(view, network);
    case IPV6:
      return findInIpv6(view, network);
    default:
      return null;
  }
}

function findInIpv4(view: DataView, network: number): PacketPlaces | null {
  if (view.byteLength < network + IPV4_HEADER_BYTES) return null;
  const headerBytes = (view.getUint8(network) & 0xf) * 4;
  const transport = network + headerBytes;
  const end = network + view.getUint16(network + 2);
  const isWhole = (view.getUint16(network + 6) & FRAGMENT_BITS) === 0;
  if (view.getUint8(network) >> 4 !== 4 || headerBytes < IPV4_HEADER_BYTES || !isWhole) return null;
  if (transport > end || end > view.byteLength) return null;
  return { version: 4, network, transport, protocol: view.getUint8(network + 9), end };
}

function findInIpv6(view: DataView, network: number): PacketPlaces | null {
  let transport = network + IPV6_HEADER_BYTES;
  if (view.byteLength < transport || view.getUint8(network) >> 4 !== 6) return null;
  const end = transport + view.getUint16(network + 4);
  let protocol = view.getUint8(network + 6);
  if (end > view.byteLength) return null;
  while (IPV6_EXTENSIONS.has(protocol)) {
    if (transport + 8 > end) return null;
    protocol = view.getUint8(transport);
    transport += (view.getUint8(transport + 1) + 1) * 8;
  }
  return transport > end ? null : { version: 6, network, transport, protocol, end };
}

/** What the checksums of TCP and UDP cover beside the bytes themselves [RFC 9293 §3.1], [RFC 8200 §8.1]. */
export function pseudoHeader(frame: Uint8Array, places: PacketPlaces): Uint8Array {
  const { version, network, transport, protocol, end } = places;
  const addressBytes = version === 4 ? 4 : 16;
  const addresses = network + (version === 4 ? 12 : 8);
  const bytes = new Uint8Array(SOURCE_AND_DESTINATION * addressBytes + 8);
  bytes.set(frame.subarray(addresses, addresses + SOURCE_AND_DESTINATION * addressBytes));
  const view = viewOf(bytes);
  view.setUint32(bytes.length - 8, end - transport);
  view.setUint32(bytes.length - 4, protocol);
  return bytes;
}
