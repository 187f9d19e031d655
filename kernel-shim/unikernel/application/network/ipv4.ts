/** IPv4, without options and fragments, which nobody sends to a machine that boots. [RFC 791] */
import { addWords, finishChecksum, read16, read32, write16, write32 } from "./bytes";
import { ETHERNET_HEADER_BYTES } from "./ethernet";

const HEADER: u32 = ETHERNET_HEADER_BYTES;
const VERSION_AND_LENGTH: u32 = HEADER;
const TOTAL_LENGTH: u32 = HEADER + 2;
const FRAGMENT: u32 = HEADER + 6;
const TIME_TO_LIVE: u32 = HEADER + 8;
const PROTOCOL: u32 = HEADER + 9;
const CHECKSUM: u32 = HEADER + 10;
const SOURCE: u32 = HEADER + 12;
const DESTINATION: u32 = HEADER + 16;
const HEADER_BYTES: u32 = 20;

/** Where the payload begins in a frame. */
export const IPV4_PAYLOAD: u32 = HEADER + HEADER_BYTES;

export const PROTOCOL_ICMP: u32 = 1;
export const PROTOCOL_UDP: u32 = 17;

export const ADDRESS_BROADCAST: u32 = 0xffff_ffff;

/** Version 4, five words of header. */
const VERSION_4_PLAIN: u32 = 0x45;
const MORE_FRAGMENTS_OR_OFFSET: u32 = 0x3fff;
const DEFAULT_TIME_TO_LIVE: u32 = 64;

/** Bytes of payload in a frame with a whole and intact packet; -1 for anything else. */
export function ipv4PayloadLength(frame: u32, length: u32): i32 {
  if (length < IPV4_PAYLOAD || load<u8>(frame + VERSION_AND_LENGTH) != VERSION_4_PLAIN) return -1;
  const total = read16(frame + TOTAL_LENGTH);
  if (total < HEADER_BYTES || HEADER + total > length) return -1;
  if (read16(frame + FRAGMENT) & MORE_FRAGMENTS_OR_OFFSET) return -1;
  if (finishChecksum(addWords(0, frame + HEADER, HEADER_BYTES)) != 0) return -1;
  return total - HEADER_BYTES;
}

export function ipv4Protocol(frame: u32): u32 {
  return load<u8>(frame + PROTOCOL);
}

export function ipv4Source(frame: u32): u32 {
  return read32(frame + SOURCE);
}

export function ipv4Destination(frame: u32): u32 {
  return read32(frame + DESTINATION);
}

export function writeIpv4(frame: u32, protocol: u32, source: u32, destination: u32, payloadLength: u32): void {
  memory.fill(frame + HEADER, 0, HEADER_BYTES);
  store<u8>(frame + VERSION_AND_LENGTH, <u8>VERSION_4_PLAIN);
  write16(frame + TOTAL_LENGTH, HEADER_BYTES + payloadLength);
  store<u8>(frame + TIME_TO_LIVE, <u8>DEFAULT_TIME_TO_LIVE);
  store<u8>(frame + PROTOCOL, <u8>protocol);
  write32(frame + SOURCE, source);
  write32(frame + DESTINATION, destination);
  write16(frame + CHECKSUM, finishChecksum(addWords(0, frame + HEADER, HEADER_BYTES)));
}

/** The part of the checksum of UDP that is about the packet around it. [RFC 768] */
export function pseudoHeaderSum(frame: u32, length: u32): u32 {
  return addWords(0, frame + SOURCE, 8) + ipv4Protocol(frame) + length;
}

/** Makes the sender the receiver. The checksum stays right, because it does not depend on the order of words. */
export function turnIpv4(frame: u32): void {
  const source = ipv4Source(frame);
  write32(frame + SOURCE, ipv4Destination(frame));
  write32(frame + DESTINATION, source);
}
