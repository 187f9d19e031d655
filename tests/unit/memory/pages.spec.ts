/** Pages borrowed from the kernel. */
import { NO_ADDRESS } from "../../../assembly/kernel";
import { forget_translations, physicalAddress } from "../../../assembly/memory/addresses";
import { allocatePages, freePages, pagesFor } from "../../../assembly/memory/pages";
import { arenaAddress, freshArena } from "../scripted/arena";
import {
  memory_answer,
  memory_borrowed,
  memory_fail_after,
  memory_lend,
  memory_physical,
  memory_read32,
  memory_translate,
  script_clear,
  Trace,
  trace_count,
} from "../scripted/script";

beforeEach(() => {
  script_clear();
  forget_translations();
});

describe("pagesFor", () => {
  it("rounds up", () => {
    expect(pagesFor(1)).toBe(1);
    expect(pagesFor(4096)).toBe(1);
    expect(pagesFor(4097)).toBe(2);
    expect(pagesFor(0x100_0000)).toBe(4096);
  });
});

describe("allocatePages", () => {
  it("borrows zeroed whole pages, and gives exactly those back", () => {
    const pointer = allocatePages(4097);
    expect(pointer & 4095).toBe(0);
    expect(memory_borrowed()).toBe(2);
    expect(memory_read32(pointer + 8188)).toBe(0);
    freePages(pointer, 4097);
    expect(memory_borrowed()).toBe(0);
  });

  it("gives nothing when the kernel has nothing", () => {
    memory_fail_after(0);
    expect(allocatePages(1)).toBe(0);
    expect(trace_count(Trace.FREE)).toBe(0);
  });

  it("gives back at once what does not start a page", () => {
    memory_answer(memory_lend(2) + 16);
    expect(allocatePages(4096)).toBe(0);
    expect(memory_borrowed()).toBe(0);
  });

  it("gives back at once what devices cannot reach", () => {
    const pointer = memory_lend(2);
    memory_translate(pointer, NO_ADDRESS);
    memory_answer(pointer);
    expect(allocatePages(8192)).toBe(0);
    expect(memory_borrowed()).toBe(0);
  });

  it("gives back at once pages that are not contiguous, whichever of them lies apart", () => {
    for (let apart: u32 = 0; apart < 3; apart++) {
      const pointer = memory_lend(3);
      memory_translate(pointer + apart * 4096, 0x7_0000_0000);
      memory_answer(pointer);
      expect(allocatePages(3 * 4096)).toBe(0);
      expect(memory_borrowed()).toBe(0);
    }
  });

  it("gives back at once pages of which a device could not be told, since they start in the middle of one", () => {
    const pointer = memory_lend(1);
    memory_translate(pointer, 0x7_0000_0800);
    memory_answer(pointer);
    expect(allocatePages(4096)).toBe(0);
    expect(memory_borrowed()).toBe(0);
  });

  it("gives back at once what lies over private memory or the module's own data, or beyond linear memory", () => {
    if (isDefined(PORTED)) return;
    freshArena();
    const wrong: u32[] = [arenaAddress & ~4095, (<u32>__heap_base) & ~4095, (<u32>memory.size()) << 16, 0xffff_f000];
    for (let index = 0; index < wrong.length; index++) {
      memory_translate(wrong[index], 0x7_0000_0000 + index * 4096);
      memory_answer(wrong[index]);
      expect(allocatePages(4096)).toBe(0);
      expect(memory_borrowed()).toBe(0);
    }
  });

  it("does not take an old address for the new one", () => {
    const first = allocatePages(8192);
    const before = physicalAddress(first + 4096);
    freePages(first, 8192);
    expect(allocatePages(8192)).toBe(first, "the same pointer");
    expect(physicalAddress(first + 4096)).not.toBe(before);
    expect(physicalAddress(first + 4096)).toBe(memory_physical(first + 4096));
  });
});

describe("freePages", () => {
  it("does nothing for 0", () => {
    freePages(0, 4096);
    expect(trace_count(Trace.FREE)).toBe(0);
  });
});
