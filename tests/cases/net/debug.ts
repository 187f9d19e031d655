/** Single frames past everything that is under way. */

import assert from "node:assert/strict";
import { Event, Result, type NetDevice } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { assertThrowsResult } from "../results.js";
import { overSleep } from "../sleeps.js";
import { assertSameFrame, frame, receiveCopies, send, takeSent } from "./frames.js";

/** Microseconds that suffice on every machine. */
const LONG = 2_000_000;
const LARGEST = 1518;

function receiveDebug(card: NetDevice): Uint8Array | undefined {
  return card.debugReceive(LONG) ?? undefined;
}

function deliver(context: CaseContext, seed: number): Uint8Array {
  const made = frame(60 + seed, seed);
  context.card().deliver([made]);
  return made;
}

export const debug: readonly Case[] = [
  {
    name: "debug I/O sends and receives single frames of every size",
    cards: [{}],
    run(context) {
      const card = context.openCard(0, { debug: 1 });
      for (const [index, bytes] of [14, 60, 61, 62, 63, 1514, LARGEST].entries()) {
        const made = frame(bytes, index);
        card.debugTransmit(made, LONG);
        assertSameFrame(takeSent(context, 1)[0], made);
      }
      for (const bytes of [60, 61, 1514]) {
        const made = frame(bytes, bytes);
        context.card().deliver([made]);
        assertSameFrame(receiveDebug(card), made);
      }
      assert.equal(card.debugReceive(1000), null);
      for (const bytes of [0, 13, LARGEST + 1]) {
        assertThrowsResult(() => card.debugTransmit(new Uint8Array(bytes), LONG), Result.E_FRAME_SIZE);
      }
    },
  },
  {
    name: "debug I/O goes on for longer than its rings",
    cards: [{}],
    run(context) {
      const card = context.openCard(0, { debug: 1 });
      for (let round = 0; round < 300; round++) {
        const made = frame(100, round);
        card.debugTransmit(made, LONG);
        assertSameFrame(takeSent(context, 1)[0], made);
        const sent = deliver(context, round);
        assertSameFrame(receiveDebug(card), sent);
      }
    },
  },
  {
    name: "debug I/O takes the card from its owner, who has it back, and all completions, after a reset",
    cards: [{}],
    run(context) {
      const card = context.openCard(0, { debug: 1 });
      const { features_accepted } = card.information();
      send(context, card, frame(200, 1));
      takeSent(context, 1);
      card.debugTransmit(frame(60, 2), LONG);
      assertSameFrame(takeSent(context, 1)[0], frame(60, 2));
      assert.ok(card.events() & Event.BROKEN);
      assertThrowsResult(() => card.receive(), Result.E_BROKEN);
      card.reset();
      assert.equal(card.information().features_accepted, features_accepted);
      send(context, card, frame(1000, 3));
      assertSameFrame(takeSent(context, 1)[0], frame(1000, 3));
      const sent = deliver(context, 4);
      assertSameFrame(receiveCopies(context, card, 1)[0], sent);
      // And again.
      card.debugTransmit(frame(60, 5), LONG);
      assertSameFrame(takeSent(context, 1)[0], frame(60, 5));
      const second = deliver(context, 6);
      assertSameFrame(receiveDebug(card), second);
      card.reset();
    },
  },
  {
    name: "debug I/O is refused where nothing was put aside for it, and on a card that sleeps",
    cards: [{}, {}],
    run(context) {
      const without = context.openCard(0);
      assertThrowsResult(() => without.debugTransmit(frame(60, 1), LONG), Result.E_UNSUPPORTED);
      assertThrowsResult(() => without.debugReceive(0), Result.E_UNSUPPORTED);
      send(context, without, frame(200, 1));
      const card = context.openCard(1, { debug: 1 });
      card.suspend();
      assertThrowsResult(() => card.debugTransmit(frame(60, 1), LONG), Result.E_SUSPENDED);
      card.resume();
      card.debugTransmit(frame(60, 1), LONG);
    },
  },
  ...overSleep("debug I/O is there again", { cards: [{}] }, (context, sleep) => {
    const card = context.openCard(0, { debug: 1 });
    card.debugTransmit(frame(60, 1), LONG);
    assertSameFrame(takeSent(context, 1)[0], frame(60, 1));
    card.suspend();
    sleep();
    card.resume();
    send(context, card, frame(60, 2));
    assertSameFrame(takeSent(context, 1)[0], frame(60, 2));
    card.debugTransmit(frame(60, 3), LONG);
    assertSameFrame(takeSent(context, 1)[0], frame(60, 3));
    const sent = deliver(context, 4);
    assertSameFrame(receiveDebug(card), sent);
    card.reset();
  }),
];
