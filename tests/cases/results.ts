/** Compares results of the module's calls by name, so that a failure says what it means. */

import assert from "node:assert/strict";
import { resultName, type VirtioError } from "../../kernel-shim/javascript/index.js";

/** Checks a number that a call returned, or a completion carries. */
export function assertResult(actual: number, expected: number, message?: string): void {
  assert.equal(resultName(actual), resultName(expected), message);
}

/** Checks that a call of the binding's throws exactly this negative result. */
export function assertThrowsResult(call: () => unknown, expected: number, message?: string): void {
  assert.throws(
    call,
    (error: unknown) => {
      assert.equal((error as VirtioError).codeName, resultName(expected), message);
      return true;
    },
    message,
  );
}
