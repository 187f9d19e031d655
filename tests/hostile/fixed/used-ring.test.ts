/** Completions that make no sense. A queue whose device broke the rules is broken until the reset. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Event, Message, Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { DiskGround, onBothBuilds } from "./ground.js";

const QUEUE_SIZE = 64;

/** A disk that does nothing by itself, so that all it does is what the test forges. */
function silentDisk(build: Build, features?: number): DiskGround {
  const ground = new DiskGround(build, {
    queueSizes: [QUEUE_SIZE],
    ...(features === undefined ? {} : { features }),
  });
  assert.ok(ground.disk.isOpen);
  ground.device.faults.silent = true;
  return ground;
}

describe("used.id", () => {
  for (const id of [QUEUE_SIZE, QUEUE_SIZE + 1, 0x8000, 0x1_0000, 0x8000_0000, 0xffff_ffff]) {
    onBothBuilds(`0x${id.toString(16)} is beyond the queue: the device is broken`, (build) => {
      const ground = silentDisk(build);
      ground.submitReads(3);
      ground.ring(0).complete(id, 0);
      ground.isBrokenWith(Message.BAD_USED_ID, [0, 1, 2]);
    });
  }

  onBothBuilds("that is no outstanding head breaks the device", (build) => {
    const ground = silentDisk(build);
    ground.submitReads(2);
    const ring = ground.ring(0);
    ring.complete((ring.offered(0) + 7) % QUEUE_SIZE, 0);
    ground.isBrokenWith(Message.BAD_USED_ID, [0, 1]);
  });

  onBothBuilds("in the middle of a chain breaks the device", (build) => {
    // Without INDIRECT_DESC, a request takes three descriptors of the ring.
    const ground = silentDisk(build, 0);
    ground.submitReads(2);
    const ring = ground.ring(0);
    ring.complete(ring.offered(1) + 1, 0);
    ground.isBrokenWith(Message.BAD_USED_ID, [0, 1]);
  });

  onBothBuilds("that was completed before breaks the device, and nothing completes twice", (build) => {
    const ground = silentDisk(build);
    ground.submitReads(3);
    const ring = ground.ring(0);
    const first = ring.offered(2);
    ring.complete(first, 0);
    ring.complete(first, 0);
    const completions = ground.disk.poll();
    assert.deepEqual(completions, [{ token: 0, result: Result.E_DEVICE_STATUS, length: 0 }]);
    ground.isBrokenWith(Message.BAD_USED_ID, [1, 2]);
  });

  onBothBuilds("in any order is no error", (build) => {
    const ground = silentDisk(build);
    ground.submitReads(5);
    const ring = ground.ring(0);
    for (const back of [1, 4, 0, 3, 2]) ring.complete(ring.offered(back), 0);
    const tokens = ground.disk.poll().map(({ token }) => token);
    assert.deepEqual(tokens, [3, 0, 4, 1, 2]);
    assert.equal(ground.disk.events(), 0);
    ground.recovers();
  });
});

describe("used.len", () => {
  for (const length of [0, 1, 15, 512, 1_000_000, 0xffff_ffff]) {
    onBothBuilds(`${length} of a block request decides nothing: the status byte does`, (build) => {
      const ground = new DiskGround(build);
      ground.device.faults.usedLength = () => length;
      ground.submitReads(2);
      ground.wait();
      ground.comeBackAs(Result.OK, [0, 1]);
      ground.recovers();
    });
  }
});

describe("used.idx", () => {
  for (const by of [4, 64, 65, 0x7fff, 0x8000, 0xfffe, 0xffff]) {
    onBothBuilds(`moved by ${by} with three requests out breaks the device`, (build) => {
      const ground = silentDisk(build);
      ground.submitReads(3);
      ground.ring(0).index += by;
      ground.isBrokenWith(Message.BAD_USED_INDEX, [0, 1, 2]);
    });
  }

  onBothBuilds("that goes back breaks the device", (build) => {
    const ground = new DiskGround(build);
    ground.submitReads(3);
    ground.wait();
    ground.comeBackAs(Result.OK, [0, 1, 2]);
    ground.submitReads(2, 10);
    ground.device.faults.silent = true;
    ground.ring(0).index -= 1;
    ground.isBrokenWith(Message.BAD_USED_INDEX, [10, 11]);
  });

  onBothBuilds("that moves with nothing outstanding breaks the device", (build) => {
    const ground = silentDisk(build);
    ground.ring(0).index += 1;
    ground.isBrokenWith(Message.BAD_USED_INDEX, []);
  });

  onBothBuilds("crosses 65535 to 0 like any other step", (build) => {
    const ground = new DiskGround(build, { queueSizes: [128] }, { completion: "immediate" });
    let done = 0;
    while (done < 65_536 + 200) {
      ground.submitReads(60);
      const completions = ground.disk.poll();
      assert.equal(completions.length, 60);
      assert.ok(completions.every(({ result }) => result === Result.OK));
      done += 60;
    }
    assert.equal(ground.disk.events(), 0);
    ground.recovers();
  });
});

describe("memory that the device may write", () => {
  for (const value of [0, 0xff, 0x5a]) {
    for (const features of [undefined, 0]) {
      const layout = features === undefined ? "with tables" : "without tables";
      onBothBuilds(`is not read back: descriptors and ring overwritten with ${value}, ${layout}`, (build) => {
        const ground = silentDisk(build, features);
        ground.submitReads(6);
        const ring = ground.ring(0);
        const heads = [5, 4, 3, 2, 1, 0].map((back) => ring.offered(back));
        ring.overwriteDriverParts(value);
        for (const head of heads.reverse()) ring.complete(head, 1);
        const completions = ground.disk.poll();
        assert.deepEqual(
          completions,
          [5, 4, 3, 2, 1, 0].map((token) => ({ token, result: Result.E_DEVICE_STATUS, length: 0 })),
        );
        // The free list is private: the ring can be filled to its end as before.
        const inAll = features === undefined ? QUEUE_SIZE : Math.floor(QUEUE_SIZE / 3);
        assert.equal(ground.disk.submit(ground.reads(inAll + 1)).accepted, inAll);
        assert.equal(ground.disk.events() & Event.BROKEN, 0);
        ground.recovers();
      });
    }
  }

  onBothBuilds("does not decide whether the device is notified of what it does not know", (build) => {
    const ground = silentDisk(build);
    const ring = ground.ring(0);
    for (const event of [0, 1, 0x7fff, 0xffff]) {
      ring.availEvent = event;
      ring.flags = 0xffff;
      ground.submitReads(1, event);
    }
    assert.equal(ground.disk.submit(ground.reads(4)).accepted, 4);
    ground.recovers();
  });
});

describe("a broken device", () => {
  onBothBuilds("keeps its statistics over a reset", (build) => {
    const ground = new DiskGround(build);
    ground.works();
    const before = ground.disk.statistics();
    ground.device.faults.silent = true;
    ground.submitReads(2);
    ground.ring(0).index += 9;
    ground.isBrokenWithReset([0, 1]);
    const after = ground.disk.statistics();
    assert.equal(after.reads, before.reads);
    assert.equal(after.errors, before.errors + 2n);
    assert.equal(after.resets, before.resets + 1n);
    ground.recovers();
  });
});
