/**
 * Sets of feature bits, in two words, since numbers are exact up to bit 52 only and the bitwise operators of JavaScript stop
 * at 31. A mask, such as a feature, is a number: it is exact, too, as long as its bits are within 32 of each other.
 * [virtio-1.2 §2.2]
 */

const WORD = 0x1_0000_0000;

/** Features 0 to 31, and 32 to 63, each an unsigned number. */
export interface FeatureSet {
  readonly low: number;
  readonly high: number;
}

export const NO_FEATURES: FeatureSet = { low: 0, high: 0 };

/** The set of the features in a mask. */
export function featureSet(mask: number): FeatureSet {
  return fromWords(mask % WORD, Math.floor(mask / WORD));
}

/** The set as a number, which above bit 52 need not be exact: for messages, and for tests of features below. */
export function numberOf({ low, high }: FeatureSet): number {
  return low + high * WORD;
}

/** Whether a set has any of the features in a mask. */
export function hasFeature(features: FeatureSet, mask: number): boolean {
  // Nearly every question is about the first word, and many are asked for each request.
  if ((features.low & mask) !== 0) return true;
  return mask >= WORD && (features.high & Math.floor(mask / WORD)) !== 0;
}

export function isEmpty({ low, high }: FeatureSet): boolean {
  return low === 0 && high === 0;
}

/** The features that are in both. */
export function intersection(left: FeatureSet, right: FeatureSet): FeatureSet {
  return fromWords(left.low & right.low, left.high & right.high);
}

/** The features of one set that are not in the other. */
export function without(features: FeatureSet, others: FeatureSet): FeatureSet {
  return fromWords(features.low & ~others.low, features.high & ~others.high);
}

/** The features that are in one of them, or in both. */
export function union(left: FeatureSet, right: FeatureSet): FeatureSet {
  return fromWords(left.low | right.low, left.high | right.high);
}

/** 32 bits of a set, as the registers show them: word 0 has features 0 to 31. */
export function wordOf(features: FeatureSet, word: number): number {
  if (word > 1) return 0;
  return word === 0 ? features.low : features.high;
}

/** The set with 32 of its bits replaced. */
export function withWord({ low, high }: FeatureSet, word: number, value: number): FeatureSet {
  return word === 0 ? fromWords(value, high) : fromWords(low, value);
}

function fromWords(low: number, high: number): FeatureSet {
  return { low: low >>> 0, high: high >>> 0 };
}
