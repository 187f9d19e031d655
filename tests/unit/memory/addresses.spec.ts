/** The table of physical addresses: what is asked of the kernel, what is remembered, and what is forgotten. */
import { NO_ADDRESS } from "../../../assembly/kernel";
import {
  contiguousBytes,
  forget_translations,
  forgetPages,
  physicalAddress,
  pointerRangeFits,
  rememberedRun,
} from "../../../assembly/memory/addresses";
import { random, seedRandom } from "../scripted/random";
import { memory_translate, script_clear, trace_count, Trace } from "../scripted/script";

const PAGE: u32 = 4096;
/** Pages this far apart share an entry of the table. */
const TABLE_BYTES: u32 = 512 * PAGE;
const POINTER: u32 = 0x9000_3000;
const PHYSICAL: u64 = 0x7_1234_5000;

function asked(): u32 {
  return trace_count(Trace.TRANSLATE);
}

/** Remembers so many pages from POINTER on, one behind the other. */
function remember(pages: u32): void {
  for (let index: u32 = 0; index < pages; index++) {
    memory_translate(POINTER + index * PAGE, PHYSICAL + index * PAGE);
    physicalAddress(POINTER + index * PAGE);
  }
}

beforeEach(() => {
  script_clear();
  forget_translations();
});

describe("physicalAddress", () => {
  it("asks once for each page, and adds the offset", () => {
    memory_translate(POINTER, PHYSICAL);
    expect(physicalAddress(POINTER + 5)).toBe(PHYSICAL + 5);
    expect(physicalAddress(POINTER)).toBe(PHYSICAL);
    expect(physicalAddress(POINTER + 4095)).toBe(PHYSICAL + 4095);
    expect(asked()).toBe(1);
    memory_translate(POINTER + PAGE, 0x8000);
    expect(physicalAddress(POINTER + PAGE)).toBe(0x8000);
    expect(asked()).toBe(2);
  });

  it("keeps apart two pages that share an entry", () => {
    const other = POINTER + TABLE_BYTES;
    memory_translate(POINTER, PHYSICAL);
    memory_translate(other, 0x5000);
    for (let turn: u32 = 0; turn < 3; turn++) {
      expect(physicalAddress(POINTER + turn)).toBe(PHYSICAL + turn);
      expect(physicalAddress(other + turn)).toBe(0x5000 + turn);
    }
    expect(asked()).toBe(6);
  });

  it("remembers the first and the last page of all", () => {
    memory_translate(0, 0x1000);
    memory_translate(0xffff_f000, 0x2000);
    for (let turn: u32 = 0; turn < 2; turn++) {
      expect(physicalAddress(7)).toBe(0x1007);
      expect(physicalAddress(0xffff_ffff)).toBe(0x2fff);
    }
    expect(asked()).toBe(2);
  });

  it("takes physical address 0 for an address", () => {
    memory_translate(POINTER, 0);
    expect(physicalAddress(POINTER + 1)).toBe(1);
    expect(physicalAddress(POINTER + 2)).toBe(2);
    expect(asked()).toBe(1);
  });

  it("takes an address that starts no page for none: the answer is for the whole page", () => {
    memory_translate(POINTER, PHYSICAL + 2048);
    expect(physicalAddress(POINTER)).toBe(NO_ADDRESS);
    expect(physicalAddress(POINTER + 2048)).toBe(NO_ADDRESS);
    memory_translate(POINTER, PHYSICAL + 1);
    expect(physicalAddress(POINTER)).toBe(NO_ADDRESS);
  });

  it("asks again where there was no address", () => {
    expect(physicalAddress(POINTER)).toBe(NO_ADDRESS);
    expect(physicalAddress(POINTER + 1)).toBe(NO_ADDRESS);
    expect(asked()).toBe(2);
    memory_translate(POINTER, PHYSICAL);
    expect(physicalAddress(POINTER + 2)).toBe(PHYSICAL + 2);
  });

  it("keeps what shared an entry with a page that has no address", () => {
    memory_translate(POINTER, PHYSICAL);
    physicalAddress(POINTER);
    expect(physicalAddress(POINTER + TABLE_BYTES)).toBe(NO_ADDRESS);
    expect(physicalAddress(POINTER)).toBe(PHYSICAL);
    expect(asked()).toBe(2);
  });

  it("is right about 2,000 random pages, some of which move", () => {
    seedRandom(7);
    const pages = new StaticArray<u64>(2000);
    let wrong: u32 = 0;
    for (let step = 0; step < 20_000; step++) {
      const page = random(2000);
      const pointer = 0x4000_0000 + page * PAGE;
      if (pages[page] == 0 || random(10) == 0) {
        pages[page] = <u64>(random(0x10_0000) + 1) * PAGE;
        memory_translate(pointer, pages[page]);
        forgetPages(pointer, 1);
      }
      const offset = random(PAGE);
      if (physicalAddress(pointer + offset) != pages[page] + offset) wrong++;
    }
    expect(wrong).toBe(0);
  });
});

describe("forgetting", () => {
  it("of everything makes the stack ask again", () => {
    memory_translate(POINTER, PHYSICAL);
    physicalAddress(POINTER);
    memory_translate(POINTER, 0x6000);
    expect(physicalAddress(POINTER)).toBe(PHYSICAL, "an answer is kept until it is forgotten");
    forget_translations();
    expect(physicalAddress(POINTER)).toBe(0x6000);
  });

  it("of everything reaches the first and the last entry", () => {
    for (let index: u32 = 0; index < 512; index++) {
      memory_translate(0x4000_0000 + index * PAGE, 0x10_0000 + index * PAGE);
      physicalAddress(0x4000_0000 + index * PAGE);
    }
    expect(asked()).toBe(512);
    forget_translations();
    for (let index: u32 = 0; index < 512; index++) physicalAddress(0x4000_0000 + index * PAGE);
    expect(asked()).toBe(1024);
  });

  it("of pages leaves their neighbours", () => {
    for (let index: u32 = 0; index < 4; index++) {
      memory_translate(POINTER + index * PAGE, PHYSICAL + index * PAGE);
      physicalAddress(POINTER + index * PAGE);
    }
    forgetPages(POINTER + PAGE, 2);
    physicalAddress(POINTER);
    physicalAddress(POINTER + 3 * PAGE);
    expect(asked()).toBe(4);
    physicalAddress(POINTER + PAGE);
    physicalAddress(POINTER + 2 * PAGE);
    expect(asked()).toBe(6);
  });

  it("of pages leaves a page that took over the entry", () => {
    memory_translate(POINTER, PHYSICAL);
    memory_translate(POINTER + TABLE_BYTES, 0x7000);
    physicalAddress(POINTER);
    physicalAddress(POINTER + TABLE_BYTES);
    forgetPages(POINTER, 1);
    physicalAddress(POINTER + TABLE_BYTES);
    expect(asked()).toBe(2);
  });
});

describe("contiguousBytes", () => {
  it("asks for no page beyond the range", () => {
    memory_translate(POINTER, PHYSICAL);
    expect(contiguousBytes(POINTER + 100, 200, PHYSICAL + 100)).toBe(200);
    expect(contiguousBytes(POINTER + 100, PAGE - 100, PHYSICAL + 100)).toBe(PAGE - 100);
    expect(contiguousBytes(POINTER, PAGE, PHYSICAL)).toBe(PAGE);
    expect(asked()).toBe(0);
  });

  it("goes on for as long as pages follow each other", () => {
    for (let index: u32 = 0; index < 5; index++) memory_translate(POINTER + index * PAGE, PHYSICAL + index * PAGE);
    expect(contiguousBytes(POINTER + 100, PAGE, PHYSICAL + 100)).toBe(PAGE);
    expect(contiguousBytes(POINTER + 4095, 2, PHYSICAL + 4095)).toBe(2);
    expect(contiguousBytes(POINTER, 5 * PAGE, PHYSICAL)).toBe(5 * PAGE);
    expect(contiguousBytes(POINTER + 1, 5 * PAGE - 1, PHYSICAL + 1)).toBe(5 * PAGE - 1);
  });

  it("ends at the boundary to a page that lies elsewhere", () => {
    memory_translate(POINTER, PHYSICAL);
    memory_translate(POINTER + PAGE, PHYSICAL + 2 * PAGE);
    expect(contiguousBytes(POINTER + 96, 2 * PAGE - 96, PHYSICAL + 96)).toBe(PAGE - 96);
    memory_translate(POINTER + 2 * PAGE, PHYSICAL + 3 * PAGE);
    expect(contiguousBytes(POINTER + PAGE + 4, PAGE, PHYSICAL + 2 * PAGE + 4)).toBe(PAGE);
    forget_translations();
    memory_translate(POINTER + PAGE, PHYSICAL - PAGE);
    expect(contiguousBytes(POINTER, 2 * PAGE, PHYSICAL)).toBe(PAGE, "a page before the other");
  });

  it("ends at the boundary to a page that is not lent", () => {
    memory_translate(POINTER, PHYSICAL);
    expect(contiguousBytes(POINTER + 10, PAGE, PHYSICAL + 10)).toBe(PAGE - 10);
  });

  it("reaches the last byte there is, and no further", () => {
    const pointer: u32 = 0xffff_d000;
    for (let index: u32 = 0; index < 3; index++) memory_translate(pointer + index * PAGE, PHYSICAL + index * PAGE);
    // Where a count that wrapped around would find itself.
    memory_translate(0, PHYSICAL + 3 * PAGE);
    expect(contiguousBytes(pointer, 3 * PAGE, PHYSICAL)).toBe(3 * PAGE);
    expect(contiguousBytes(pointer + 1, 3 * PAGE - 1, PHYSICAL + 1)).toBe(3 * PAGE - 1);
    expect(contiguousBytes(pointer + 2 * PAGE + 8, PAGE - 8, PHYSICAL + 2 * PAGE + 8)).toBe(PAGE - 8);
    memory_translate(0xffff_f000, 0x3000);
    forget_translations();
    expect(contiguousBytes(pointer, 3 * PAGE, PHYSICAL)).toBe(2 * PAGE);
  });
});

describe("rememberedRun", () => {
  it("is all of a range whose pages follow each other, and no more", () => {
    remember(4);
    expect(rememberedRun(POINTER + 100, 200, PHYSICAL + 100)).toBe(200);
    expect(rememberedRun(POINTER + 100, PAGE, PHYSICAL + 100)).toBe(PAGE);
    expect(rememberedRun(POINTER, 2 * PAGE, PHYSICAL)).toBe(2 * PAGE);
    expect(rememberedRun(POINTER + 1, 3 * PAGE, PHYSICAL + 1)).toBe(3 * PAGE);
    expect(rememberedRun(POINTER, 4 * PAGE, PHYSICAL)).toBe(4 * PAGE);
    expect(asked()).toBe(4);
  });

  it("ends at a page that lies elsewhere", () => {
    remember(1);
    memory_translate(POINTER + PAGE, PHYSICAL + 2 * PAGE);
    physicalAddress(POINTER + PAGE);
    expect(rememberedRun(POINTER + 1, 2 * PAGE, PHYSICAL + 1)).toBe(PAGE - 1);
    forget_translations();
    remember(2);
    expect(rememberedRun(POINTER + 1, 3 * PAGE, PHYSICAL + 1)).toBe(2 * PAGE - 1);
  });

  it("ends at a page that was forgotten, or whose place in the table another page has", () => {
    remember(2);
    forgetPages(POINTER + PAGE, 1);
    expect(rememberedRun(POINTER, 2 * PAGE, PHYSICAL)).toBe(PAGE);
    memory_translate(POINTER + PAGE + TABLE_BYTES, PHYSICAL + PAGE);
    physicalAddress(POINTER + PAGE + TABLE_BYTES);
    expect(rememberedRun(POINTER, 2 * PAGE, PHYSICAL)).toBe(PAGE);
    expect(asked()).toBe(3);
  });
});

describe("pointerRangeFits", () => {
  it("lets a range end where pointers do", () => {
    expect(pointerRangeFits(0xffff_ffff, 1)).toBe(true);
    expect(pointerRangeFits(1, 0xffff_ffff)).toBe(true);
    expect(pointerRangeFits(0, 0xffff_ffff)).toBe(true);
    expect(pointerRangeFits(0xffff_ffff, 2)).toBe(false);
    expect(pointerRangeFits(2, 0xffff_ffff)).toBe(false);
    expect(pointerRangeFits(0xffff_ffff, 0xffff_ffff)).toBe(false);
  });
});
