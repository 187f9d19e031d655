/** The Internet checksum of IPv4, ICMP and UDP [RFC 1071]. */

/**
 * The one's complement of the one's complement sum of the big-endian 16-bit words of all `parts` in sequence.
 * A part of odd length is taken as if a zero byte followed it, so only the last may be odd where parts continue each
 * other. Over data that already holds its right checksum the result is 0.
 */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
    const evenLength = part.byteLength & ~1;
    for (let offset = 0; offset < evenLength; offset += 2) sum += view.getUint16(offset);
    if (evenLength < part.byteLength) sum += view.getUint8(evenLength) << 8;
  }
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum ^ 0xffff;
}
