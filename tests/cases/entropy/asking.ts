/** What the cases of entropy devices have in common: buffers that show what was written, and requests for them. */

import assert from "node:assert/strict";
import {
  Result,
  type Completion,
  type EntropyDevice,
  type EntropyRequest,
} from "../../../kernel-shim/javascript/index.js";
import type { CaseContext } from "../context.js";
import { assertResult } from "../results.js";

/** What is in buffers before. */
export const FILL = 0xee;
/** So many random bytes are not all `FILL`, nor all the same. */
export const ENOUGH = 32;

/** A buffer of bytes that are not random. */
export function filled(context: CaseContext, bytes: number): number {
  const pointer = context.allocate(bytes);
  context.machine.writeBuffer(pointer, new Uint8Array(bytes).fill(FILL));
  return pointer;
}

/** Requests of `length` bytes each, one behind the other from `pointer` on, with tokens from 0 on. */
export function requestsAt(pointer: number, count: number, length: number): EntropyRequest[] {
  return Array.from({ length: count }, (_, token) => ({ token, pointer: pointer + token * length, length }));
}

/** Asks for all of them, which must be accepted. */
export function askAll(device: EntropyDevice, requests: readonly EntropyRequest[]): void {
  const { accepted, refusal } = device.request(requests);
  assertResult(refusal, Result.OK, `request ${accepted} of ${requests.length} was refused`);
  assert.equal(accepted, requests.length);
}

/** Takes exactly `count` completions, by polling. */
export function takeCompletions(context: CaseContext, device: EntropyDevice, count: number): Completion[] {
  const taken: Completion[] = [];
  context.waitUntil(() => {
    taken.push(...device.poll());
    return taken.length >= count;
  }, `completion of ${count} requests`);
  assert.equal(taken.length, count, "more completions than requests");
  return taken;
}

/** Whether these bytes can be random. */
export function assertRandom(bytes: Uint8Array): void {
  if (bytes.length >= ENOUGH) assert.ok(new Set(bytes).size > 1, "not all the same");
}
