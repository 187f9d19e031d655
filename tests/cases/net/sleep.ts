/** Cards that are suspended and resumed, also when the machine has lost its PCI configuration meanwhile. */

import assert from "node:assert/strict";
import { Event, Result, type NetDevice } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { assertResets, assertResult, assertThrowsResult } from "../results.js";
import { overSleep } from "../sleeps.js";
import {
  assertSameFrame,
  frame,
  keep,
  receiveCopies,
  reclaim,
  send,
  takeSent,
  transmitFrame,
  transmitSome,
} from "./frames.js";

/** VIRTIO_NET_F_STATUS. */
const STATUS = 1n << 16n;

/** Frames in both directions pass. */
function assertWorks(context: CaseContext, card: NetDevice, seed: number): void {
  send(context, card, frame(100, seed));
  assertSameFrame(takeSent(context, 1)[0], frame(100, seed));
  context.card().deliver([frame(300, seed)]);
  assertSameFrame(receiveCopies(context, card, 1)[0], frame(300, seed));
  context.waitUntil(() => {
    card.reclaim();
    const { frames_transmitted, transmit_errors } = card.statistics();
    return frames_transmitted + transmit_errors > 0n;
  }, "completion of a frame");
}

export const sleep: readonly Case[] = [
  ...overSleep("a card without work works as before", { cards: [{}] }, (context, wait) => {
    const card = context.openCard();
    assertWorks(context, card, 1);
    const before = card.information();
    context.waitUntil(() => card.suspend() === 0, "a card of which nothing is out");
    wait();
    card.resume();
    assert.deepEqual(card.information(), before);
    assertWorks(context, card, 2);
    assert.equal(card.statistics().resets, 1n);
    const link = (before.features_accepted & STATUS) === 0n ? 0 : Event.LINK;
    assert.equal(card.events(), link, "that the link may have changed is all");
  }),
  ...overSleep(
    "frames in flight that are given up complete once with E_RESET",
    { cards: [{ queueSizeMin: 64 }] },
    (context, wait) => {
      const card = context.openCard();
      transmitSome(context, card, 20);
      assert.equal(card.suspend(true), 0);
      const first = card.reclaim(5);
      assert.equal(first.length, 5);
      wait();
      card.resume();
      assertResets(
        [...first, ...card.reclaim()],
        Array.from({ length: 20 }, (_, token) => token),
      );
      assert.deepEqual(card.reclaim(), []);
      assert.equal(card.statistics().transmit_errors, 20n);
      context.letTimePass();
      context.card().takeSent();
      assertWorks(context, card, 3);
    },
  ),
  {
    name: "a card with frames or buffers out goes on running unless they are given up",
    cards: [{ queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const kept = keep(context, card, 2);
      transmitSome(context, card, 4);
      assert.equal(card.suspend(), 6);
      for (const { result } of reclaim(context, card, 4)) assertResult(result, Result.OK);
      assert.equal(card.suspend(), 2);
      card.release(kept.map(({ buffer }) => buffer));
      assert.equal(card.suspend(), 0);
      card.resume();
      context.card().takeSent();
      assertWorks(context, card, 1);
    },
  },
  ...overSleep(
    "buffers in the caller's hands stay valid, and can be given back meanwhile and later",
    { cards: [{ queueSizeMin: 64 }] },
    (context, wait) => {
      const card = context.openCard();
      const { receive_buffers } = card.information();
      const kept = keep(context, card, 6);
      card.suspend(true);
      assert.equal(context.stack.exports.suspend(card.handle, 0), Result.OK);
      card.release(kept.slice(0, 2).map(({ buffer }) => buffer));
      wait();
      card.release(kept.slice(2, 4).map(({ buffer }) => buffer));
      card.resume();
      for (const [index, { pointer }] of kept.entries()) {
        if (index < 4) continue;
        assertSameFrame(context.machine.readBuffer(pointer, 100 + index), frame(100 + index, index));
      }
      card.release(kept.slice(4).map(({ buffer }) => buffer));
      // Every buffer is the device's again: as many frames come in as there are.
      for (let round = 0; round < receive_buffers; round += 16) {
        const frames = Array.from({ length: 16 }, (_, index) => frame(64, round + index));
        context.card().deliver(frames);
        const received = receiveCopies(context, card, 16);
        for (const [index, each] of received.entries()) assertSameFrame(each, frame(64, round + index));
      }
    },
  ),
  {
    name: "received frames that were not taken are lost, and counted",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      context.card().deliver([frame(60, 1), frame(61, 2), frame(62, 3)]);
      context.letTimePass(20);
      card.suspend(true);
      card.resume();
      const { receive_discarded, frames_received } = card.statistics();
      assert.equal(receive_discarded + frames_received, 3n);
      assertWorks(context, card, 4);
    },
  },
  {
    name: "no call touches a register of a card that is suspended",
    cards: [{ queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const { handle } = card;
      const { exports } = context.stack;
      const [kept] = keep(context, card, 1);
      assert.ok(kept);
      transmitSome(context, card, 3);
      card.suspend(true);
      context.assertTouchesNothing(() => {
        assertResult(exports.interrupt(handle), Result.OK);
        assertResult(exports.interrupt_vector(handle, 1), Result.OK);
        assertResult(exports.enable_interrupts(handle), Result.E_SUSPENDED);
        assertResult(exports.disable_interrupts(handle), Result.E_SUSPENDED);
        assertResult(exports.net_await_all(handle), Result.E_SUSPENDED);
        assertResult(exports.reset(handle), Result.E_SUSPENDED);
        assertThrowsResult(() => card.receive(), Result.E_SUSPENDED);
        assertThrowsResult(() => card.transmit([transmitFrame(kept.pointer, 60)]), Result.E_SUSPENDED);
        assertResets(card.reclaim(), [0, 1, 2]);
        assertThrowsResult(() => card.reclaim(), Result.E_SUSPENDED);
        card.release([kept.buffer]);
        assert.equal(card.suspend(), 0, "again");
        assert.equal(card.events(), 0);
      });
      card.resume();
      context.assertTouchesNothing(() => assertResult(exports.resume(handle), Result.OK, "again"));
      context.card().takeSent();
      assertWorks(context, card, 1);
    },
  },
  ...overSleep("interrupts that were enabled before are enabled after it", { cards: [{}] }, (context, wait) => {
    const card = context.openCard();
    card.enableInterrupts();
    card.suspend();
    wait();
    card.resume();
    context.card().deliver([frame(60, 1)]);
    context.takeInterrupt(card, 5_000);
    assertSameFrame(receiveCopies(context, card, 1)[0], frame(60, 1));
  }),
];
