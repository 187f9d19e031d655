/** Numbers in network byte order, and the checksum of the Internet protocols. */

export function read16(at: u32): u32 {
  return bswap<u16>(load<u16>(at));
}

export function read32(at: u32): u32 {
  return bswap<u32>(load<u32>(at));
}

export function write16(at: u32, value: u32): void {
  store<u16>(at, bswap<u16>(<u16>value));
}

export function write32(at: u32, value: u32): void {
  store<u32>(at, bswap<u32>(value));
}

/** Adds the 16-bit words of `length` bytes to a sum; an odd last byte counts as if a zero followed. [RFC 1071] */
export function addWords(sum: u32, at: u32, length: u32): u32 {
  for (; length >= 2; length -= 2, at += 2) sum += read16(at);
  return length == 0 ? sum : sum + ((<u32>load<u8>(at)) << 8);
}

/** The checksum that a sum of words makes. [RFC 1071] */
export function finishChecksum(sum: u32): u32 {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
