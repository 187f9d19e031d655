/** Ethernet frames. [IEEE 802.3 §3.1.1] A MAC address is a u64 whose lowest byte goes first, as in `NetInformation`. */
import { read16, write16 } from "./bytes";

export const ETHERNET_HEADER_BYTES: u32 = 14;
const DESTINATION: u32 = 0;
const SOURCE: u32 = 6;
const TYPE: u32 = 12;

export const ETHERTYPE_IPV4: u32 = 0x0800;
export const ETHERTYPE_ARP: u32 = 0x0806;

export const BROADCAST: u64 = 0xffff_ffff_ffff;

export function readMac(at: u32): u64 {
  return ((<u64>load<u16>(at + 4)) << 32) | load<u32>(at);
}

export function writeMac(at: u32, mac: u64): void {
  store<u32>(at, <u32>mac);
  store<u16>(at + 4, <u16>(mac >> 32));
}

export function writeEthernet(frame: u32, destination: u64, source: u64, type: u32): void {
  writeMac(frame + DESTINATION, destination);
  writeMac(frame + SOURCE, source);
  write16(frame + TYPE, type);
}

export function etherType(frame: u32): u32 {
  return read16(frame + TYPE);
}

export function sourceMac(frame: u32): u64 {
  return readMac(frame + SOURCE);
}

/** Makes the sender the receiver. */
export function turnEthernet(frame: u32, mac: u64): void {
  writeMac(frame + DESTINATION, sourceMac(frame));
  writeMac(frame + SOURCE, mac);
}
