/** Opening, resetting, closing, and what becomes of frames and buffers meanwhile. [virtio-1.2 §3.1, §3.3] */

import assert from "node:assert/strict";
import { Event, NetInformationLayout, Result, type NetDevice } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { assertResets, assertResult, assertThrowsResult } from "../results.js";
import {
  assertRefused,
  assertSameFrame,
  frame,
  keep,
  PAGE_BYTES,
  receiveCopies,
  reclaim,
  send,
  takeSent,
  transmitFrame,
  transmitSome,
  smallestBufferBytes,
} from "./frames.js";

const REOPENINGS = 300;
/** Enough for private memory to run out if any of it stayed behind. */
const REOPENINGS_MIN = 40;

/** Frames in both directions pass. */
function assertWorks(context: CaseContext, card: NetDevice, seed: number): void {
  const { frames_transmitted } = card.statistics();
  send(context, card, frame(100, seed));
  context.waitUntil(() => {
    card.reclaim();
    return card.statistics().frames_transmitted > frames_transmitted;
  }, "completion of a frame");
  context.waitUntil(() => {
    const sent = context.card().takeSent();
    if (sent.length > 0) assertSameFrame(sent.at(-1), frame(100, seed));
    return sent.length > 0;
  }, "arrival of a frame");
  context.card().deliver([frame(300, seed)]);
  assertSameFrame(receiveCopies(context, card, 1)[0], frame(300, seed));
}

/** What is out after a reset comes back as E_RESET, each once. */
function takeResets(card: NetDevice, count: number): void {
  assertResets(
    card.reclaim(),
    Array.from({ length: count }, (_, token) => token),
  );
}

function assertStale(context: CaseContext, handle: number): void {
  const { exports, privateMemory } = context.stack;
  const record = privateMemory.take(NetInformationLayout.size);
  assertResult(exports.net_information(handle, record), Result.E_HANDLE);
  assertResult(exports.net_statistics(handle, record), Result.E_HANDLE);
  assertResult(exports.net_transmit(handle, record, 0), Result.E_HANDLE);
  assertResult(exports.net_reclaim(handle, record, 1), Result.E_HANDLE);
  assertResult(exports.net_receive(handle, record, 1), Result.E_HANDLE);
  assertResult(exports.net_release(handle, record, 1), Result.E_HANDLE);
  assertResult(exports.interrupt(handle), Result.E_HANDLE);
  assertResult(exports.events(handle), Result.E_HANDLE);
  assertResult(exports.enable_interrupts(handle), Result.E_HANDLE);
  assertResult(exports.disable_interrupts(handle), Result.E_HANDLE);
  assertResult(exports.reset(handle), Result.E_HANDLE);
  assertResult(exports.close(handle), Result.E_HANDLE);
  privateMemory.give(record, NetInformationLayout.size);
}

export const lifetime: readonly Case[] = [
  {
    name: "reset with nothing in flight: everything works as before, counters stay",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      assertWorks(context, card, 1);
      const before = card.information();
      card.reset();
      assert.deepEqual(card.information(), before);
      assertWorks(context, card, 2);
      assert.equal(card.statistics().resets, 1n);
      assert.equal(card.statistics().frames_received, 2n);
      assert.equal(card.events() & ~Event.LINK, 0, "that the link may have changed is all");
    },
  },
  {
    name: "reset with frames in flight: each completes once with E_RESET, nothing is accepted until then",
    cards: [{ queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      for (let round = 0; round < 3; round++) {
        transmitSome(context, card, 20);
        card.reset();
        const pointer = context.allocate(PAGE_BYTES);
        assertRefused(card, transmitFrame(pointer, 100), Result.E_FULL);
        assert.equal(card.reclaim(5).length, 5);
        assertRefused(card, transmitFrame(pointer, 100), Result.E_FULL);
        assert.equal(card.reclaim().length, 15);
        assert.deepEqual(card.reclaim(), []);
        card.events();
        context.letTimePass();
        context.card().takeSent();
        assertWorks(context, card, round);
      }
      assert.equal(card.statistics().transmit_errors, 60n);
    },
  },
  {
    name: "reset with buffers in the caller's hands: they stay valid, and are posted when they come back",
    cards: [{ queueSizeMin: 32 }],
    run(context) {
      const card = context.openCard(0, { receive_buffers: 6 });
      const kept = keep(context, card, 4);
      card.reset();
      kept.forEach(({ pointer }, index) => {
        assertSameFrame(context.machine.readBuffer(pointer, 100 + index), frame(100 + index, index));
      });
      // The two others carry on alone meanwhile.
      for (let round = 0; round < 10; round++) assertWorks(context, card, round);
      kept.forEach(({ pointer }, index) => {
        assertSameFrame(context.machine.readBuffer(pointer, 100 + index), frame(100 + index, index));
      });
      assert.equal(card.release(kept.map(({ buffer }) => buffer)), 4);
      const again = keep(context, card, 6);
      assert.equal(card.release(again.map(({ buffer }) => buffer)), 6);
    },
  },
  {
    name: "frames that were received and not taken are gone after a reset, their buffers are not",
    cards: [{ queueSizeMin: 32 }],
    run(context) {
      const card = context.openCard(0, { receive_buffers: 4 });
      for (let round = 0; round < 5; round++) {
        context.card().deliver([frame(100, 1), frame(100, 2)]);
        context.letTimePass();
        card.reset();
        context.letTimePass();
        card.receiveFrames();
        const kept = keep(context, card, 4);
        assert.equal(card.release(kept.map(({ buffer }) => buffer)), 4);
      }
    },
  },
  {
    name: "reset in the middle of a frame over several buffers",
    cards: [{ queueSizeMin: 256, offers: { mergeable: true } }],
    run(context) {
      const card = context.openCard(0, { receive_buffer_bytes: smallestBufferBytes(context) });
      const { exports, privateMemory } = context.stack;
      const record = privateMemory.take(64);
      context.card().deliver([frame(1000, 1)]);
      context.waitUntil(() => exports.net_receive(card.handle, record, 1) !== 0, "arrival of a frame too large");
      privateMemory.give(record, 64);
      card.reset();
      assertWorks(context, card, 2);
    },
  },
  {
    name: "interrupts that were enabled before a reset are enabled after it",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      card.enableInterrupts();
      card.reset();
      context.card().deliver([frame(100, 1)]);
      context.takeInterrupt(card, 5_000);
      assertSameFrame(receiveCopies(context, card, 1)[0], frame(100, 1));
    },
  },
  {
    name: "close with frames in flight: each completes once with E_RESET, then the handle is gone",
    cards: [{ queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const { handle } = card;
      transmitSome(context, card, 9);
      assert.equal(card.close(), 9);
      assertResult(context.stack.exports.net_transmit(handle, 64, 0), Result.E_HANDLE);
      assertResult(context.stack.exports.net_receive(handle, 64, 0), Result.E_HANDLE);
      assertThrowsResult(() => context.openCard(), Result.E_IN_USE);
      takeResets(card, 9);
      assertStale(context, handle);
      assert.equal(context.lentPages, 0);
      context.letTimePass();
      context.card().takeSent();
      assertWorks(context, context.openCard(), 3);
    },
  },
  {
    name: "close with buffers in the caller's hands: they are valid until they are given back, the handle too",
    cards: [{ queueSizeMin: 32 }],
    run(context) {
      const card = context.openCard(0, { receive_buffers: 8 });
      const { handle } = card;
      const kept = keep(context, card, 5);
      assert.equal(card.close(), 5);
      assert.ok(context.lentPages > 0, "the buffers' pages are still lent");
      kept.forEach(({ pointer }, index) => {
        assertSameFrame(context.machine.readBuffer(pointer, 100 + index), frame(100 + index, index));
      });
      const buffers = kept.map(({ buffer }) => buffer);
      assert.equal(card.release(buffers.slice(0, 2)), 2);
      assertThrowsResult(() => card.release(buffers.slice(0, 1)), Result.E_BUFFER);
      assert.ok(context.lentPages > 0);
      assert.equal(card.release(buffers.slice(2)), 3);
      assert.equal(context.lentPages, 0);
      assertStale(context, handle);
      assertWorks(context, context.openCard(), 3);
    },
  },
  {
    name: "close with both: the handle goes with the last of them, in either order",
    cards: [{ queueSizeMin: 64 }],
    run(context) {
      for (const isReleasedFirst of [true, false]) {
        const card = context.openCard();
        const { handle } = card;
        const kept = keep(context, card, 2).map(({ buffer }) => buffer);
        transmitSome(context, card, 3);
        assert.equal(card.close(), 5);
        if (isReleasedFirst) card.release(kept);
        takeResets(card, 3);
        if (!isReleasedFirst) card.release(kept);
        assertStale(context, handle);
        assert.equal(context.lentPages, 0);
        context.letTimePass();
        context.card().takeSent();
      }
    },
  },
  {
    name: "a card that is open cannot be opened again: E_IN_USE, and it goes on undisturbed",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      assertThrowsResult(() => context.openCard(), Result.E_IN_USE);
      assertWorks(context, card, 1);
    },
  },
  {
    name: "a closed card's handle is stale, also when the next one is open",
    cards: [{}],
    run(context) {
      const { handle } = context.openCard();
      for (const device of context.stack.openDevices()) device.close();
      assertStale(context, handle);
      const next = context.openCard();
      assertStale(context, handle);
      for (const wrong of [0, 1, next.handle + 256, 0xffff_ffff]) assertStale(context, wrong);
      assertWorks(context, next, 1);
    },
  },
  {
    name: "calls of the other kind: E_HANDLE",
    cards: [{}],
    run(context) {
      const { handle } = context.openCard();
      const { exports } = context.stack;
      assertResult(exports.block_information(handle, 64), Result.E_HANDLE);
      assertResult(exports.block_statistics(handle, 64), Result.E_HANDLE);
      assertResult(exports.block_submit(handle, 64, 0), Result.E_HANDLE);
      assertResult(exports.block_poll(handle, 64, 0), Result.E_HANDLE);
    },
  },
  {
    name: `opened and closed ${REOPENINGS} times in private memory for one: nothing leaks`,
    cards: [{ queueSizeMin: 16 }],
    run(context) {
      const rounds = Math.max(REOPENINGS_MIN, context.repetitions(REOPENINGS));
      for (let round = 0; round < rounds; round++) {
        const card = context.openCard(0, { receive_buffers: 4 });
        assert.ok(context.lentPages > 0);
        if (round % 4 === 0) assertWorks(context, card, round);
        if (round % 4 === 1) {
          transmitSome(context, card, 2);
          reclaim(context, card, 2);
          takeSent(context, 2);
        }
        if (round % 4 === 2) card.reset();
        if (round % 4 === 3) {
          const kept = keep(context, card, 2).map(({ buffer }) => buffer);
          card.close();
          card.release(kept);
        } else {
          card.close();
        }
        for (const device of context.stack.openDevices()) device.close();
        if (!card.isGone) card.reclaim();
        assert.equal(context.lentPages, 0, `after closing ${round + 1} times`);
      }
    },
  },
];
