/**
 * The log that QEMU's `blklogwrites` driver keeps of an image, and what a power failure would have left of the image:
 * nothing that was written behind the last flush. [Linux, Documentation/admin-guide/device-mapper/log-writes.rst]
 *
 * The first sector says how many entries there were at that flush. An entry is one sector with where and how much was
 * written, and the data behind it. All numbers are 64 bits, little-endian.
 */

const SECTOR_BYTES = 512;
const MAGIC = 0x6a736677736872n;
const ENTRIES_AT = 16;
/** In the flags of an entry: data was discarded, none follows. */
const DISCARD = 4n;

/**
 * The image as it was at the last flush.
 *
 * @param log the log, whose sectors have 512 bytes
 * @param initial what the image held when the log began
 */
export function imageAfterPowerFailure(log: Buffer, initial: Uint8Array): Uint8Array {
  const image = initial.slice();
  if (isUnwritten(log)) return image;
  if (log.readBigUInt64LE(0) !== MAGIC) throw new Error("This is no log of writes");
  const entries = log.readBigUInt64LE(ENTRIES_AT);
  let at = SECTOR_BYTES;
  for (let entry = 0n; entry < entries; entry++) {
    const sector = Number(log.readBigUInt64LE(at));
    const bytes = Number(log.readBigUInt64LE(at + 8)) * SECTOR_BYTES;
    const isDiscard = (log.readBigUInt64LE(at + 16) & DISCARD) !== 0n;
    at += SECTOR_BYTES;
    if (isDiscard) continue;
    image.set(log.subarray(at, at + bytes), sector * SECTOR_BYTES);
    at += bytes;
  }
  return image;
}

/** Before the first flush there is no first sector, or nothing in it. */
function isUnwritten(log: Buffer): boolean {
  return log.subarray(0, SECTOR_BYTES).every((byte) => byte === 0);
}
