/** Address resolution for IPv4 over Ethernet. [RFC 826] */
import { read16, read32, write16, write32 } from "./bytes";
import {
  BROADCAST,
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  readMac,
  writeEthernet,
  writeMac,
} from "./ethernet";

const HARDWARE_TYPE: u32 = ETHERNET_HEADER_BYTES;
const PROTOCOL_TYPE: u32 = ETHERNET_HEADER_BYTES + 2;
const ADDRESS_LENGTHS: u32 = ETHERNET_HEADER_BYTES + 4;
const OPERATION: u32 = ETHERNET_HEADER_BYTES + 6;
const SENDER_MAC: u32 = ETHERNET_HEADER_BYTES + 8;
const SENDER_ADDRESS: u32 = ETHERNET_HEADER_BYTES + 14;
const TARGET_MAC: u32 = ETHERNET_HEADER_BYTES + 18;
const TARGET_ADDRESS: u32 = ETHERNET_HEADER_BYTES + 24;

export const ARP_FRAME_BYTES: u32 = ETHERNET_HEADER_BYTES + 28;

const ETHERNET: u32 = 1;
/** Six bytes of MAC address, four of IPv4 address. */
const SIX_AND_FOUR: u32 = 0x0604;

export const ARP_REQUEST: u32 = 1;
export const ARP_REPLY: u32 = 2;

/** The operation of an ARP packet about IPv4 and Ethernet; 0 for anything else. */
export function arpOperation(frame: u32, length: u32): u32 {
  if (length < ARP_FRAME_BYTES || read16(frame + HARDWARE_TYPE) != ETHERNET) return 0;
  if (read16(frame + PROTOCOL_TYPE) != ETHERTYPE_IPV4 || read16(frame + ADDRESS_LENGTHS) != SIX_AND_FOUR) return 0;
  return read16(frame + OPERATION);
}

export function arpSender(frame: u32): u32 {
  return read32(frame + SENDER_ADDRESS);
}

export function arpSenderMac(frame: u32): u64 {
  return readMac(frame + SENDER_MAC);
}

export function arpTarget(frame: u32): u32 {
  return read32(frame + TARGET_ADDRESS);
}

/** Asks everybody who has `target`. */
export function writeArpRequest(frame: u32, mac: u64, address: u32, target: u32): void {
  writeArp(frame, ARP_REQUEST, mac, address, BROADCAST, target);
  writeMac(frame + TARGET_MAC, 0);
}

/** Tells `targetMac` where `address` is. */
export function writeArpReply(frame: u32, mac: u64, address: u32, targetMac: u64, target: u32): void {
  writeArp(frame, ARP_REPLY, mac, address, targetMac, target);
}

function writeArp(frame: u32, operation: u32, mac: u64, address: u32, targetMac: u64, target: u32): void {
  writeEthernet(frame, targetMac, mac, ETHERTYPE_ARP);
  write16(frame + HARDWARE_TYPE, ETHERNET);
  write16(frame + PROTOCOL_TYPE, ETHERTYPE_IPV4);
  write16(frame + ADDRESS_LENGTHS, SIX_AND_FOUR);
  write16(frame + OPERATION, operation);
  writeMac(frame + SENDER_MAC, mac);
  write32(frame + SENDER_ADDRESS, address);
  writeMac(frame + TARGET_MAC, targetMac);
  write32(frame + TARGET_ADDRESS, target);
}
