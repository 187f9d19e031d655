/** UDP over IPv4. [RFC 768] */
import { addWords, finishChecksum, read16, write16 } from "./bytes";
import { IPV4_PAYLOAD, PROTOCOL_UDP, pseudoHeaderSum, writeIpv4 } from "./ipv4";

const SOURCE_PORT: u32 = IPV4_PAYLOAD;
const DESTINATION_PORT: u32 = IPV4_PAYLOAD + 2;
const LENGTH: u32 = IPV4_PAYLOAD + 4;
const CHECKSUM: u32 = IPV4_PAYLOAD + 6;
const HEADER_BYTES: u32 = 8;

/** Where the payload begins in a frame. */
export const UDP_PAYLOAD: u32 = IPV4_PAYLOAD + HEADER_BYTES;

/** Bytes of payload in a datagram that fills at most the packet's `available` bytes and is intact; otherwise -1. */
export function udpPayloadLength(frame: u32, available: u32): i32 {
  if (available < HEADER_BYTES) return -1;
  const length = read16(frame + LENGTH);
  if (length < HEADER_BYTES || length > available) return -1;
  const isChecked = read16(frame + CHECKSUM) != 0;
  if (isChecked && finishChecksum(addWords(pseudoHeaderSum(frame, length), frame + IPV4_PAYLOAD, length)) != 0)
    return -1;
  return length - HEADER_BYTES;
}

export function udpSourcePort(frame: u32): u32 {
  return read16(frame + SOURCE_PORT);
}

export function udpDestinationPort(frame: u32): u32 {
  return read16(frame + DESTINATION_PORT);
}

/** Writes the headers of IPv4 and UDP around a payload that is in its place already. Returns the frame's length. */
export function writeUdp(
  frame: u32,
  source: u32,
  sourcePort: u32,
  destination: u32,
  destinationPort: u32,
  payloadLength: u32,
): u32 {
  const length = HEADER_BYTES + payloadLength;
  writeIpv4(frame, PROTOCOL_UDP, source, destination, length);
  write16(frame + SOURCE_PORT, sourcePort);
  write16(frame + DESTINATION_PORT, destinationPort);
  write16(frame + LENGTH, length);
  write16(frame + CHECKSUM, 0);
  const checksum = finishChecksum(addWords(pseudoHeaderSum(frame, length), frame + IPV4_PAYLOAD, length));
  // A computed zero is sent as its complement, because zero says that there is none.
  write16(frame + CHECKSUM, checksum == 0 ? 0xffff : checksum);
  return IPV4_PAYLOAD + length;
}

/** Makes the sending port the receiving one. The checksum stays right. */
export function turnUdp(frame: u32): void {
  const source = udpSourcePort(frame);
  write16(frame + SOURCE_PORT, udpDestinationPort(frame));
  write16(frame + DESTINATION_PORT, source);
}
