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

/** How a time-out ends, in the answers of the calls, the event and the log. */
interface Ending {
  readonly result: number;
  readonly event: number;
  readonly log: { readonly message: number; readonly second: number };
}

/** A device that is there, and does not answer. */
function silent(queue: number): Ending {
  return { result: Result.E_BROKEN, event: Event.BROKEN, log: { message: Message.TIMED_OUT, second: queue } };
}

/** A device that is not there any more. */
export function removed(pciAddress: number): Ending {
  return { result: Result.E_GONE, event: Event.GONE, log: { message: Message.DEVICE_GONE, second: pciAddress } };
}

/**
 * Polls while the clock moves on, until the device counts as broken, or as gone; no completion may come. Checks that this
 * is no sooner than the time-out after the first poll and no later than twice that, and that the stack says why.
 */
export function waitOutTime(
  context: CaseContext,
  clock: MovableClock,
  device: Device,
  queue: number,
  poll: () => readonly Completion[],
  { result, event, log }: Ending = silent(queue),
): void {
  assert.deepEqual(poll(), []);
  let ticks = 0;
  context.expectedLog.push({ ...log, first: device.handle });
  assertThrowsResult(() => {
    for (; ticks <= 20; ticks++) {
      clock.moveOn(TICK_NANOSECONDS);
      assert.deepEqual(poll(), []);
    }
  }, result);
  assert.ok(ticks >= 9, `over after ${ticks + 1} tenths of the time-out`);
  assertThrowsResult(poll, result);
  assert.equal(device.events() & event, event);
}

/** What a reset left comes back at once, as E_RESET, each exactly once. */
export function takeResets(poll: () => readonly Completion[], tokens: readonly number[]): void {
  assertResets(poll(), tokens);
  assert.deepEqual(poll(), []);
}
