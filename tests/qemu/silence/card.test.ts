/**
 * Network cards of QEMU's that go silent: frames that are sent time out, `reset` brings the card back, and frames pass
 * both ways again. [virtio-1.2 §2.1.1, §2.1.2]
 */

import assert from "node:assert/strict";
import {
  Event,
  Message,
  ReceiveMode,
  Result,
  TransportWanted,
  type NetDevice,
} from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../../cases/context.js";
import {
  assertSameFrame,
  frame,
  putFrame,
  receiveCopies,
  send,
  takeSent,
  transmitAll,
  transmitFrame,
} from "../../cases/net/frames.js";
import { assertResult, assertThrowsResult } from "../../cases/results.js";
import { runCases } from "../../cases/run.js";
import { QemuGround } from "../ground.js";
import { MovableClock } from "./movable-clock.js";
import { SharedRing } from "./shared-ring.js";
import { expectWords, takeResets, TIMEOUT_NANOSECONDS, waitOutTime } from "./silent-device.js";
import { receiveWays, transmitWays, type Way } from "./ways.js";

const RECEIVE_QUEUE = 0;
const TRANSMIT_QUEUE = 1;
const CONTROL_QUEUE = 2;
/** What a card has at least to answer a command. */
const ANSWER_NANOSECONDS = 1_000_000_000n;
/** Sizes of the frames that are sent and delivered while the card works, for the counters. */
const SENT_BYTES = 100;
const DELIVERED_BYTES = 300;

const clock = new MovableClock();

function open(context: CaseContext): NetDevice {
  return context.openCard(0, { timeout_ns: TIMEOUT_NANOSECONDS });
}

/** Frames pass in both directions, and these alone. */
function assertWorks(context: CaseContext, card: NetDevice, seed: number): void {
  const { frames_transmitted } = card.statistics();
  send(context, card, frame(SENT_BYTES, seed));
  const [sent] = takeSent(context, 1);
  assertSameFrame(sent, frame(SENT_BYTES, seed), "frame that was sent");
  context.card().deliver([frame(DELIVERED_BYTES, seed)]);
  assertSameFrame(receiveCopies(context, card, 1)[0], frame(DELIVERED_BYTES, seed), "frame that was delivered");
  // The frame's place is the binding's again once its completion was taken.
  context.waitUntil(() => {
    card.reclaim();
    return card.statistics().frames_transmitted > frames_transmitted;
  }, "completion of a frame");
}

function makeSilent(context: CaseContext, card: NetDevice, way: Way): void {
  way.spoil(new SharedRing(context.machine, card, TRANSMIT_QUEUE), context.allocate(4096));
  expectWords(context, way.words);
}

function transmit(context: CaseContext, card: NetDevice, count: number, firstToken = 0): number[] {
  const pointer = context.allocate(4096) + 64;
  putFrame(context, pointer, SENT_BYTES, 4711);
  const tokens = Array.from({ length: count }, (_, index) => firstToken + index);
  transmitAll(
    card,
    tokens.map((token) => transmitFrame(pointer, SENT_BYTES, token, 64)),
  );
  return tokens;
}

function timeOut(context: CaseContext, card: NetDevice): void {
  waitOutTime(context, clock, card, TRANSMIT_QUEUE, () => card.reclaim());
}

/** What the counters say after the card worked twice and `lost` frames came back from a reset between. */
function assertCounted(card: NetDevice, lost: number): void {
  const counted = card.statistics();
  assert.equal(counted.frames_transmitted, 2n);
  assert.equal(counted.bytes_transmitted, 2n * BigInt(SENT_BYTES));
  assert.equal(counted.frames_received, 2n);
  assert.equal(counted.bytes_received, 2n * BigInt(DELIVERED_BYTES));
  assert.equal(counted.transmit_errors, BigInt(lost));
  assert.equal(counted.receive_errors, 0n);
  assert.equal(counted.resets, 1n);
}

const sending = transmitWays.map((way): Case => ({
  name: `${way.name}: the card is silent, frames time out, and after a reset it works`,
  cards: [{}],
  run(context) {
    const card = open(context);
    assertWorks(context, card, 1);
    makeSilent(context, card, way);
    const tokens = transmit(context, card, 3);
    context.card().deliver([frame(DELIVERED_BYTES, 9)]);
    timeOut(context, card);
    assert.deepEqual(context.card().takeSent(), []);
    assertThrowsResult(() => card.transmit([transmitFrame(context.allocate(4096), 60)]), Result.E_BROKEN);
    assertThrowsResult(() => card.receive(), Result.E_BROKEN);

    card.reset();
    takeResets(() => card.reclaim(), tokens);
    // QEMU keeps what came for a card that could not take it.
    context.letTimePass();
    const late = card.receiveFrames();
    assert.ok(late.length <= 1);
    if (late[0] !== undefined) assertSameFrame(late[0], frame(DELIVERED_BYTES, 9));
    const { frames_received, bytes_received } = card.statistics();
    assert.equal(frames_received, 1n + BigInt(late.length));
    assert.equal(bytes_received, BigInt((1 + late.length) * DELIVERED_BYTES));
    assertWorks(context, card, 2);
    assert.equal(card.events(), Event.LINK, "the reset forgot what was said of the link");
    assert.equal(card.statistics().transmit_errors, 3n);
    assert.equal(card.statistics().frames_transmitted, 2n);
  },
}));

const receiving = receiveWays.map((way): Case => ({
  name: `${way.name}, in the receive ring: sending shows that the card is silent, and after a reset it works`,
  cards: [{}],
  run(context) {
    const card = open(context);
    assertWorks(context, card, 1);
    way.spoil(new SharedRing(context.machine, card, RECEIVE_QUEUE), context.allocate(4096));
    context.card().deliver([frame(60, 9)]);
    expectWords(context, way.words);
    // A card that only listens hears nothing, and cannot know.
    clock.moveOn(3n * TIMEOUT_NANOSECONDS);
    assert.deepEqual(card.receive(), []);
    assert.deepEqual(card.reclaim(), []);
    const tokens = transmit(context, card, 2);
    timeOut(context, card);
    card.reset();
    takeResets(() => card.reclaim(), tokens);
    context.letTimePass();
    assert.deepEqual(card.receiveFrames(), [], "the frame at which the card went silent is lost");
    assertWorks(context, card, 2);
    assertCounted(card, 2);
  },
}));

const [bad] = transmitWays;
assert.ok(bad);

const others: readonly Case[] = [
  {
    name: "silent while the ring is full: every frame of it comes back once, and the whole ring is usable again",
    cards: [{}],
    run(context) {
      const card = open(context);
      makeSilent(context, card, bad);
      const pointer = context.allocate(4096) + 64;
      putFrame(context, pointer, SENT_BYTES, 4711);
      const frames = Array.from({ length: 600 }, (_, token) => transmitFrame(pointer, SENT_BYTES, token, 64));
      const { accepted, refusal } = card.transmit(frames);
      assertResult(refusal, Result.E_FULL);
      assert.equal(accepted, card.information().transmit_queue_size);
      timeOut(context, card);
      card.reset();
      takeResets(
        () => card.reclaim(),
        Array.from({ length: accepted }, (_, token) => token),
      );
      transmitAll(card, frames.slice(0, accepted));
      let reclaimed = 0;
      context.waitUntil(() => {
        for (const { result } of card.reclaim()) {
          assertResult(result, Result.OK);
          reclaimed++;
        }
        return reclaimed === accepted;
      }, "completion of a full ring");
      assert.equal(takeSent(context, accepted).length, accepted);
      assertWorks(context, card, 1);
    },
  },
  {
    name: "silent again and again, in every way in turn: each reset brings the card back",
    cards: [{}],
    run(context) {
      const card = open(context);
      const rounds = 3 * transmitWays.length;
      for (let round = 0; round < rounds; round++) {
        const way = transmitWays[round % transmitWays.length];
        assert.ok(way);
        makeSilent(context, card, way);
        const tokens = transmit(context, card, 1 + (round % 5), 10 * round);
        timeOut(context, card);
        card.reset();
        takeResets(() => card.reclaim(), tokens);
        assertWorks(context, card, round);
      }
      assert.equal(card.statistics().resets, BigInt(rounds));
      assert.equal(card.statistics().frames_received, BigInt(rounds));
    },
  },
  {
    name: "a command to a silent card fails within its time, and a reset sets again what was set before",
    cards: [{}],
    run(context) {
      const card = open(context);
      card.addVlan(7);
      card.setReceiveMode(ReceiveMode.ALLMULTI, true);
      makeSilent(context, card, bad);
      const { kernel } = context.machine;
      const start = kernel.now_ns();
      context.expectedLog.push({ message: Message.TIMED_OUT, first: card.handle, second: CONTROL_QUEUE });
      assertThrowsResult(() => card.addVlan(8), Result.E_BROKEN);
      assert.ok(kernel.now_ns() - start >= ANSWER_NANOSECONDS);
      assert.equal(card.events() & Event.BROKEN, Event.BROKEN);
      assertThrowsResult(() => card.addVlan(8), Result.E_BROKEN);
      card.reset();
      const { modes, vlans } = context.card().filters();
      assert.deepEqual([...modes].sort(), ["allmulti", "promisc"]);
      assert.deepEqual(vlans, new Set([7]));
      assertWorks(context, card, 1);
    },
  },
  {
    name: "received frames in the caller's hands outlive silence and reset, and their buffers serve again",
    cards: [{}],
    run(context) {
      const card = context.openCard(0, { timeout_ns: TIMEOUT_NANOSECONDS, receive_buffers: 4 });
      context.card().deliver([frame(200, 1), frame(200, 2)]);
      const kept: { buffer: number; pointer: number }[] = [];
      context.waitUntil(() => {
        for (const { buffers } of card.receive()) kept.push(...buffers);
        return kept.length === 2;
      }, "arrival of two frames");
      makeSilent(context, card, bad);
      const tokens = transmit(context, card, 1);
      timeOut(context, card);
      card.reset();
      takeResets(() => card.reclaim(), tokens);
      for (let round = 0; round < 10; round++) assertWorks(context, card, round);
      kept.forEach(({ pointer }, index) => {
        assertSameFrame(context.machine.readBuffer(pointer, 200), frame(200, index + 1));
      });
      assert.equal(card.release(kept.map(({ buffer }) => buffer)), 2);
      context.card().deliver([1, 2, 3, 4].map((seed) => frame(200, seed)));
      receiveCopies(context, card, 4).forEach((each, index) => assertSameFrame(each, frame(200, index + 1)));
    },
  },
  {
    name: "a silent card that is closed gives its frames back once, and works when it is opened again",
    cards: [{}],
    run(context) {
      const card = open(context);
      makeSilent(context, card, bad);
      const tokens = transmit(context, card, 2);
      timeOut(context, card);
      assert.equal(card.close(), 2);
      const completions = card.reclaim();
      assert.deepEqual(
        completions.map(({ token, result }) => [token, result]),
        tokens.map((token) => [token, Result.E_RESET]),
      );
      assert.ok(card.isGone);
      assertWorks(context, open(context), 5);
    },
  },
];

for (const [machine, virtio] of [
  ["pc", "transitional"],
  ["q35", "legacy"],
] as const) {
  const name = `QEMU ${machine}, ${virtio} card that goes silent`;
  // The tests find rings by the registers of the legacy interface.
  const host = { machine, virtio, transport: TransportWanted.LEGACY_PCI };
  const ground = new QemuGround(name, host, 1, { started: (started) => clock.attach(started) });
  runCases(ground, { sending, receiving, "all the rest": others });
}
