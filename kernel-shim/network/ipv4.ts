/** Internet Protocol version 4 [RFC 791]. Packets are sent without options and unfragmented. */
import { ipv4FromBytes, ipv4ToBytes, type Ipv4Address } from "./addresses.js";
import { internetChecksum } from "./checksum.js";

export const IPV4_HEADER_BYTES = 20;
/** Recommended for what does not know how far it goes [RFC 1700, "IP time to live"]. */
const DEFAULT_TIME_TO_LIVE = 64;
const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET_MASK = 0x1fff;

export const IpProtocol = { ICMP: 1, UDP: 17 } as const;

export interface Ipv4Packet {
  source: Ipv4Address;
  destination: Ipv4Address;
  /** One of `IpProtocol`, or any other byte. */
  protocol: number;
  payload: Uint8Array;
  /** Hops left, 64 if not given. */
  timeToLive?: number;
}

export interface DecodedIpv4Packet extends Required<Ipv4Packet> {
  /** A part of a larger packet, first and last parts included. */
  isFragment: boolean;
}

/** Throws `RangeError` if the payload is more than a packet can hold. */
export function encodeIpv4(packet: Ipv4Packet): Uint8Array {
  const totalLength = IPV4_HEADER_BYTES + packet.payload.length;
  if (totalLength > 0xffff) throw new RangeError(`${packet.payload.length} bytes do not fit an IPv4 packet`);
  const bytes = new Uint8Array(totalLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, (4 << 4) | (IPV4_HEADER_BYTES / 4));
  view.setUint16(2, totalLength);
  // With "don't fragment" the identification has no purpose and may be any value [RFC 6864 §4.1].
  view.setUint16(6, DONT_FRAGMENT);
  view.setUint8(8, packet.timeToLive ?? DEFAULT_TIME_TO_LIVE);
  view.setUint8(9, packet.protocol);
  bytes.set(ipv4ToBytes(packet.source), 12);
  bytes.set(ipv4ToBytes(packet.destination), 16);
  view.setUint16(10, internetChecksum(bytes.subarray(0, IPV4_HEADER_BYTES)));
  bytes.set(packet.payload, IPV4_HEADER_BYTES);
  return bytes;
}

/**
 * Takes a packet apart, without the padding behind it; options are skipped. `payload` is a view of `bytes`. Null if
 * it is not version 4, is shorter than it says, its header is shorter than one can be, or its checksum is wrong.
 */
export function decodeIpv4(bytes: Uint8Array): DecodedIpv4Packet | null {
  if (bytes.length < IPV4_HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(0) >> 4;
  const headerLength = (view.getUint8(0) & 0xf) * 4;
  const totalLength = view.getUint16(2);
  if (version !== 4 || headerLength < IPV4_HEADER_BYTES) return null;
  if (totalLength < headerLength || totalLength > bytes.length) return null;
  if (internetChecksum(bytes.subarray(0, headerLength)) !== 0) return null;
  return {
    source: ipv4FromBytes(bytes, 12),
    destination: ipv4FromBytes(bytes, 16),
    protocol: view.getUint8(9),
    timeToLive: view.getUint8(8),
    isFragment: (view.getUint16(6) & (MORE_FRAGMENTS | FRAGMENT_OFFSET_MASK)) !== 0,
    payload: bytes.subarray(headerLength, totalLength),
  };
}
