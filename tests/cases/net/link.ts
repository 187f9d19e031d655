/** The cable: plugged in, pulled out, and told as an event. [virtio-1.2 §5.1.4.2, §5.1.5] */

import assert from "node:assert/strict";
import { Event, Interrupt, type NetDevice } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { ALL_OF_PLAIN_CARDS, VIRTIO_NET_F_STATUS } from "../features.js";
import { assertSameFrame, frame, receiveCopies, send, takeSent } from "./frames.js";

function hear(context: CaseContext, card: NetDevice): void {
  let pending = 0;
  context.waitUntil(() => {
    for (const served of context.stack.service(100)) if (served.device === card) pending |= served.pending;
    return (pending & Interrupt.CONFIGURATION) !== 0;
  }, "an interrupt of the configuration");
}

export const link: readonly Case[] = [
  {
    name: "a link that goes down and comes up again raises an event each time",
    cards: [{ offers: { status: true } }],
    run(context) {
      const card = context.openCard();
      for (const up of [false, true, false, true]) {
        context.card().setLink(up);
        hear(context, card);
        assert.equal(card.events(), Event.LINK);
        assert.equal(card.events(), 0);
        assert.equal(card.information().link_up, up ? 1 : 0);
      }
    },
  },
  {
    name: "a kernel that only polls hears of it by asking now and then",
    cards: [{ offers: { status: true } }],
    run(context) {
      const card = context.openCard();
      assert.equal(context.pendingInterrupt(card), 0);
      context.card().setLink(false);
      context.waitUntil(
        () => (context.pendingInterrupt(card) & Interrupt.CONFIGURATION) !== 0,
        "the configuration's bit",
      );
      assert.equal(card.events(), Event.LINK);
      context.card().setLink(true);
    },
  },
  {
    name: "frames pass again after the link was down",
    cards: [{ offers: { status: true } }],
    run(context) {
      const card = context.openCard();
      context.card().setLink(false);
      hear(context, card);
      context.card().setLink(true);
      hear(context, card);
      send(context, card, frame(100, 1));
      assertSameFrame(takeSent(context, 1)[0], frame(100, 1));
      context.card().deliver([frame(200, 2)]);
      assertSameFrame(receiveCopies(context, card, 1)[0], frame(200, 2));
    },
  },
  {
    name: "a link that is down when the card is opened",
    cards: [{ offers: { status: true } }],
    run(context) {
      context.card().setLink(false);
      const card = context.openCard();
      assert.equal(card.information().link_up, 0);
      context.card().setLink(true);
      hear(context, card);
      assert.equal(card.events(), Event.LINK);
      assert.equal(card.information().link_up, 1);
    },
  },
  {
    name: "a reset reads the link anew",
    cards: [{ offers: { status: true } }],
    run(context) {
      const card = context.openCard();
      context.card().setLink(false);
      card.reset();
      assert.equal(card.information().link_up, 0);
      context.card().setLink(true);
    },
  },
  {
    name: "without STATUS the link is always up, and there are no events",
    cards: [{ offers: { status: true } }],
    run(context) {
      const card = context.openCard(0, { features: ALL_OF_PLAIN_CARDS & ~VIRTIO_NET_F_STATUS });
      context.card().setLink(false);
      context.letTimePass();
      context.pendingInterrupt(card);
      assert.equal(card.events(), 0);
      assert.equal(card.information().link_up, 1);
      context.card().setLink(true);
      context.letTimePass();
      context.pendingInterrupt(card);
    },
  },
];
