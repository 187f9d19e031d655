/** Correct devices under odd but legal callers, by chance: nothing is ever called broken, and no data is wrong. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { NetDevice } from "../../../kernel-shim/emulated-pc/net/device.js";
import { Result } from "../../../kernel-shim/javascript/index.js";
import { HostedCard } from "./card.js";
import { HostedDisk } from "./disk.js";
import { assertResult, HostedModule } from "./hosted.js";
import { onBothBuilds, onEveryDriver } from "./moments.js";
import { OddCardCaller } from "./odd-card-caller.js";
import { OddDiskCaller } from "./odd-disk-caller.js";

const PROGRAMS = 20;
const STEPS = 250;
const HUGE_RING = 32768;
const STEPS_WITH_HUGE_RING = 60;

const TIMEOUT = 10_000_000n;

/** Runs programs, and says which one failed. */
function runPrograms(count: number, steps: number, start: (seed: number) => { run: (steps: number) => void }): void {
  for (let seed = 1; seed <= count; seed++) {
    try {
      start(seed).run(steps);
    } catch (error) {
      if (error instanceof Error) error.message = `program ${seed}: ${error.message}`;
      throw error;
    }
  }
}

describe("an odd but legal caller", () => {
  for (const queueSize of [4, 8, 256]) {
    onBothBuilds(`finds a correct disk with a ring of ${queueSize} never broken`, (build) => {
      runPrograms(PROGRAMS, STEPS, (seed) => new OddDiskCaller(build, seed, queueSize));
    });
  }

  onBothBuilds(`finds a correct disk with a ring of ${HUGE_RING} never broken`, (build) => {
    runPrograms(2, STEPS_WITH_HUGE_RING, (seed) => new OddDiskCaller(build, seed, HUGE_RING));
  });

  for (const queueSizes of [
    [1, 2],
    [2, 2],
    [4, 4],
    [256, 8],
    [256, 256],
  ] as const) {
    onBothBuilds(`finds a correct card with rings of ${queueSizes.join(" and ")} never broken`, (build) => {
      runPrograms(PROGRAMS, STEPS, (seed) => new OddCardCaller(build, seed, queueSizes));
    });
  }

  onBothBuilds(`finds a correct card with rings of ${HUGE_RING} never broken`, (build) => {
    runPrograms(2, STEPS_WITH_HUGE_RING, (seed) => new OddCardCaller(build, seed, [HUGE_RING, HUGE_RING]));
  });
});

describe("a ring that no request fits into", () => {
  for (const size of [1, 2]) {
    onBothBuilds(`of ${size} is refused as a disk's, and leaves nothing behind`, (build) => {
      const disk = new BlockDevice({ backEnd: new MemoryDisk(4096), queueSizes: [size] });
      const module = new HostedModule(build, { devices: [disk] });
      assertResult(module.openDisk(disk), Result.E_QUEUE_SIZE);
    });
  }

  onBothBuilds("of 1 is refused as a card's for sending, and leaves nothing behind", (build) => {
    const card = new NetDevice({ queueSizes: [4, 1, 0], features: 0 });
    const module = new HostedModule(build, { devices: [card] });
    assertResult(module.openCard(card), Result.E_QUEUE_SIZE);
  });
});

describe("a kernel that is held up between the look at the ring and the look at the clock", () => {
  onEveryDriver("breaks no disk that was done in time", (build, eventIndex) => {
    const disk = new HostedDisk(build, { eventIndex, timeout_ns: TIMEOUT });
    const { module, handle } = disk;
    disk.submitReads(1);
    const clock = module.pc.kernel.now_ns.bind(module.pc.kernel);
    module.kernel.now_ns = () => clock() + 2n * TIMEOUT;
    assert.equal(module.poll(handle, 8).count, 0, "from here on the request is old");
    module.kernel.now_ns = () => {
      module.letDevicesWork();
      return clock() + 4n * TIMEOUT;
    };
    assert.equal(module.poll(handle, 8).count, 0);
    module.kernel.now_ns = clock;
    assert.equal(module.poll(handle, 8).count, 1);
    assert.equal(module.exports.events(handle), 0);
    disk.works();
  });
});

describe("polling with room for nothing", () => {
  onEveryDriver("past the time-out breaks no disk that has done its work", (build, eventIndex) => {
    const disk = new HostedDisk(build, { eventIndex, timeout_ns: TIMEOUT });
    const { module, handle } = disk;
    disk.submitReads(2);
    assert.equal(module.poll(handle, 0).count, 0);
    module.letDevicesWork();
    for (let turn = 0; turn < 4; turn++) {
      module.pc.time.advanceTo(module.pc.time.now + 2 * Number(TIMEOUT));
      assert.equal(module.poll(handle, 0).count, 0);
    }
    assert.equal(module.poll(handle, 8).count, 2);
    assert.equal(module.exports.events(handle), 0);
    disk.works();
    module.assertNoComplaints();
  });

  onEveryDriver("past the time-out breaks no card that has done its work", (build, eventIndex) => {
    const card = new HostedCard(build, { eventIndex, open: { timeout_ns: TIMEOUT } });
    const { module, handle } = card;
    card.transmit(2);
    assert.equal(module.reclaim(handle, 0).count, 0);
    module.letDevicesWork();
    for (let turn = 0; turn < 4; turn++) {
      module.pc.time.advanceTo(module.pc.time.now + 2 * Number(TIMEOUT));
      assert.equal(module.reclaim(handle, 0).count, 0);
    }
    assert.equal(module.reclaim(handle, 8).count, 2);
    assert.equal(module.exports.events(handle), 0);
    card.works();
    module.assertNoComplaints();
  });
});
