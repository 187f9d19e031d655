/** Sets of feature bits are exact from the lowest to the highest. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  featureSet,
  hasFeature,
  intersection,
  isEmpty,
  NO_FEATURES,
  numberOf,
  union,
  without,
  wordOf,
  withWord,
} from "../../../kernel-shim/emulated-pc/virtio/feature-sets.js";

const LOWEST = 2 ** 0;
const LAST_OF_FIRST = 2 ** 31;
const FIRST_OF_SECOND = 2 ** 32;
const HIGHEST = 2 ** 63;
const ends = [LOWEST, LAST_OF_FIRST, FIRST_OF_SECOND, HIGHEST];

describe("a set of features", () => {
  const all = ends.map(featureSet).reduce(union);

  it("has those that it was made of, and no others", () => {
    for (const feature of ends) assert.ok(hasFeature(all, feature));
    for (const feature of [2 ** 1, 2 ** 30, 2 ** 33, 2 ** 62]) assert.equal(hasFeature(all, feature), false);
    for (const feature of ends) assert.equal(hasFeature(NO_FEATURES, feature), false);
  });

  it("loses one and keeps the others", () => {
    for (const feature of ends) {
      const rest = without(all, featureSet(feature));
      assert.deepEqual(
        ends.filter((each) => hasFeature(rest, each)),
        ends.filter((each) => each !== feature),
      );
      assert.deepEqual(intersection(all, featureSet(feature)), featureSet(feature));
      assert.equal(isEmpty(intersection(rest, featureSet(feature))), true);
    }
    assert.equal(isEmpty(without(all, all)), true);
  });

  it("is read and written in words", () => {
    assert.equal(wordOf(all, 0), 0x8000_0001);
    assert.equal(wordOf(all, 1), 0x8000_0001);
    assert.equal(wordOf(all, 2), 0);
    assert.deepEqual(withWord(withWord(NO_FEATURES, 0, 0x8000_0001), 1, 0x8000_0001), all);
  });

  it("is a number where that is exact", () => {
    assert.equal(numberOf(union(featureSet(LOWEST), featureSet(2 ** 40))), 2 ** 40 + 1);
  });
});
