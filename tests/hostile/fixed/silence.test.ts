/** Requests that a device does not answer in time. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Event, Message, Result } from "../../../kernel-shim/javascript/index.js";
import { CardGround, DiskGround, hasCode, onBothBuilds } from "./ground.js";

const MILLISECOND = 1_000_000;
const TIMEOUT = 10 * MILLISECOND;
const options = { timeout_ns: BigInt(TIMEOUT) };

describe("a request that is not answered in time", () => {
  onBothBuilds("breaks a silent disk, no sooner than after the time-out and no later than after two", (build) => {
    const ground = new DiskGround(build);
    const disk = ground.open(options);
    ground.works();
    ground.device.faults.silent = true;
    ground.submitReads(3);
    const start = ground.machine.pc.time.now;
    assert.deepEqual(disk.poll(), []);
    const end = pollUntilBroken(ground, () => disk.poll());
    assert.ok(end - start >= TIMEOUT && end - start <= 2 * TIMEOUT + 2 * MILLISECOND, String(end - start));
    ground.isBrokenWith(Message.TIMED_OUT, [0, 1, 2]);
  });

  onBothBuilds("breaks a silent card in the same way", (build) => {
    const ground = new CardGround(build);
    const card = ground.open(options);
    ground.works();
    ground.device.faults.silent = true;
    const pointer = ground.machine.allocateBuffer(4096);
    assert.equal(card.transmit([{ token: 1, segments: [{ pointer, length: 60 }] }]).accepted, 1);
    const start = ground.machine.pc.time.now;
    const end = pollUntilBroken(ground, () => card.reclaim());
    assert.ok(end - start >= TIMEOUT && end - start <= 2 * TIMEOUT + 2 * MILLISECOND, String(end - start));
    ground.isBrokenWith(Message.TIMED_OUT);
  });

  onBothBuilds("by a device that was removed says that it is gone", (build) => {
    const ground = new DiskGround(build);
    const disk = ground.open(options);
    ground.submitReads(2);
    ground.machine.pc.removeDevice(ground.device);
    assert.throws(() => {
      for (let turn = 0; turn < 30; turn++) {
        ground.machine.letDevicesWork(MILLISECOND);
        disk.poll();
      }
    }, hasCode(Result.E_GONE));
    assert.equal(disk.events(), Event.GONE);
    assert.throws(() => disk.reset(), hasCode(Result.E_GONE));
    ground.comeBackWithout(Result.E_GONE, [0, 1]);
    assert.equal(disk.close(), 0);
    ground.checkMemory();
  });

  onBothBuilds("is noticed although all others are answered", (build) => {
    const ground = new DiskGround(build);
    const disk = ground.open(options);
    ground.device.onRequest = ({ sector }) => (sector === 1 ? { isLost: true } : undefined);
    assert.equal(disk.submit(ground.reads(2)).accepted, 2);
    let answered = 0;
    assert.throws(() => {
      for (let turn = 0; turn < 30; turn++) {
        ground.machine.letDevicesWork(MILLISECOND);
        answered += disk.poll().length;
        assert.deepEqual(disk.poll(), []);
        assert.equal(disk.submit(ground.reads(1, 10 + turn)).accepted, 1);
      }
    }, hasCode(Result.E_BROKEN));
    assert.ok(answered > 10);
    ground.device.onRequest = undefined;
    ground.disk.reset();
    ground.recovers();
  });

  onBothBuilds("is none while the device is only slow, or has nothing to do", (build) => {
    const ground = new DiskGround(build, { onRequest: () => ({ delay: TIMEOUT - 2 * MILLISECOND }) });
    const disk = ground.open(options);
    for (let turn = 0; turn < 10; turn++) {
      ground.submitReads(2);
      let taken = 0;
      for (let wait = 0; wait < 12; wait++) {
        ground.machine.letDevicesWork(MILLISECOND);
        taken += disk.poll().length;
      }
      assert.equal(taken, 2);
      ground.machine.letDevicesWork(5 * TIMEOUT);
      assert.deepEqual(disk.poll(), []);
    }
    ground.device.onRequest = undefined;
    ground.recovers();
  });

  onBothBuilds(
    "is none while the device is only slow and fails in the end: all that it took is free again",
    (build) => {
      const delay = TIMEOUT - 2 * MILLISECOND;
      // Each takes three descriptors of the ring.
      const ground = new DiskGround(build, { queueSizes: [64], features: 0, onRequest: () => ({ delay, status: 1 }) });
      const disk = ground.open(options);
      for (let turn = 0; turn < 3; turn++) {
        ground.submitReads(21);
        const results: number[] = [];
        for (let wait = 0; wait < 12; wait++) {
          ground.machine.letDevicesWork(MILLISECOND);
          results.push(...disk.poll().map(({ result }) => result));
        }
        assert.deepEqual(results, new Array<number>(21).fill(Result.E_IO));
      }
      ground.device.onRequest = undefined;
      ground.recovers();
    },
  );

  onBothBuilds("may take for ever without the option, and no clock is read", (build) => {
    const ground = new DiskGround(build);
    ground.device.faults.silent = true;
    assert.ok(ground.disk.isOpen);
    ground.submitReads(1);
    ground.machine.letDevicesWork(1000 * TIMEOUT);
    const { imports } = ground.machine;
    assert.deepEqual(ground.disk.poll(), []);
    assert.ok(ground.machine.imports - imports <= 3);
    ground.behave();
    ground.disk.reset();
    ground.comeBackAs(Result.E_RESET, [0]);
    ground.recovers();
  });
});

/** Polls every millisecond; returns when the call was refused as broken. */
function pollUntilBroken(ground: DiskGround | CardGround, poll: () => unknown): number {
  for (let turn = 0; turn < 100; turn++) {
    ground.machine.letDevicesWork(MILLISECOND);
    try {
      poll();
    } catch (error) {
      hasCode(Result.E_BROKEN)(error);
      return ground.machine.pc.time.now;
    }
  }
  return assert.fail("the device is not broken");
}
