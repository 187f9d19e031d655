/**
 * Buffers, rings and receive buffers at both ends of what a pointer can name: the first page that can be lent, and the
 * last, whose last byte is the last before 2^32.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PAGE_BYTES } from "../../../kernel-shim/emulated-pc/memory/dma-pages.js";
import { BlockOperation, Result, type Segment } from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { onBothBuilds } from "../../hostile/fixed/ground.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk, SECTOR_BYTES } from "../../raw-stack/raw-disk.js";
import type { RawGround } from "../../raw-stack/raw-ground.js";
import { inWholeMemory, MEMORY_END, type Places, poolAtEnd, poolAtStart } from "../../raw-stack/whole-memory.js";

/** Header and frame apart. */
const NO_FEATURES = 0;
/** The machine lends the last 96 pages. */
const PAGES = 96;
const lastPages: Places = { ...poolAtEnd, pool: { start: MEMORY_END - PAGES * PAGE_BYTES, end: MEMORY_END } };

/** Lends all that is left, up to the last page; returns where it begins. */
function lendToTheEnd(ground: RawGround, scattered: boolean): number {
  for (let pages = PAGES; pages > 0; pages--) {
    let pointer: number;
    try {
      pointer = ground.allocate(pages * PAGE_BYTES, { scattered });
    } catch {
      continue;
    }
    if (pointer + pages * PAGE_BYTES === MEMORY_END) return pointer;
    ground.free(pointer);
  }
  return assert.fail("the last page can be lent");
}

const fromEnd = (bytes: number, length = bytes): Segment => ({ pointer: MEMORY_END - bytes, length });

/** Pieces of requests and frames that end at 2^32, or nearly, and those before them in the same request. */
const lastPieces: Readonly<Record<string, readonly Segment[]>> = {
  "the last sector": [fromEnd(512)],
  "the last page": [fromEnd(4096)],
  "the last pages": [fromEnd(3 * 4096)],
  "across pages to the end": [fromEnd(8192 + 512)],
  "off by one, to the end": [fromEnd(1024, 1), fromEnd(1023, 511), fromEnd(512)],
  "the last byte on its own": [fromEnd(512, 511), fromEnd(1)],
  "the last bytes, one by one": Array.from({ length: 16 }, (_, index) =>
    index === 0 ? fromEnd(512, 497) : fromEnd(16 - index, 1),
  ),
  "the end first": [fromEnd(512), fromEnd(8192, 1024)],
  "short of the end": [fromEnd(513, 512)],
};

describe("a buffer at the end of memory", () => {
  for (const [place, segments] of Object.entries(lastPieces)) {
    for (const scattered of [false, true]) {
      onBothBuilds(`${place}${scattered ? ", pages apart" : ""}: data moves`, (build) => {
        const disk = new RawDisk(inWholeMemory(build, lastPages), { queueSizes: [64] });
        disk.ok(disk.open());
        lendToTheEnd(disk, scattered);
        disk.moves(segments);
        disk.moves(segments, 8);
        disk.closes();
        disk.checkViolations();
      });

      onBothBuilds(`${place}${scattered ? ", pages apart" : ""}: frames go out`, (build) => {
        const bytes = segments.reduce((sum, { length }) => sum + length, 0);
        for (const features of [undefined, NO_FEATURES]) {
          const options = features === undefined ? {} : { features };
          const card = new RawCard(inWholeMemory(build, lastPages), { queueSizes: [16, 64, 0], ...options });
          card.ok(card.open());
          lendToTheEnd(card, scattered);
          for (const header_room of [0, 64]) {
            if (bytes <= 1514) card.sends(segments, { header_room });
            else assert.equal(card.transmit(segments, { header_room }).refusal, Result.E_FRAME_SIZE);
          }
          card.closes();
          card.checkViolations();
        }
      });
    }
  }

  onBothBuilds("that would go on behind 2^32 is E_SEGMENTS", (build) => {
    const disk = new RawDisk(inWholeMemory(build, lastPages));
    disk.ok(disk.open());
    lendToTheEnd(disk, false);
    for (const segment of [fromEnd(512, 1024), fromEnd(1, 512), fromEnd(1, 2), fromEnd(4096, 0xffff_ffff)]) {
      for (const segments of [[segment], [fromEnd(512), segment], [segment, fromEnd(512)]]) {
        const refused = disk.submit({ operation: BlockOperation.WRITE, segments });
        assert.deepEqual(refused, { accepted: 0, refusal: Result.E_SEGMENTS });
      }
    }
    disk.works();
    disk.closes();
    disk.checkViolations();
  });

  onBothBuilds("is E_ADDRESS when the last page is not lent, and so are the first bytes of all", (build) => {
    const disk = new RawDisk(inWholeMemory(build, { ...poolAtEnd, pool: { start: 2 ** 31, end: 2 ** 31 + 2 ** 20 } }));
    disk.ok(disk.open());
    for (const segment of [fromEnd(512), fromEnd(4096), { pointer: 0, length: 512 }, { pointer: 1, length: 512 }]) {
      const refused = disk.submit({ operation: BlockOperation.READ, segments: [segment] });
      assert.deepEqual(refused, { accepted: 0, refusal: Result.E_ADDRESS });
    }
    disk.works();
    disk.closes();
    disk.checkViolations();
  });
});

describe("a buffer at the start of memory", () => {
  onBothBuilds("in the first page that is lent: data moves, frames go out", (build) => {
    const disk = new RawDisk(inWholeMemory(build, poolAtStart), { queueSizes: [16] });
    // The first that the kernel lends.
    assert.equal(disk.buffer, PAGE_BYTES);
    disk.ok(disk.open());
    disk.moves([{ pointer: PAGE_BYTES, length: SECTOR_BYTES }]);
    disk.moves([{ pointer: PAGE_BYTES, length: 4 * PAGE_BYTES }]);
    const before = disk.submit({
      operation: BlockOperation.READ,
      segments: [{ pointer: PAGE_BYTES - 1, length: 512 }],
    });
    assert.deepEqual(before, { accepted: 0, refusal: Result.E_ADDRESS });
    disk.closes();
    disk.checkViolations();

    const card = new RawCard(inWholeMemory(build, poolAtStart), { features: 2 ** 27, queueSizes: [8, 8] });
    card.ok(card.open());
    for (const header_room of [0, 64]) card.sends([{ pointer: PAGE_BYTES, length: 60 }], { header_room });
    card.sends([{ pointer: PAGE_BYTES + 10, length: 60 }], { header_room: 10 });
    card.receives(1000);
    card.closes();
    card.checkViolations();
  });
});

/** Lends so much that no more than these pages are left, which are the last. */
function leavePages(ground: RawGround, pages: number): void {
  // In the ported build, what is lent begins further down.
  const all = lendToTheEnd(ground, false);
  ground.free(all);
  const left = (MEMORY_END - all) / PAGE_BYTES;
  assert.ok(left > pages);
  ground.allocate((left - pages) * PAGE_BYTES);
}

const makers: Readonly<Record<string, (build: Build) => RawDisk | RawCard>> = {
  disk: (build) => new RawDisk(inWholeMemory(build, lastPages), { queueSizes: [16] }),
  card: (build) => new RawCard(inWholeMemory(build, lastPages), { queueSizes: [16, 16] }),
  "card without MRG_RXBUF": (build) =>
    new RawCard(inWholeMemory(build, lastPages), { queueSizes: [16, 16], features: 2 ** 27 }),
};

describe("what the stack borrows at the end of memory", () => {
  for (const [kind, make] of Object.entries(makers)) {
    onBothBuilds(`is too little for a ${kind}, page by page, until it is enough`, (build) => {
      let failures = 0;
      let worked = 0;
      for (let pages = 1; worked < 3; pages++) {
        const ground = make(build);
        leavePages(ground, pages);
        const result = ground.open();
        if (result > 0) {
          const ends = [...ground.kernel.lent].map(([pointer, count]) => pointer + count * PAGE_BYTES);
          if (worked === 0) assert.equal(Math.max(...ends), MEMORY_END);
          worked++;
          for (let again = 0; again < 20; again++) ground.works();
          assert.equal(ground.module.exports.reset(ground.handle), Result.OK);
          ground.works();
          ground.closes();
        } else {
          assert.equal(result, Result.E_DMA_MEMORY);
          assert.equal(worked, 0);
          failures++;
        }
        ground.isLeftAlone();
        ground.checkViolations();
      }
      assert.ok(failures >= 2);
    });
  }
});
