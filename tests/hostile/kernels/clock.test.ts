/**
 * Clocks that stand still, jump ahead, or go back. A device may be given up for it; every call ends, every request
 * comes back once, and a reset brings the device back.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockOperation, Result } from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { Random } from "../../../kernel-shim/emulated-pc/random.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk, SECTOR_BYTES } from "../../raw-stack/raw-disk.js";
import { onBothBuilds } from "../fixed/ground.js";

const LAST = 0xffff_ffff_ffff_ffffn;
const SECOND = 1_000_000_000n;

const makers: Readonly<Record<string, (build: Build) => RawDisk | RawCard>> = {
  disk: (build) => new RawDisk({ build }),
  card: (build) => new RawCard({ build }),
};

/** Each a clock of its own, from one reading to the next. */
const clocks: Readonly<Record<string, () => () => bigint>> = {
  "stands still": () => () => 5n,
  "stands still at 0": () => () => 0n,
  "stands still at its last value": () => () => LAST,
  "goes back by a second a reading": () => {
    let now = 1n << 40n;
    return () => (now -= SECOND);
  },
  "jumps between 0 and its last value": () => {
    let now = 0n;
    return () => (now = LAST - now);
  },
  "begins again at 0": () => {
    let now = LAST - 2n * SECOND;
    return () => (now = (now + SECOND / 4n) & LAST);
  },
  "says anything": () => {
    const random = new Random(7);
    return () => (BigInt(random.next()) << 32n) | BigInt(random.next());
  },
};

describe("a clock that", () => {
  for (const [how, make] of Object.entries(clocks)) {
    for (const [kind, makeGround] of Object.entries(makers)) {
      onBothBuilds(`${how} keeps no ${kind} from being opened, used, reset and closed`, (build) => {
        const ground = makeGround(build);
        ground.kernel.lies.now_ns = make();
        ground.ok(ground.open());
        ground.works();
        assert.equal(ground.module.exports.reset(ground.handle), Result.OK);
        ground.works();
        ground.closes();
        ground.checkViolations();
      });
    }

    onBothBuilds(`${how} makes a request late at worst: it comes back once, and the disk after a reset`, (build) => {
      const ground = new RawDisk({ build });
      const { exports } = ground.module;
      ground.kernel.lies.now_ns = make();
      ground.ok(ground.open(SECOND));
      const segments = [{ pointer: ground.buffer, length: SECTOR_BYTES }];
      for (let round = 0; round < 4; round++) {
        ground.device.faults.silent = true;
        const tokens = [10n, 11n, 12n];
        const requests = tokens.map((token) => ({ token, operation: BlockOperation.READ, segments }));
        assert.equal(ground.submit(...requests).accepted, tokens.length);
        let result = 0;
        for (let poll = 0; poll < 50 && result === 0; poll++) {
          result = exports.block_poll(ground.handle, ground.completionsAt, 8);
        }
        assert.ok(result === 0 || result === Result.E_BROKEN, `block_poll returned ${result}`);
        ground.device.faults.silent = false;
        assert.equal(exports.reset(ground.handle), Result.OK);
        assert.deepEqual(
          ground.poll().map(({ token, result: outcome }) => ({ token, outcome })),
          tokens.map((token) => ({ token, outcome: Result.E_RESET })),
        );
        assert.deepEqual(ground.poll(), []);
      }
      ground.works();
      ground.closes();
    });
  }

  onBothBuilds("stands still does not keep the stack waiting for a device that never resets", (build) => {
    const ground = new RawDisk({ build });
    const { lies } = ground.kernel;
    lies.now_ns = () => 1n;
    lies.relax = () => undefined;
    const STATUS = 18;
    ground.device.faults.readRegister = (offset, _, value) => (offset === STATUS ? 4 : value);
    ground.kernel.calls = 0;
    ground.kernel.limit = 3_100_000;
    assert.equal(ground.open(), Result.E_RESET_TIMEOUT);
    ground.isLeftAlone();
    ground.device.faults.readRegister = undefined;
    ground.kernel.lies = {};
    ground.ok(ground.open());
    ground.works();
    ground.closes();
  });

  onBothBuilds("stands still does not keep a call waiting for a card that never answers it", (build) => {
    const ground = new RawCard({ build }, { controlFaults: { answer: () => null } });
    ground.ok(ground.open());
    const { lies } = ground.kernel;
    lies.now_ns = () => 1n;
    lies.relax = () => undefined;
    ground.kernel.calls = 0;
    ground.kernel.limit = 9_000_000;
    assert.equal(ground.module.exports.net_add_vlan(ground.handle, 1), Result.E_BROKEN);
    ground.kernel.lies = {};
    assert.equal(ground.module.exports.reset(ground.handle), Result.OK);
    ground.works();
    ground.closes();
  });

  onBothBuilds("is slow leaves a card time enough for its answer", (build) => {
    const ground = new RawCard({ build });
    ground.ok(ground.open());
    const { lies } = ground.kernel;
    let now = 0n;
    let turns = 0;
    const honest = ground.machine.kernel;
    lies.now_ns = () => now++;
    // More turns than a clock may stand still for, twice.
    lies.relax = () => {
      if (turns++ > 2_100_000) honest.relax();
    };
    assert.equal(ground.module.exports.net_add_vlan(ground.handle, 1), Result.OK);
    assert.ok(turns > 2_100_000);
    ground.kernel.lies = {};
    ground.works();
    ground.closes();
  });

  onBothBuilds("jumps ahead whenever it is read does not hide an answer that is there", (build) => {
    const ground = new RawCard({ build });
    ground.ok(ground.open());
    const { lies } = ground.kernel;
    let now = 0n;
    let readings = 0;
    lies.relax = () => undefined;
    lies.now_ns = () => {
      // The device answers after the last look at the ring, and before the clock is read for the last time.
      if (++readings === 4) ground.wait();
      return (now += 10n * SECOND);
    };
    assert.equal(ground.module.exports.net_add_vlan(ground.handle, 1), Result.OK);
    assert.equal(readings, 4);
    ground.kernel.lies = {};
    ground.works();
    ground.closes();
  });

  onBothBuilds("jumps ahead once while a card is asked something does not break it", (build) => {
    const ground = new RawCard({ build });
    ground.ok(ground.open());
    let readings = 0;
    ground.kernel.lies.now_ns = () => (readings++ === 0 ? 0n : BigInt(readings) + 1000n * SECOND);
    assert.equal(ground.module.exports.net_add_vlan(ground.handle, 1), Result.OK);
    ground.works();
    ground.closes();
    ground.checkViolations();
  });

  onBothBuilds("jumps ahead after a request was answered does not break the device", (build) => {
    const ground = new RawDisk({ build });
    let now = SECOND;
    ground.kernel.lies.now_ns = () => now;
    ground.ok(ground.open(SECOND));
    for (let round = 0; round < 8; round++) {
      const segments = [{ pointer: ground.buffer, length: SECTOR_BYTES }];
      assert.equal(ground.submit({ operation: BlockOperation.READ, segments }).accepted, 1);
      ground.wait();
      now += 1n << BigInt(40 + 3 * round);
      assert.equal(ground.poll().length, 1);
      assert.deepEqual(ground.poll(), []);
    }
    ground.works();
    ground.closes();
    ground.checkViolations();
  });
});
