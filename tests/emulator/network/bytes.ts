/** Bytes written down in tests. */

/** The bytes of hexadecimal digits; spaces between them are for the eye. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
}

/** A copy of `bytes` in which the byte at `offset` has another value. */
export function withByte(bytes: Uint8Array, offset: number, value: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[offset] = value;
  return copy;
}

/** A copy of `bytes` in which one bit of the byte at `offset` is the other way round. */
export function withFlippedBit(bytes: Uint8Array, offset: number, bit = 0): Uint8Array {
  return withByte(bytes, offset, (bytes[offset] ?? 0) ^ (1 << bit));
}
