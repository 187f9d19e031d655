/** Contents for a disk: random, and different for every sector, so that a sector in the wrong place is noticed. */

import { SECTOR_BYTES } from "../../kernel-shim/javascript/index.js";

const WORD_BYTES = 4;
const WORDS_PER_SECTOR = SECTOR_BYTES / WORD_BYTES;
/** Spreads neighbouring sector numbers over all 32 bits: 2^32 divided by the golden ratio. */
const SPREAD = 0x9e37_79b9;

/** Fills whole sectors of `bytes` with what belongs to the disk from sector `first` on, the same for the same seed. */
export function fillSectors(bytes: Uint8Array, first: number, seed: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0, sector = first; offset < bytes.length; sector++) {
    // xorshift32 [Marsaglia 2003], which must not start at 0.
    let state = (Math.imul(sector + 1, SPREAD) ^ seed) | 1;
    for (let word = 0; word < WORDS_PER_SECTOR; word++, offset += WORD_BYTES) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      view.setInt32(offset, state, true);
    }
  }
}
