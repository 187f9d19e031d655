/** Completions that make no sense, while a call waits for one request. What others have in flight comes to no harm. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { UsedRing } from "../../../kernel-shim/emulated-pc/hostile/used-ring.js";
import type { BlockDeviceOptions } from "../../../kernel-shim/emulated-pc/block/device.js";
import {
  BlockOperation,
  type BlockRequest,
  type Completion,
  Event,
  Message,
  Result,
} from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { DiskGround, hasCode, onBothBuilds } from "./ground.js";

const QUEUE_SIZE = 64;
/** [virtio-1.2 §4.1.4.8] */
const QUEUE_NOTIFY = 16;
const SEG_MAX = 1 << 2;
const INDIRECT_DESC = 1 << 28;
const PATIENCE_MILLISECONDS = 5;

const TOKEN = 9;
/** The device wrote no status. */
const DONE: Completion = { token: TOKEN, result: Result.E_DEVICE_STATUS, length: 0 };

/** What is asked of the disk: in one chain, or in two. */
const shapes = { "in one part": 1, "in two parts": 2 } as const;

/**
 * A disk that does nothing by itself, with requests 0 and 1 out. It is notified of every request, and takes one segment
 * in a part.
 */
function silentDisk(build: Build, block: Partial<BlockDeviceOptions> = {}): DiskGround {
  const ground = new DiskGround(build, { queueSizes: [QUEUE_SIZE], segMax: 1, features: SEG_MAX, ...block });
  assert.ok(ground.disk.isOpen);
  ground.device.faults.silent = true;
  ground.submitReads(2);
  return ground;
}

function requestIn(ground: DiskGround, parts: number): BlockRequest {
  const segments = ground.reads(parts).flatMap((read) => read.segments);
  return { token: TOKEN, sector: 4, operation: BlockOperation.READ, segments };
}

/** Executes a request; the device does `lie` as soon as it is notified of it. */
function execute(ground: DiskGround, lie: (ring: UsedRing) => void, parts = 1): Completion | undefined {
  const { faults } = ground.device;
  faults.writeRegister = (offset) => {
    if (offset === QUEUE_NOTIFY) lie(ground.ring(0));
    return true;
  };
  try {
    return ground.disk.perform(requestIn(ground, parts), PATIENCE_MILLISECONDS);
  } finally {
    delete faults.writeRegister;
  }
}

/** Uses the chains offered last, so many, in order. */
function use(ring: UsedRing, parts: number): void {
  const heads = Array.from({ length: parts }, (_, back) => ring.offered(parts - 1 - back));
  for (const head of heads) ring.complete(head, 0);
}

/** Calls, and fails when that waited. */
function withoutWaiting<Outcome>(ground: DiskGround, call: () => Outcome): Outcome {
  const { time } = ground.machine.pc;
  const before = time.now;
  const outcome = call();
  assert.ok(time.now - before < 1e6 * PATIENCE_MILLISECONDS, "the call waited");
  return outcome;
}

describe("used.id while a request is executed", () => {
  onBothBuilds("of the request twice: it completes once, and then the device is broken", (build) => {
    const ground = silentDisk(build);
    const lie = (ring: UsedRing): void => {
      use(ring, 1);
      use(ring, 1);
    };
    assert.deepEqual(
      withoutWaiting(ground, () => execute(ground, lie)),
      DONE,
    );
    ground.isBrokenWith(Message.BAD_USED_ID, [0, 1]);
  });

  onBothBuilds("of one part twice: the request does not complete without the other", (build) => {
    const ground = silentDisk(build);
    const lie = (ring: UsedRing): void => {
      const head = ring.offered(1);
      ring.complete(head, 0);
      ring.complete(head, 0);
    };
    assert.equal(execute(ground, lie, 2), undefined);
    assert.throws(() => ground.disk.poll(), hasCode(Result.E_BROKEN));
    assert.equal(ground.machine.log.at(-1)?.message, Message.BAD_USED_ID);
    ground.behave();
    ground.disk.reset();
    const completions = ground.disk.poll().sort((left, right) => left.token - right.token);
    // The part that was used had no status, and the first error counts.
    assert.deepEqual(completions, [...[0, 1].map((token) => ({ token, result: Result.E_RESET, length: 0 })), DONE]);
    ground.recovers();
  });

  onBothBuilds("of another request twice: both requests complete once, and then the device is broken", (build) => {
    const ground = silentDisk(build);
    const completion = execute(ground, (ring) => {
      const other = ring.offered(1);
      ring.complete(other, 0);
      ring.complete(other, 0);
      use(ring, 1);
    });
    assert.deepEqual(completion, DONE);
    assert.deepEqual(ground.disk.poll(), [{ ...DONE, token: 1 }]);
    ground.isBrokenWith(Message.BAD_USED_ID, [0]);
  });

  const nobodys: Readonly<Record<string, (head: number) => number>> = {
    "beyond the queue": () => QUEUE_SIZE,
    "far beyond the queue": () => 0x10_0000,
    "of all ones": () => 0xffff_ffff,
    "that is no outstanding head": (head) => (head + 7) % QUEUE_SIZE,
    "in the middle of the request's chain": (head) => head + 1,
  };
  for (const [what, idOf] of Object.entries(nobodys)) {
    for (const [shape, parts] of Object.entries(shapes)) {
      onBothBuilds(`${what}, before one ${shape}: it completes, and then the device is broken`, (build) => {
        const ground = silentDisk(build);
        const lie = (ring: UsedRing): void => {
          ring.complete(idOf(ring.offered(0)), 0);
          use(ring, parts);
        };
        assert.deepEqual(execute(ground, lie, parts), DONE);
        ground.isBrokenWith(Message.BAD_USED_ID, [0, 1]);
      });
    }
  }

  for (const [shape, parts] of Object.entries(shapes)) {
    onBothBuilds(`of others first, the request ${shape}: all complete, each once`, (build) => {
      const ground = silentDisk(build);
      for (let round = 0; round < 2 * QUEUE_SIZE; round++) {
        const lie = (ring: UsedRing): void => {
          if (round % 4 === 0) ring.complete(ring.offered(parts), 0);
          use(ring, parts);
        };
        assert.deepEqual(execute(ground, lie, parts), DONE);
        if (round % 4 !== 3) continue;
        // What was executed lies behind the other's chain.
        const taken = ground.disk.poll();
        assert.deepEqual(taken, [{ ...DONE, token: round === 3 ? 1 : 0 }]);
        ground.submitReads(1);
      }
      ground.behave();
      ground.disk.reset();
      assert.equal(ground.disk.poll().length, 2);
      ground.recovers();
    });

    onBothBuilds(`of another first, the request ${shape}: a reset gives back what is not complete`, (build) => {
      const ground = silentDisk(build);
      const lie = (ring: UsedRing): void => {
        ring.complete(ring.offered(parts), 0);
        use(ring, parts);
      };
      assert.deepEqual(execute(ground, lie, parts), DONE);
      ground.behave();
      ground.disk.reset();
      ground.comeBackAs(Result.E_RESET, [0, 1]);
      ground.recovers();
    });
  }
});

describe("used.idx while a request is executed", () => {
  for (const by of [-1, 4, 0x8000]) {
    onBothBuilds(`moved by ${by} breaks the device, and the request comes back after a reset`, (build) => {
      const ground = silentDisk(build);
      const lie = (ring: UsedRing): void => {
        ring.index += by;
      };
      withoutWaiting(ground, () => assert.throws(() => execute(ground, lie), hasCode(Result.E_BROKEN)));
      ground.isBrokenWith(Message.BAD_USED_INDEX, [0, 1, TOKEN]);
    });
  }

  onBothBuilds("that had moved too far before: the request is refused", (build) => {
    const ground = silentDisk(build);
    ground.ring(0).index += 4;
    assert.throws(() => ground.disk.perform(requestIn(ground, 1), PATIENCE_MILLISECONDS), hasCode(Result.E_BROKEN));
    ground.isBrokenWith(Message.BAD_USED_INDEX, [0, 1]);
  });

  onBothBuilds("that goes back behind executed requests breaks the device", (build) => {
    const ground = silentDisk(build);
    assert.deepEqual(
      execute(ground, (ring) => use(ring, 1)),
      DONE,
    );
    const lie = (ring: UsedRing): void => {
      ring.index -= 1;
    };
    assert.throws(() => execute(ground, lie), hasCode(Result.E_BROKEN));
    ground.isBrokenWith(Message.BAD_USED_INDEX, [0, 1, TOKEN]);
  });

  onBothBuilds("that goes back to where it was takes nothing", (build) => {
    const ground = silentDisk(build);
    let own = 0;
    const completion = execute(ground, (ring) => {
      own = ring.offered(0);
      ring.complete(ring.offered(1), 0);
      ring.complete(own, 0);
    });
    assert.deepEqual(completion, DONE);
    ground.ring(0).put(0, own, 0);
    ground.ring(0).index -= 2;
    assert.equal(
      execute(ground, () => undefined),
      undefined,
    );
    assert.equal(ground.disk.events(), 0);
    ground.behave();
    ground.disk.reset();
    ground.comeBackAs(Result.E_RESET, [0, 1, TOKEN]);
    ground.recovers();
  });
});

describe("requests that are executed one after the other", () => {
  for (const [place, features] of Object.entries({ "in tables": INDIRECT_DESC, "in the ring": 0 })) {
    for (const [shape, parts] of Object.entries(shapes)) {
      onBothBuilds(`${place}, ${shape}, leave no descriptor behind`, (build) => {
        const ground = silentDisk(build, { features: SEG_MAX + features });
        for (let round = 0; round < QUEUE_SIZE; round++) {
          const lie = (ring: UsedRing): void => {
            if (round % 2 === 0) use(ring, parts);
            else for (let back = 0; back < parts; back++) ring.complete(ring.offered(back), 0);
          };
          assert.deepEqual(execute(ground, lie, parts), DONE);
        }
        const room = features === 0 ? Math.floor(QUEUE_SIZE / 3) - 2 : QUEUE_SIZE - 2;
        const { accepted } = ground.disk.submit(ground.reads(QUEUE_SIZE, 2));
        assert.equal(accepted, room);
        ground.behave();
        ground.disk.reset();
        const tokens = ground.disk.poll().map(({ token }) => token);
        assert.deepEqual(
          tokens.sort((left, right) => left - right),
          Array.from({ length: room + 2 }, (_, token) => token),
        );
        ground.recovers();
      });
    }
  }
});

describe("an answer while a request is executed", () => {
  onBothBuilds("is waited for", (build) => {
    const ground = new DiskGround(build);
    const completion = ground.disk.perform(requestIn(ground, 1), PATIENCE_MILLISECONDS);
    assert.deepEqual(completion, { ...DONE, result: Result.OK, length: 512 });
    ground.recovers();
  });
});

describe("no answer while a request is executed", () => {
  onBothBuilds("from a disk that is there: the request comes back as any other", (build) => {
    const ground = silentDisk(build);
    assert.equal(
      execute(ground, () => undefined),
      undefined,
    );
    use(ground.ring(0), 1);
    assert.deepEqual(ground.disk.poll(), [DONE]);
    assert.equal(ground.disk.events(), 0);
    ground.recovers();
  });

  onBothBuilds("from a disk that is gone: the request comes back when it is closed", (build) => {
    const ground = silentDisk(build);
    const { faults } = ground.device;
    faults.readRegister = (_offset, width) => 2 ** (8 * width) - 1;
    assert.throws(() => execute(ground, () => undefined), hasCode(Result.E_GONE));
    assert.equal(ground.disk.events() & Event.GONE, Event.GONE);
    assert.equal(ground.disk.close(), 3);
    assert.deepEqual(
      ground.disk.poll().map(({ token, result }) => [token, result]),
      [0, 1, TOKEN].map((token) => [token, Result.E_RESET]),
    );
    ground.recoversFromRefusal();
  });
});
