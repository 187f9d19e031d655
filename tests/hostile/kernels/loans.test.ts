/**
 * Kernels whose `dma_alloc` gives something else than was asked for. Whatever it is goes back at once, and the device is
 * not opened: E_DMA_MEMORY, or the stack does without.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PAGE_BYTES } from "../../../kernel-shim/emulated-pc/memory/dma-pages.js";
import { NO_ADDRESS, Result } from "../../../kernel-shim/javascript/abi.js";
import { MODULE_BASE } from "../../raw-stack/raw-module.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk } from "../../raw-stack/raw-disk.js";
import type { RawGround } from "../../raw-stack/raw-ground.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { onBothBuilds } from "../fixed/ground.js";

const LOANS_MAX = 64;
/** Where the arena is, so that a page can begin in it, before it and at its end. */
const ARENA = { start: 0x2_0800, bytes: 0x1_0000 };
const RECORDS = 0x4_0000;

/** What a loan of so many pages is in place of what was asked for. */
type Loan = (ground: RawGround, pages: number) => number;

/** Loans that are no memory of the kernel's, or lie wrong. Nothing may ever be written there. */
const places: Readonly<Record<string, Loan>> = {
  "over the beginning of the arena": () => 0x2_0000,
  "within the arena": () => 0x2_4000,
  "over the end of the arena": () => 0x3_0000,
  "whose last page is the arena's": (_, pages) => 0x2_0000 - (pages - 1) * PAGE_BYTES,
  "over the module's data": () => MODULE_BASE,
  "over the end of the module's data": ({ module }) => (module.heapBase - 1) & -PAGE_BYTES,
  "whose last page is the module's data": (_, pages) => MODULE_BASE - (pages - 1) * PAGE_BYTES,
  "behind linear memory": ({ module }) => module.memory.buffer.byteLength,
  "far behind linear memory": () => 0x8000_0000,
  "that only begins in linear memory": ({ module }, pages) =>
    module.memory.buffer.byteLength - (pages > 1 ? PAGE_BYTES : 0),
  "at the last page there can be": () => 0xffff_f000,
};

/** Where a page of a loan lies, but the first, when the kernel says where it would have to. */
const apart: Readonly<Record<string, (right: bigint, isLast: boolean) => bigint>> = {
  "the last far from the others": (right, isLast) => (isLast ? right + 0x1_0000_0000n : right),
  "each far from the first": (right) => right + 0x10_0000n,
  "each where the one before is": (right) => right - BigInt(PAGE_BYTES),
  "the last nowhere": (right, isLast) => (isLast ? NO_ADDRESS : right),
  "the last half a page on": (right, isLast) => (isLast ? right + 2048n : right),
};

/** Small rings, so that there are few loans; all there is of them. */
const makers: Readonly<Record<string, (build: Build) => RawDisk | RawCard>> = {
  disk: (build) => new RawDisk({ build, arena: ARENA, records: RECORDS }, { queueSizes: [64] }),
  card: (build) => new RawCard({ build, arena: ARENA, records: RECORDS }, { queueSizes: [16, 16, 16] }),
};

/** How many loans a device cannot do without at least: its rings. A disk that gets no tables asks for less. */
function needed(kind: string): number {
  return kind === "disk" ? 1 : 2;
}

/**
 * Opens the device again and again; the first, second, … loan is the wrong one. Each time that fails, everything is given
 * back and the next open, with an honest kernel, works.
 *
 * @param begin says what a kernel with a wrong loan answers from now on
 */
function lieAtEveryPoint(ground: RawDisk | RawCard, begin: (point: number) => { asked: number }): number {
  let failures = 0;
  for (let point = 1; point < LOANS_MAX; point++) {
    const state = begin(point);
    const result = ground.open();
    if (result < 0) {
      failures++;
      assert.equal(result, Result.E_DMA_MEMORY);
    } else {
      // Without the loan: it went back at once.
      ground.closes();
    }
    ground.isLeftAlone();
    ground.kernel.lies = {};
    ground.module.exports.forget_translations();
    ground.ok(ground.open());
    ground.works();
    ground.closes();
    if (state.asked < point) break;
  }
  ground.checkViolations();
  return failures;
}

/** The loan with that number is another one; what the kernel itself lent is given back where the stack does so. */
function lendElsewhere(ground: RawGround, point: number, loan: Loan): { asked: number } {
  const state = { asked: 0 };
  const lies = ground.kernel.lies;
  let wrong = -1;
  lies.dma_alloc = (honest, pages) => {
    state.asked++;
    if (state.asked !== point) return honest(pages);
    wrong = loan(ground, pages);
    return wrong;
  };
  lies.dma_free = (honest, pointer, pages) => {
    if (pointer !== wrong) honest(pointer, pages);
  };
  // Devices reach it, if the kernel is to be believed.
  lies.dma_address = (honest, pointer) => {
    const address = honest(pointer);
    return address === NO_ADDRESS ? BigInt(pointer) : address;
  };
  return state;
}

describe("a loan that is not aligned", () => {
  for (const off of [1, 8, 2048, 4095]) {
    for (const [kind, make] of Object.entries(makers)) {
      onBothBuilds(`off by ${off}, to a ${kind}, is refused and given back`, (build) => {
        const ground = make(build);
        const failures = lieAtEveryPoint(ground, (point) => {
          const state = { asked: 0 };
          let wrong = -1;
          const { lies } = ground.kernel;
          lies.dma_alloc = (honest, pages) => {
            state.asked++;
            const pointer = honest(pages);
            if (state.asked !== point) return pointer;
            wrong = pointer + off;
            return wrong;
          };
          lies.dma_free = (honest, pointer, pages) => honest(pointer === wrong ? pointer - off : pointer, pages);
          return state;
        });
        assert.ok(failures >= needed(kind));
      });
    }
  }
});

describe("a loan that does not lie where it can be used", () => {
  for (const [place, loan] of Object.entries(places)) {
    for (const [kind, make] of Object.entries(makers)) {
      // A pointer of the ported build names no place in linear memory.
      it(`${place}, to a ${kind}, is refused and given back, and nothing is written there: mapped`, () => {
        const ground = make("mapped");
        const { module, canaries } = ground;
        canaries.add(0, MODULE_BASE);
        canaries.add(module.heapBase, ARENA.start);
        canaries.add(ARENA.start + ARENA.bytes, RECORDS);
        const failures = lieAtEveryPoint(ground, (point) => lendElsewhere(ground, point, loan));
        assert.ok(failures >= needed(kind));
      });
    }
  }

  onBothBuilds("because it ends behind 2^32 is refused and given back", (build) => {
    const ground = new RawDisk({ build });
    const failures = lieAtEveryPoint(ground, (point) => {
      const state = lendElsewhere(ground, point, (_, pages) => (pages > 1 ? 0xffff_f000 : 0));
      // The pages at 0 lie behind the last one.
      ground.kernel.lies.dma_address = (honest, pointer) => {
        const address = honest(pointer);
        if (address !== NO_ADDRESS) return address;
        return BigInt(pointer) + (pointer < 0x8000_0000 ? 1n << 32n : 0n);
      };
      return state;
    });
    assert.ok(failures >= needed("disk"));
  });
});

describe("a loan whose pages are not one piece", () => {
  for (const [kind, make] of Object.entries(makers)) {
    for (const [how, lie] of Object.entries(apart)) {
      onBothBuilds(`${how}, to a ${kind}, is refused and given back`, (build) => {
        const ground = make(build);
        const failures = lieAtEveryPoint(ground, (point) => {
          const state = { asked: 0 };
          const { lies } = ground.kernel;
          let first = -1;
          let last = -1;
          lies.dma_alloc = (honest, pages) => {
            const pointer = honest(pages);
            if (++state.asked !== point || pages === 1) return pointer;
            first = pointer >>> 0;
            last = first + (pages - 1) * PAGE_BYTES;
            return pointer;
          };
          lies.dma_address = (honest, pointer) => {
            const isLater = pointer > first && pointer <= last && first >= 0;
            return isLater ? lie(honest(pointer), pointer === last) : honest(pointer);
          };
          return state;
        });
        // The rings have several pages.
        assert.ok(failures >= ground.device.queues.filter(({ size }) => size > 0).length - 1);
        assert.ok(failures >= 1);
      });
    }
  }
});
