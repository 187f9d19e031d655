/** Compares results of the module's calls by name, so that a failure says what it means. */

import assert from "node:assert/strict";
import { Result, resultName, type Completion, type VirtioError } from "../../kernel-shim/javascript/index.js";

/** Checks a number that a call returned, or a completion carries. */
export function assertResult(actual: number, expected: number, message?: string): void {
  assert.equal(resultName(actual), resultName(expected), message);
}

/** Checks that these requests or frames came back as E_RESET, each exactly once, and no others. */
export function assertResets(completions: readonly Completion[], tokens: readonly number[]): void {
  assert.deepEqual(
    completions.map(({ token }) => token).sort((left, right) => left - right),
    [...tokens].sort((left, right) => left - right),
  );
  for (const { result, length } of completions) {
    assertResult(result, Result.E_RESET);
    assert.equal(length, 0);
  }
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
