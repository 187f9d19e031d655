/** `net_await_all`: one interrupt when all frames in flight have been sent. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { UsedRing } from "../../../kernel-shim/emulated-pc/hostile/used-ring.js";
import { Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { frame } from "../../cases/net/frames.js";
import { HostedCard } from "./card.js";
import { assertResult } from "./hosted.js";
import { onBothBuilds, onEveryDriver } from "./moments.js";

const TRANSMIT_QUEUE = 1;
const FRAMES = 12;

function newCard(build: Build, eventIndex = true): HostedCard {
  // Each frame is sent at a time of its own.
  return new HostedCard(build, { eventIndex, machine: { completion: "shuffled" } });
}

describe("net_await_all", () => {
  onEveryDriver("wakes whoever waits for all frames to be sent", (build, eventIndex) => {
    const card = newCard(build, eventIndex);
    const { module } = card;
    let wakings = 0;
    for (let round = 0; round < 5; round++) {
      card.transmit(FRAMES);
      for (let taken = 0; taken < FRAMES;) {
        const answer = module.exports.net_await_all(card.handle);
        if (answer === 0) {
          assert.ok(module.pc.waitForInterrupt(50).length > 0, "nobody wakes the kernel");
          module.exports.interrupt(card.handle);
          wakings++;
        } else {
          assert.equal(answer, 1);
        }
        const { count } = module.reclaim(card.handle, 32);
        // The device interrupts once before it has looked at what is asked of it for the first time.
        if (eventIndex && round > 0) assert.equal(count, FRAMES, "nothing was said before all was sent");
        taken += count;
        assert.ok(wakings <= 5 * FRAMES + 1);
      }
    }
    if (eventIndex) assert.ok(wakings <= 6, `${wakings} interrupts for 5 batches`);
    assert.deepEqual(card.peer.sent.length, 5 * FRAMES);
    module.assertNoComplaints();
  });

  onEveryDriver("answers 1 when all has been sent already", (build, eventIndex) => {
    const card = newCard(build, eventIndex);
    const { module } = card;
    card.transmit(3);
    module.letDevicesWork();
    assert.equal(module.exports.net_await_all(card.handle), 1);
    assert.equal(module.reclaim(card.handle, 8).count, 3);
    assert.equal(module.exports.net_await_all(card.handle), 0, "nothing is in flight any more");
    module.assertNoComplaints();
  });

  onEveryDriver("answers 1 after a reset, as long as frames are to be reclaimed", (build, eventIndex) => {
    const card = newCard(build, eventIndex);
    const { module } = card;
    card.device.faults.silent = true;
    card.transmit(3);
    card.device.faults.silent = false;
    assertResult(module.exports.reset(card.handle), Result.OK);
    assert.equal(module.exports.net_await_all(card.handle), 1);
    assert.equal(module.reclaim(card.handle, 8).count, 3);
    assert.equal(module.exports.net_await_all(card.handle), 0);
    card.works();
  });

  onEveryDriver("asks for nothing that is received", (build, eventIndex) => {
    const card = newCard(build, eventIndex);
    const { module } = card;
    // The first interrupt of a queue comes in any case.
    card.peer.deliver(frame(60, 0));
    card.receiveAll();
    module.exports.interrupt(card.handle);
    card.transmit(1);
    assert.equal(module.exports.net_await_all(card.handle), 0);
    card.peer.deliver(frame(60, 1));
    assert.equal(module.exports.interrupt(card.handle), 0);
    assert.ok(module.pc.waitForInterrupt(50).length > 0);
  });

  onEveryDriver("leaves what enable_interrupts asked for as it is, and the other way round", (build, eventIndex) => {
    for (const isFirst of [true, false]) {
      const card = newCard(build, eventIndex);
      const { exports, pc } = card.module;
      card.transmit(4);
      if (isFirst) assert.equal(exports.enable_interrupts(card.handle), 0);
      assert.equal(exports.net_await_all(card.handle), 0);
      if (!isFirst) assert.equal(exports.enable_interrupts(card.handle), 0);
      pc.time.schedule(10_000_000, () => card.peer.deliver(frame(60, 1)));
      let sent = 0;
      let received = 0;
      for (let wakings = 0; sent < 4 || received < 1; wakings++) {
        assert.ok(wakings < 8);
        assert.ok(pc.waitForInterrupt(50).length > 0, `asleep, sent ${sent}, received ${received}`);
        exports.interrupt(card.handle);
        received += card.receiveAll().length;
        sent += card.module.reclaim(card.handle, 8).count;
        if (sent < 4 && !eventIndex) exports.net_await_all(card.handle);
        if (received < 1 && !eventIndex) exports.enable_interrupts(card.handle);
      }
    }
  });

  onBothBuilds("refuses a broken card", (build) => {
    const card = newCard(build);
    const { module, device } = card;
    const queue = device.queues[TRANSMIT_QUEUE];
    assert.ok(queue !== undefined);
    new UsedRing(device, queue).complete(0, 0);
    assertResult(module.reclaim(card.handle, 4).count, Result.E_BROKEN);
    assertResult(module.exports.net_await_all(card.handle), Result.E_BROKEN);
  });
});
