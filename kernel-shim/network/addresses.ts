/**
 * Ethernet and IPv4 addresses as text and as bytes.
 *
 * The packet formats of this folder carry addresses as text in one canonical spelling (`52:54:00:12:34:56`,
 * `10.0.2.15`), so that they compare with `===`, serve as keys and print as they are.
 */

/** Six lower-case hexadecimal bytes with colons between them. */
export type MacAddress = string;
/** Four decimal bytes with dots between them, no leading zeros. */
export type Ipv4Address = string;

export const MAC_ADDRESS_BYTES = 6;
export const IPV4_ADDRESS_BYTES = 4;

export const BROADCAST_MAC: MacAddress = "ff:ff:ff:ff:ff:ff";
/** What stands in an ARP request for the address asked for. */
export const ZERO_MAC: MacAddress = "00:00:00:00:00:00";
/** "This network's broadcast address", never forwarded [RFC 919 §7]. */
export const BROADCAST_IPV4: Ipv4Address = "255.255.255.255";
/** "This host", of one that has no address yet [RFC 1122 §3.2.1.3]. */
export const UNSPECIFIED_IPV4: Ipv4Address = "0.0.0.0";

/** Text that is not an address. */
export class AddressError extends Error {
  override readonly name = "AddressError";
}

/** The address in the six bytes at `offset`, which must be there. */
export function macFromBytes(bytes: Uint8Array, offset = 0): MacAddress {
  return Array.from(bytes.subarray(offset, offset + MAC_ADDRESS_BYTES), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join(":");
}

/** The six bytes of an address. Throws `AddressError` on anything else than six two-digit bytes; case is ignored. */
export function macToBytes(address: MacAddress): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(address)) throw new AddressError(`not a MAC address: ${address}`);
  return Uint8Array.from(address.split(":"), (byte) => parseInt(byte, 16));
}

/** Broadcast is a group address, too [IEEE 802.3 §3.2.3]. */
export function isGroupMac(address: MacAddress): boolean {
  return (parseInt(address.slice(0, 2), 16) & 1) !== 0;
}

/** The address in the four bytes at `offset`, which must be there. */
export function ipv4FromBytes(bytes: Uint8Array, offset = 0): Ipv4Address {
  return bytes.subarray(offset, offset + IPV4_ADDRESS_BYTES).join(".");
}

/** The four bytes of an address. Throws `AddressError` on anything else than four decimal bytes. */
export function ipv4ToBytes(address: Ipv4Address): Uint8Array {
  const parts = address.split(".");
  if (parts.length !== IPV4_ADDRESS_BYTES || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && +part <= 255)) {
    throw new AddressError(`not an IPv4 address: ${address}`);
  }
  return Uint8Array.from(parts, Number);
}

/** The address as an unsigned number, the first byte the most significant. */
export function ipv4ToNumber(address: Ipv4Address): number {
  return ipv4ToBytes(address).reduce((number, byte) => number * 256 + byte, 0);
}

/** The inverse of `ipv4ToNumber`; `number` is taken modulo 2^32. */
export function ipv4FromNumber(number: number): Ipv4Address {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join(".");
}

/** The subnet mask of a network whose prefix has `length` bits, 0 to 32. */
export function ipv4Mask(length: number): Ipv4Address {
  if (!Number.isInteger(length) || length < 0 || length > 32) throw new AddressError(`not a prefix length: ${length}`);
  return ipv4FromNumber(length === 0 ? 0 : -1 << (32 - length));
}

/** Whether both addresses lie in the same network of that mask. */
export function inSameNetwork(first: Ipv4Address, second: Ipv4Address, mask: Ipv4Address): boolean {
  return ((ipv4ToNumber(first) ^ ipv4ToNumber(second)) & ipv4ToNumber(mask)) === 0;
}

/** The address that reaches every host of the network `address` lies in. */
export function directedBroadcast(address: Ipv4Address, mask: Ipv4Address): Ipv4Address {
  return ipv4FromNumber(ipv4ToNumber(address) | ~ipv4ToNumber(mask));
}
