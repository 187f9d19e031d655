/** Comparing bytes: at every alignment, length and place of a difference. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { firstDifference, toHex } from "../../../kernel-shim/emulated-pc/bytes.js";

it("the first byte that differs is found at every alignment, length and place", () => {
  for (let leftStart = 0; leftStart < 9; leftStart++) {
    for (let rightStart = 0; rightStart < 9; rightStart++) {
      for (let length = 0; length < 30; length++) {
        const left = new Uint8Array(64).subarray(leftStart, leftStart + length);
        const right = new Uint8Array(64).fill(9).subarray(rightStart, rightStart + length);
        right.fill(0);
        assert.equal(firstDifference(left, right), -1);
        for (let place = 0; place < length; place++) {
          right[place] = 1;
          right[length - 1] = 1;
          assert.equal(firstDifference(left, right), place);
          right.fill(0);
        }
        assert.equal(firstDifference(left.subarray(0, length - 1), right), length === 0 ? -1 : length - 1);
      }
    }
  }
});

it("bytes have two digits each", () => {
  assert.equal(toHex(Uint8Array.of(0, 1, 0x7f, 0xff)), "00017fff");
});
