/** Where the parts of a ring lie, what its fields are, and when an index has passed another. */
import {
  availableOffset,
  needEvent,
  readAvailEvent,
  readFlags,
  readIndex,
  ringBytes,
  usedElement,
  usedOffset,
  writeAvailable,
  writeDescriptor,
  writeFlags,
  writeIndex,
  writeUsedEvent,
} from "../../../../assembly/virtio/queue/layout";
import { availableAt, usedAt } from "../../scripted/ring";
import {
  memory_lend,
  memory_read16,
  memory_read32,
  memory_write16,
  memory_write32,
  script_clear,
} from "../../scripted/script";

let page: u32 = 0;

/** Whether one of the steps from `before` to `now` is the one behind `event`. */
function passes(event: u32, before: u32, steps: u32): bool {
  for (let step: u32 = 0; step < steps; step++) {
    if (((before + step) & 0xffff) == event) return true;
  }
  return false;
}

describe("layout", () => {
  it("is the specification's for every queue size there is", () => {
    let sizes = 0;
    for (let size: u32 = 1; size <= 32768; size *= 2) {
      expect(availableOffset(size)).toBe(availableAt(size));
      expect(usedOffset(size)).toBe(usedAt(size));
      const usedBytes = 2 * 3 + 8 * size;
      expect(ringBytes(size)).toBe(usedAt(size) + (usedBytes / 4096 + (usedBytes % 4096 == 0 ? 0 : 1)) * 4096);
      sizes++;
    }
    expect(sizes).toBe(16);
  });

  it("is what is known of some sizes", () => {
    expect(usedOffset(2)).toBe(4096);
    expect(ringBytes(2)).toBe(8192);
    expect(usedOffset(256)).toBe(8192);
    expect(ringBytes(256)).toBe(12288);
    // Both event indices just do not fit into the pages of the elements.
    expect(usedOffset(32768)).toBe(593_920);
    expect(ringBytes(512)).toBe(12288 + 8192);
    expect(ringBytes(32768)).toBe(593_920 + 266_240);
  });
});

describe("fields", () => {
  beforeEach(() => {
    script_clear();
    page = memory_lend(1);
  });

  it("of a descriptor", () => {
    memory_write32(page + 16, 0xffff_ffff);
    writeDescriptor(page, 0x0123_4567_89ab_cdef, 0xfedc_ba98, 3, 0x7654);
    expect(memory_read32(page)).toBe(0x89ab_cdef);
    expect(memory_read32(page + 4)).toBe(0x0123_4567);
    expect(memory_read32(page + 8)).toBe(0xfedc_ba98);
    expect(memory_read16(page + 12)).toBe(3);
    expect(memory_read16(page + 14)).toBe(0x7654);
    expect(memory_read32(page + 16)).toBe(0xffff_ffff);
  });

  it("of the available ring", () => {
    writeFlags(page, 1);
    writeIndex(page, 0xabcd);
    writeAvailable(page, 0, 0x1111);
    writeAvailable(page, 7, 0x8888);
    writeUsedEvent(page, 8, 0x9999);
    expect(memory_read16(page)).toBe(1);
    expect(memory_read16(page + 2)).toBe(0xabcd);
    expect(memory_read16(page + 4)).toBe(0x1111);
    expect(memory_read16(page + 4 + 14)).toBe(0x8888);
    expect(memory_read16(page + 4 + 16)).toBe(0x9999);
  });

  it("of the used ring", () => {
    memory_write16(page, 1);
    memory_write16(page + 2, 0xfff0);
    memory_write16(page + 4 + 8 * 8, 0xbeef);
    expect(readFlags(page)).toBe(1);
    expect(readIndex(page)).toBe(0xfff0);
    expect(usedElement(page, 0)).toBe(page + 4);
    expect(usedElement(page, 7)).toBe(page + 4 + 56);
    expect(readAvailEvent(page, 8)).toBe(0xbeef);
  });
});

describe("needEvent", () => {
  it("is right about every event index, for moves of 0 to 40 near every place where indices wrap or turn negative", () => {
    const places: u32[] = [0, 1, 0x7fd8, 0x7fff, 0x8000, 0xffd8, 0xfffe, 0xffff];
    let wrong: u32 = 0;
    let needed: u32 = 0;
    for (let place = 0; place < places.length; place++) {
      const before = places[place];
      for (let steps: u32 = 0; steps <= 40; steps++) {
        const now = (before + steps) & 0xffff;
        for (let event: u32 = 0; event <= 0xffff; event++) {
          const expected = ((event - before) & 0xffff) < steps;
          needed += expected ? 1 : 0;
          if (needEvent(event, now, before) != expected) wrong++;
        }
      }
    }
    expect(wrong).toBe(0);
    expect(needed).toBe((8 * 40 * 41) / 2);
  });

  it("is right about every move, with the event index at either end of it", () => {
    let wrong: u32 = 0;
    for (let steps: u32 = 1; steps <= 0xffff; steps++) {
      const before: u32 = 0xfff0;
      const now = (before + steps) & 0xffff;
      if (!needEvent(before, now, before)) wrong++;
      if (!needEvent((now - 1) & 0xffff, now, before)) wrong++;
      if (needEvent(now, now, before)) wrong++;
      if (needEvent((before - 1) & 0xffff, now, before)) wrong++;
    }
    expect(wrong).toBe(0);
  });

  it("agrees with counting step by step", () => {
    let wrong: u32 = 0;
    for (let before: u32 = 0xfff8; before < 0x1_0008; before++) {
      for (let steps: u32 = 0; steps < 20; steps++) {
        for (let event: u32 = 0xffe0; event < 0x1_0030; event++) {
          const expected = passes(event & 0xffff, before & 0xffff, steps);
          if (needEvent(event & 0xffff, (before + steps) & 0xffff, before & 0xffff) != expected) wrong++;
        }
      }
    }
    expect(wrong).toBe(0);
  });
});
