/**
 * Sets of feature bits, as masks in numbers: exact up to bit 52, where the bitwise operators of JavaScript stop at 31.
 * [virtio-1.2 §2.2]
 */

const WORD = 0x1_0000_0000;

/** Whether a set has any of the features in a mask. */
export function hasFeature(features: number, mask: number): boolean {
  // Nearly every question is about the first word, and many are asked for each request.
  if ((features & mask) !== 0) return true;
  return mask >= WORD && (Math.floor(features / WORD) & Math.floor(mask / WORD)) !== 0;
}

/** The features that are in both. */
export function intersection(left: number, right: number): number {
  return fromWords(left & right, Math.floor(left / WORD) & Math.floor(right / WORD));
}

/** The features of one set that are not in the other. */
export function without(features: number, others: number): number {
  return fromWords(features & ~others, Math.floor(features / WORD) & ~Math.floor(others / WORD));
}

/** The features that are in one of them, or in both. */
export function union(left: number, right: number): number {
  return fromWords(left | right, Math.floor(left / WORD) | Math.floor(right / WORD));
}

/** 32 bits of a set, as the registers show them: word 0 has features 0 to 31. */
export function wordOf(features: number, word: number): number {
  return Math.floor(features / WORD ** word) % WORD;
}

/** The set with 32 of its bits replaced. */
export function withWord(features: number, word: number, value: number): number {
  return features + (value - wordOf(features, word)) * WORD ** word;
}

function fromWords(low: number, high: number): number {
  return (low >>> 0) + (high >>> 0) * WORD;
}
