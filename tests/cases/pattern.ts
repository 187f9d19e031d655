/** What disks and frames hold in the cases: bytes that tell every place and every version from every other. */

const SECTOR_BYTES = 512;
const WORDS_PER_SECTOR = SECTOR_BYTES / 4;
/** 2^32 divided by the golden ratio: neighbours differ in most of their bits. */
const SPREAD = 0x9e37_79b1;

function fillWords(words: Uint32Array, seed: number): void {
  let value = Math.imul(seed + 1, SPREAD);
  for (let index = 0; index < words.length; index++) {
    words[index] = value;
    value = (value + SPREAD) >>> 0;
  }
}

/** `bytes` bytes that belong to `seed`. */
export function pattern(seed: number, bytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  fillWords(words, seed);
  return new Uint8Array(words.buffer, 0, bytes);
}

function makeSectors(first: number, count: number): Uint8Array {
  const words = new Uint32Array(count * WORDS_PER_SECTOR);
  for (let sector = 0; sector < count; sector++) {
    fillWords(words.subarray(sector * WORDS_PER_SECTOR, (sector + 1) * WORDS_PER_SECTOR), first + sector);
  }
  return new Uint8Array(words.buffer);
}

/** As many sectors as most disks of the cases have, made once for all of them. */
const commonSectors = makeSectors(0, 2048);

/** What the sectors of a disk hold before a case begins. */
export function initialSectors(first: number, count: number): Uint8Array {
  const bytes = commonSectors.slice(first * SECTOR_BYTES, (first + count) * SECTOR_BYTES);
  return bytes.length === count * SECTOR_BYTES ? bytes : makeSectors(first, count);
}
