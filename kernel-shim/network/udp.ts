/** User Datagram Protocol over IPv4 [RFC 768]. */
import { ipv4ToBytes, type Ipv4Address } from "./addresses.js";
import { internetChecksum } from "./checksum.js";
import { IpProtocol } from "./ipv4.js";

export const UDP_HEADER_BYTES = 8;

/** Ports that this project serves or asks. */
export const UdpPort = { ECHO: 7, DHCP_SERVER: 67, DHCP_CLIENT: 68 } as const;

export interface UdpDatagram {
  sourcePort: number;
  destinationPort: number;
  payload: Uint8Array;
}

/** The addresses of the packet around a datagram: its checksum covers them. */
export interface UdpAddresses {
  source: Ipv4Address;
  destination: Ipv4Address;
}

function pseudoHeader(addresses: UdpAddresses, udpLength: number): Uint8Array {
  const bytes = new Uint8Array(12);
  bytes.set(ipv4ToBytes(addresses.source), 0);
  bytes.set(ipv4ToBytes(addresses.destination), 4);
  const view = new DataView(bytes.buffer);
  view.setUint8(9, IpProtocol.UDP);
  view.setUint16(10, udpLength);
  return bytes;
}

/** Throws `RangeError` if the payload is more than a datagram can hold. */
export function encodeUdp(datagram: UdpDatagram, addresses: UdpAddresses): Uint8Array {
  const length = UDP_HEADER_BYTES + datagram.payload.length;
  if (length > 0xffff) throw new RangeError(`${datagram.payload.length} bytes do not fit a UDP datagram`);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, datagram.sourcePort);
  view.setUint16(2, datagram.destinationPort);
  view.setUint16(4, length);
  bytes.set(datagram.payload, UDP_HEADER_BYTES);
  const checksum = internetChecksum(pseudoHeader(addresses, length), bytes);
  // Zero says "no checksum"; one's complement arithmetic has a second zero to send in its place.
  view.setUint16(6, checksum === 0 ? 0xffff : checksum);
  return bytes;
}

/** `payload` is a view of `bytes`. Null if the datagram is shorter than it says, or its checksum is there and wrong. */
export function decodeUdp(bytes: Uint8Array, addresses: UdpAddresses): UdpDatagram | null {
  if (bytes.length < UDP_HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint16(4);
  if (length < UDP_HEADER_BYTES || length > bytes.length) return null;
  const datagram = bytes.subarray(0, length);
  const hasChecksum = view.getUint16(6) !== 0;
  if (hasChecksum && internetChecksum(pseudoHeader(addresses, length), datagram) !== 0) return null;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    payload: datagram.subarray(UDP_HEADER_BYTES),
  };
}
