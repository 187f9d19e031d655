/**
 * Kernels whose `dma_address` says what cannot be. It is asked for the first byte of a page and speaks for all of it; an
 * answer that starts no page is none.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PAGE_BYTES } from "../../../kernel-shim/emulated-pc/memory/dma-pages.js";
import { BlockOperation, NO_ADDRESS, Result } from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk } from "../../raw-stack/raw-disk.js";
import type { RawGround } from "../../raw-stack/raw-ground.js";
import { RingReader } from "../../raw-stack/ring-reader.js";
import { onBothBuilds } from "../fixed/ground.js";

const QUESTIONS_MAX = 200;
/** The last page of 64 bits. */
const LAST_PAGE = 0xffff_ffff_ffff_f000n;
/** The first page that no 32-bit page number names. */
const BEYOND_PAGE_NUMBERS = 0x1000_0000_0000n;

const makers: Readonly<Record<string, (build: Build) => RawDisk | RawCard>> = {
  disk: (build) => new RawDisk({ build }, { queueSizes: [16] }),
  card: (build) => new RawCard({ build }, { queueSizes: [16, 16, 16] }),
};

/** Answers that no page of memory can have. */
const impossible: Readonly<Record<string, (right: bigint) => bigint>> = {
  "off by 1": (right) => right + 1n,
  "off by half a page": (right) => right + 2048n,
  "one byte short": (right) => right - 1n,
  "off by half a page, near 2^64": () => LAST_PAGE + 2048n,
  "the last byte but one of 64 bits": () => NO_ADDRESS - 1n,
  none: () => NO_ADDRESS,
};

/** The device sees nothing but what the kernel named: it works, or is not opened. */
function opensOrNot(ground: RawDisk | RawCard): number {
  const result = ground.open();
  if (result > 0) {
    ground.works();
    ground.closes();
  } else {
    assert.equal(result, Result.E_DMA_MEMORY);
  }
  ground.isLeftAlone();
  ground.checkViolations();
  return result;
}

/** Closed, and on an honest kernel, the device works. */
function recovers(ground: RawDisk | RawCard): void {
  ground.kernel.lies = {};
  ground.module.exports.forget_translations();
  ground.ok(ground.open());
  ground.works();
  ground.closes();
  ground.checkViolations();
}

/** Counts the questions, and lies to one of them. */
function lieOnce(ground: RawGround, number: number, lie: (right: bigint) => bigint): { asked: number } {
  const state = { asked: 0 };
  ground.module.exports.forget_translations();
  ground.kernel.lies.dma_address = (honest, pointer) =>
    ++state.asked === number ? lie(honest(pointer)) : honest(pointer);
  return state;
}

describe("the address of a page", () => {
  for (const [kind, make] of Object.entries(makers)) {
    onBothBuilds(`is asked for at its first byte, by a ${kind}`, (build) => {
      const ground = make(build);
      const asked: number[] = [];
      ground.kernel.lies.dma_address = (honest, pointer) => {
        asked.push(pointer);
        return honest(pointer);
      };
      ground.ok(ground.open());
      ground.works();
      ground.closes();
      assert.ok(asked.length > 3);
      assert.deepEqual(
        asked.filter((pointer) => pointer % PAGE_BYTES !== 0),
        [],
      );
    });

    for (const [how, lie] of Object.entries(impossible)) {
      onBothBuilds(`that is ${how} is none: no ${kind} is opened on such memory`, (build) => {
        const ground = make(build);
        ground.kernel.lies.dma_address = (honest, pointer) => {
          const right = honest(pointer);
          return right === NO_ADDRESS ? right : lie(right);
        };
        assert.equal(opensOrNot(ground), Result.E_DMA_MEMORY);
        recovers(ground);
      });

      onBothBuilds(`that is ${how} once, whenever a ${kind} asks, is none`, (build) => {
        const ground = make(build);
        let failures = 0;
        for (let number = 1; number < QUESTIONS_MAX; number++) {
          const state = lieOnce(ground, number, lie);
          const result = ground.open();
          const asked = state.asked;
          ground.kernel.lies = {};
          if (result > 0) {
            ground.works();
            ground.closes();
          } else {
            failures++;
            assert.equal(result, Result.E_DMA_MEMORY);
          }
          ground.isLeftAlone();
          ground.checkViolations();
          recovers(ground);
          if (asked < number) break;
        }
        assert.ok(failures >= 2, `${failures} of the answers decide`);
      });
    }

    onBothBuilds(`that changes from question to question opens a ${kind} or not, and nothing stays lent`, (build) => {
      const ground = make(build);
      for (let period = 1; period < 8; period++) {
        let asked = 0;
        ground.kernel.lies.dma_address = (honest, pointer) =>
          asked++ % (period + 1) === period ? honest(pointer) + 0x20_0000n : honest(pointer);
        const result = ground.open();
        if (result > 0) assert.ok(ground.module.exports.close(ground.handle) >= 0);
        else assert.equal(result, Result.E_DMA_MEMORY);
        ground.isLeftAlone();
        ground.takeViolations();
        recovers(ground);
      }
    });

    onBothBuilds(`beyond what a queue's register holds is E_DMA_MEMORY for a ${kind}'s ring`, (build) => {
      for (const base of [BEYOND_PAGE_NUMBERS, LAST_PAGE - 0x1000_0000n]) {
        const ground = make(build);
        ground.kernel.lies.dma_address = (honest, pointer) => base + (honest(pointer) % 0x1000_0000n);
        assert.equal(opensOrNot(ground), Result.E_DMA_MEMORY);
        recovers(ground);
      }
    });
  }
});

describe("the address of a page of the caller's", () => {
  for (const [how, lie] of Object.entries(impossible)) {
    onBothBuilds(`that is ${how} makes a request E_ADDRESS`, (build) => {
      const ground = new RawDisk({ build });
      ground.ok(ground.open());
      const { buffer } = ground;
      for (let wrong = 0; wrong < 3; wrong++) {
        ground.module.exports.forget_translations();
        ground.kernel.lies.dma_address = (honest, pointer) =>
          pointer === buffer + wrong * PAGE_BYTES ? lie(honest(pointer)) : honest(pointer);
        const segments = [{ pointer: buffer + 512, length: 3 * PAGE_BYTES - 512 }];
        assert.deepEqual(ground.submit({ operation: BlockOperation.WRITE, sector: 0, segments }), {
          accepted: 0,
          refusal: Result.E_ADDRESS,
        });
        assert.deepEqual(ground.poll(), []);
      }
      ground.kernel.lies = {};
      ground.module.exports.forget_translations();
      ground.works();
      ground.closes();
      ground.checkViolations();
    });

    onBothBuilds(`that is ${how} makes a frame E_ADDRESS`, (build) => {
      const ground = new RawCard({ build });
      ground.ok(ground.open());
      const { buffer } = ground;
      for (let wrong = 0; wrong < 2; wrong++) {
        ground.module.exports.forget_translations();
        ground.kernel.lies.dma_address = (honest, pointer) =>
          pointer === buffer + wrong * PAGE_BYTES ? lie(honest(pointer)) : honest(pointer);
        for (const header_room of [0, 64]) {
          const sent = ground.transmit([{ pointer: buffer + 3500, length: 1000 }], { header_room });
          assert.deepEqual(sent, { accepted: 0, refusal: Result.E_ADDRESS });
        }
        assert.deepEqual(ground.reclaim(), []);
      }
      ground.kernel.lies = {};
      ground.module.exports.forget_translations();
      ground.works();
      ground.closes();
      ground.checkViolations();
    });
  }

  onBothBuilds("that changes while a request is put together is one that the kernel gave", (build) => {
    const ground = new RawDisk({ build });
    ground.ok(ground.open());
    const ring = new RingReader(ground.device, 0);
    ground.device.faults.silent = true;
    const { buffer } = ground;
    for (let period = 1; period < 6; period++) {
      ground.module.exports.forget_translations();
      const given = new Set<bigint>();
      let asked = 0;
      ground.kernel.lies.dma_address = (honest, pointer) => {
        const answer = honest(pointer) + (asked++ % (period + 1) === period ? 0x40_0000n : 0n);
        given.add(answer);
        return answer;
      };
      const segments = [
        { pointer: buffer + 100, length: 2 * PAGE_BYTES },
        { pointer: buffer + 4096, length: 2 * PAGE_BYTES },
      ];
      const { accepted } = ground.submit({ operation: BlockOperation.READ, sector: 0, segments });
      assert.equal(accepted, 1);
      const data = ring.chain(ring.head(ring.published - 1)).slice(1, -1);
      assert.equal(
        data.reduce((bytes, { length }) => bytes + length, 0),
        4 * PAGE_BYTES,
      );
      for (const { address, length } of data) {
        const first = address - (address % BigInt(PAGE_BYTES));
        for (let page = first; page < address + BigInt(length); page += BigInt(PAGE_BYTES)) {
          assert.ok(given.has(page), `0x${page.toString(16)} is no answer of the kernel's`);
        }
      }
    }
    ground.kernel.lies = {};
    ground.ok(ground.module.exports.reset(ground.handle));
    assert.equal(ground.poll().length, 5);
    ground.module.exports.forget_translations();
    ground.device.faults.silent = false;
    ground.works();
    ground.closes();
  });
});
