/** Ethernet addresses: six octets in the order of transmission, the first lowest. */

/** In the first octet: a group of stations, and not given out by a maker. */
export const MULTICAST: u64 = 1;
export const LOCALLY_ADMINISTERED: u64 = 2;

/** Whether it can be a station's own address. */
export function isStation(mac: u64): bool {
  return mac != 0 && (mac & MULTICAST) == 0 && mac >> 48 == 0;
}

/** Whether it can be the address of a group, all stations included. */
export function isGroup(mac: u64): bool {
  return (mac & MULTICAST) != 0 && mac >> 48 == 0;
}
