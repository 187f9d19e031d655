/** What the tests of silent disks and silent cards have in common: silencing a device, and waiting out its time. */

import assert from "node:assert/strict";
import { Event, Message, Result, type Completion, type Device } from "../../../kernel-shim/javascript/index.js";
import type { CaseContext } from "../../cases/context.js";
import { assertResets, assertThrowsResult } from "../../cases/results.js";
import type { MovableClock } from "./movable-clock.js";

/** Longer than any device that works needs, however busy the computer is. Nobody waits for it: clocks are moved on. */
export const TIMEOUT_NANOSECONDS = 600_000_000_000n;
const TICK_NANOSECONDS = TIMEOUT_NANOSECONDS / 10n;

/** Lets QEMU find what was done to it, and checks its words. */
export function expectWords(context: CaseContext, words: RegExp): void {
  let complaints: string[] = [];
  context.waitUntil(() => {
    complaints = context.takeComplaints();
    return complaints.length > 0;
  }, "QEMU's noticing of what was done to its device");
  assert.equal(complaints.length, 1, complaints.join("\n"));
  assert.match(complaints[0] ?? "", words);
}

/**
 * Polls while the clock moves on, until the device counts as broken; no completion may come. Checks that this is no
 * sooner than the time-out after the first poll and no later than twice that, and that the stack says why.
 */
export function waitOutTime(
  context: CaseContext,
  clock: MovableClock,
  device: Device,
  queue: number,
  poll: () => readonly Completion[],
): void {
  assert.deepEqual(poll(), []);
  let ticks = 0;
  context.expectedLog.push({ message: Message.TIMED_OUT, first: device.handle, second: queue });
  assertThrowsResult(() => {
    for (; ticks <= 20; ticks++) {
      clock.moveOn(TICK_NANOSECONDS);
      assert.deepEqual(poll(), []);
    }
  }, Result.E_BROKEN);
  assert.ok(ticks >= 9, `broken after ${ticks + 1} tenths of the time-out`);
  assertThrowsResult(poll, Result.E_BROKEN);
  assert.equal(device.events() & Event.BROKEN, Event.BROKEN);
}

/** What a reset left comes back at once, as E_RESET, each exactly once. */
export function takeResets(poll: () => readonly Completion[], tokens: readonly number[]): void {
  assertResets(poll(), tokens);
  assert.deepEqual(poll(), []);
}
