/**
 * Private memory anywhere in 65,536 pages: it ends at 2^32, begins with the first bytes, or lies where it must not. Nothing
 * outside of it is ever written, and no search in it goes on for ever.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Result } from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { onBothBuilds } from "../../hostile/fixed/ground.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk } from "../../raw-stack/raw-disk.js";
import type { RawGroundOptions } from "../../raw-stack/raw-ground.js";
import { MODULE_BASE } from "../../raw-stack/raw-module.js";
import { inWholeMemory, MEMORY_END, poolAtEnd } from "../../raw-stack/whole-memory.js";

type Arena = RawGroundOptions["arena"];
const RECORDS = 3 * 1024 * 1024;
/** Lent memory, apart from either end. */
const pool = { start: 2 * 1024 * 1024, end: RECORDS };
const WINDOW = 256 * 1024;

const disk = (build: Build, arena: NonNullable<Arena>): RawDisk =>
  new RawDisk(inWholeMemory(build, { arena, records: RECORDS, pool }), { queueSizes: [16] });
const card = (build: Build, arena: NonNullable<Arena>): RawCard =>
  new RawCard(inWholeMemory(build, { arena, records: RECORDS, pool }), { queueSizes: [16, 16, 16] });
const makers = { disk, card };

/** Everything near the ends that is not the module's or the arena's is nobody's. */
function guard(ground: RawDisk | RawCard, start: number, end: number): void {
  const { canaries, module } = ground;
  const free = [
    [0, MODULE_BASE],
    [module.heapBase, module.heapBase + WINDOW],
    [MEMORY_END - WINDOW, MEMORY_END],
  ] as const;
  for (const [from, to] of free) {
    canaries.add(from, Math.min(to, start));
    canaries.add(Math.max(from, end), to);
  }
}

describe("private memory", () => {
  const kibibytes = (count: number): number => count * 1024;
  for (const [place, start, bytes] of [
    ["ends at 2^32", MEMORY_END - kibibytes(64), kibibytes(64)],
    ["ends at 2^32, small", MEMORY_END - kibibytes(8), kibibytes(8)],
    ["ends at 2^32, and begins off by 1", MEMORY_END - kibibytes(64) - 1, kibibytes(64) + 1],
    ["ends a byte before 2^32", MEMORY_END - kibibytes(64), kibibytes(64) - 1],
    ["ends 15 bytes before 2^32", MEMORY_END - kibibytes(64), kibibytes(64) - 15],
    ["ends 16 bytes before 2^32", MEMORY_END - kibibytes(64), kibibytes(64) - 16],
    ["crosses 2^31", 2 ** 31 - kibibytes(32), kibibytes(64)],
    ["begins with the second byte", 1, kibibytes(60)],
    ["begins at 16 and ends where the module's data begins", 16, MODULE_BASE - 16],
  ] as const) {
    for (const [kind, make] of Object.entries(makers)) {
      onBothBuilds(`that ${place} has room for a ${kind}, again and again`, (build) => {
        const ground = make(build, { start, bytes });
        assert.equal(ground.initialized, Result.OK);
        guard(ground, start, start + bytes);
        for (let again = 0; again < 3; again++) {
          ground.ok(ground.open());
          ground.works();
          ground.closes();
        }
        ground.checkViolations();
      });
    }
  }

  onBothBuilds("that begins right behind the module's data has room for a disk", (build) => {
    const { heapBase } = disk(build, poolAtEnd.arena).module;
    const ground = disk(build, { start: heapBase, bytes: kibibytes(64) });
    assert.equal(ground.initialized, Result.OK);
    ground.ok(ground.open());
    ground.works();
    ground.closes();
  });

  for (const [kind, make] of Object.entries(makers)) {
    onBothBuilds(
      `that ends at 2^32 and is too small for a ${kind} is E_MEMORY, and nothing beside it is written`,
      (build) => {
        let failures = 0;
        for (let bytes = 32; ; bytes += 16) {
          assert.ok(bytes < WINDOW);
          const start = MEMORY_END - bytes;
          const ground = make(build, { start, bytes });
          if (ground.initialized === Result.E_ARGUMENT) {
            assert.ok(bytes <= 64);
            continue;
          }
          guard(ground, start, MEMORY_END);
          const result = ground.open();
          if (result > 0) {
            ground.works();
            ground.closes();
            break;
          }
          failures++;
          assert.equal(result, Result.E_MEMORY, `${bytes} bytes`);
          assert.equal(ground.open(), Result.E_MEMORY, "the second time");
          ground.isLeftAlone();
        }
        assert.ok(failures > 10);
      },
    );
  }
});

describe("private memory is E_ARGUMENT", () => {
  for (const [place, start, bytes] of [
    ["over the module's data", MODULE_BASE, 65_536],
    ["over the first of the module's data", 16, MODULE_BASE - 15],
    ["within the module's data", MODULE_BASE + 1024, 4096],
    ["over all of memory", 16, MEMORY_END - 16],
    ["from the module's data to the end", MODULE_BASE, MEMORY_END - MODULE_BASE],
    ["at 0", 0, 32 * 1024],
    ["of nothing", 1024 * 1024, 0],
    ["of 15 bytes", 1024 * 1024, 15],
    ["that ends behind 2^32", MEMORY_END - 1024 * 1024, 1024 * 1024 + 1],
    ["that ends far behind 2^32", MEMORY_END - 16, MEMORY_END - 1],
    ["in the last byte", MEMORY_END - 1, 1],
    ["in the last 8 bytes", MEMORY_END - 8, 8],
    ["in the last 15 bytes", MEMORY_END - 15, 15],
    ["in the last 16 bytes", MEMORY_END - 16, 16],
    ["in the last 31 bytes", MEMORY_END - 31, 31],
  ] as const) {
    onBothBuilds(`${place}, and other memory can be given afterwards`, (build) => {
      const ground = disk(build, { start, bytes });
      assert.equal(ground.initialized, Result.E_ARGUMENT);
      guard(ground, 0, 0);
      ground.check();
      const { exports } = ground.module;
      assert.equal(ground.open(), Result.E_INITIALIZE);
      assert.equal(exports.initialize(poolAtEnd.arena.start, 64 * 1024), Result.OK);
      ground.ok(ground.open());
      ground.works();
      ground.closes();
    });
  }

  onBothBuilds("over the last byte of the module's data", (build) => {
    const { heapBase } = disk(build, poolAtEnd.arena).module;
    assert.equal(disk(build, { start: heapBase - 1, bytes: 65_536 }).initialized, Result.E_ARGUMENT);
  });
});
