/**
 * Kernels that run out of memory, at any point: an open that fails gives back all it took, leaves the device cut off,
 * and can be repeated.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockOperation, Message, Result } from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk, SECTOR_BYTES } from "../../raw-stack/raw-disk.js";
import type { RawGroundOptions } from "../../raw-stack/raw-ground.js";
import { onBothBuilds } from "../fixed/ground.js";

/** Small rings, so that there are few points. */
const ENTRIES = 16;
/** More allocations than any of these devices makes. */
const ALLOCATIONS_MAX = 64;
/** More private memory than any of these devices takes. */
const ARENA_BYTES_MAX = 16 * 1024;
/** Blocks of private memory are multiples of it. */
const ARENA_STEP = 16;

const disk = (build: Build, options: Partial<RawGroundOptions> = {}): RawDisk =>
  new RawDisk({ build, ...options }, { queueSizes: [ENTRIES] });
const card = (build: Build, options: Partial<RawGroundOptions> = {}): RawCard =>
  new RawCard({ build, ...options }, { queueSizes: [ENTRIES, ENTRIES, ENTRIES] });
const kinds = { disk, card };

/** Opens and closes for every allocation that fails; `fails` says of which calls, counted from 1, with which to begin. */
function failAtEveryPoint(ground: RawDisk | RawCard, fails: (asked: number, point: number) => boolean): number {
  let failures = 0;
  for (let point = 1; point < ALLOCATIONS_MAX; point++) {
    let asked = 0;
    ground.kernel.lies.dma_alloc = (honest, pages) => (fails(++asked, point) ? 0 : honest(pages));
    const result = ground.open();
    ground.kernel.lies = {};
    if (result < 0) {
      failures++;
      assert.equal(result, Result.E_DMA_MEMORY);
      assert.equal(ground.machine.log.at(-1)?.message, Message.DEVICE_FAILED);
      ground.isLeftAlone();
      ground.ok(ground.open());
    }
    // What can be done without, indirect tables, is.
    ground.works();
    ground.closes();
    if (asked < point) break;
  }
  ground.checkViolations();
  return failures;
}

describe("a kernel that has no pages left", () => {
  for (const [kind, make] of Object.entries(kinds)) {
    onBothBuilds(`for any one of a ${kind}'s loans: the open fails, all is given back, the next works`, (build) => {
      const failures = failAtEveryPoint(make(build), (asked, point) => asked === point);
      // A disk that gets no tables asks for less.
      assert.ok(failures >= (kind === "disk" ? 1 : 2), `${failures} of the loans are needed`);
    });

    onBothBuilds(
      `for any of a ${kind}'s loans from one on: the open fails, all is given back, the next works`,
      (build) => {
        const failures = failAtEveryPoint(make(build), (asked, point) => asked >= point);
        assert.ok(failures >= 2, `${failures} of the loans are needed`);
      },
    );
  }
});

/** Behind the module's data, with room behind it to see what is written there. */
const ARENA_START = 128 * 1024;

const arenaOf = (bytes: number): Partial<RawGroundOptions> => ({
  arena: { start: ARENA_START, bytes },
  records: ARENA_START + 2 * ARENA_BYTES_MAX,
  machine: { memoryBytes: 1024 * 1024 },
});

describe("private memory that is used up", () => {
  for (const [kind, make] of Object.entries(kinds)) {
    onBothBuilds(`at any point of opening a ${kind} is E_MEMORY, and everything is given back`, (build) => {
      let tooSmall = 0;
      let failures = 0;
      for (let bytes = ARENA_STEP; ; bytes += ARENA_STEP) {
        assert.ok(bytes < ARENA_BYTES_MAX);
        const ground = make(build, arenaOf(bytes));
        if (ground.initialized === Result.E_ARGUMENT) {
          tooSmall++;
          continue;
        }
        assert.equal(ground.initialized, Result.OK);
        ground.canaries.add(0, 65_536);
        ground.canaries.add(ground.module.heapBase, ARENA_START);
        ground.canaries.add(ARENA_START + bytes, ARENA_START + ARENA_BYTES_MAX);
        for (let attempt = 0; attempt < 3; attempt++) {
          const result = ground.open();
          if (result > 0) {
            ground.works();
            ground.closes();
            ground.checkViolations();
            assert.ok(tooSmall <= 2, "an arena is no larger than it has to be");
            assert.ok(failures > 20, `${failures} arenas were too small for a device`);
            return;
          }
          failures++;
          assert.equal(result, Result.E_MEMORY, `with ${bytes} bytes`);
          ground.isLeftAlone();
        }
        ground.close();
      }
    });
  }

  onBothBuilds("when a disk is suspended is E_MEMORY, and it goes on with what it has", (build) => {
    let refusals = 0;
    for (let bytes = ARENA_STEP; ; bytes += ARENA_STEP) {
      assert.ok(bytes < ARENA_BYTES_MAX);
      const ground = disk(build, arenaOf(bytes));
      if (ground.initialized !== Result.OK || ground.open() < 0) continue;
      const { buffer, module, handle } = ground;
      const segments = [{ pointer: buffer, length: SECTOR_BYTES }];
      assert.equal(ground.submit({ operation: BlockOperation.READ, segments }).accepted, 1);
      const result = module.exports.suspend(handle, 1);
      ground.wait();
      const completions = ground.poll();
      assert.equal(completions.length, 1);
      if (result === Result.OK) {
        assert.equal(completions[0]?.result, Result.E_RESET);
        assert.notEqual(refusals, 0);
        ground.ok(module.exports.resume(handle));
        ground.works();
        ground.closes();
        return;
      }
      refusals++;
      assert.equal(result, Result.E_MEMORY);
      assert.equal(completions[0]?.result, Result.OK);
      ground.works();
      ground.closes();
      ground.checkViolations();
    }
  });
});
