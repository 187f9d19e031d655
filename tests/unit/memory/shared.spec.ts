/** Access to the memory that devices reach, in whichever of the two ways the stack was built with. */
import { read16, read32, read8, write16, write32, write64, write8, zero } from "../../../assembly/memory/shared";
import {
  memory_lend,
  memory_read16,
  memory_read32,
  memory_read8,
  memory_write32,
  script_clear,
} from "../scripted/script";

let page: u32 = 0;

beforeEach(() => {
  script_clear();
  page = memory_lend(2);
});

describe("reading", () => {
  it("takes the width asked for, lowest byte first, without a sign", () => {
    memory_write32(page + 8, 0x89ab_cdef);
    expect(read32(page + 8)).toBe(0x89ab_cdef);
    expect(read16(page + 8)).toBe(0xcdef);
    expect(read16(page + 10)).toBe(0x89ab);
    expect(read8(page + 8)).toBe(0xef);
    expect(read8(page + 11)).toBe(0x89);
  });
});

describe("writing", () => {
  it("changes as many bytes as asked for", () => {
    memory_write32(page, 0xffff_ffff);
    memory_write32(page + 4, 0xffff_ffff);
    write8(page + 1, 0x12);
    expect(memory_read32(page)).toBe(0xffff_12ff);
    write16(page + 2, 0x3456);
    expect(memory_read32(page)).toBe(0x3456_12ff);
    write32(page, 0x8765_4321);
    expect(memory_read32(page)).toBe(0x8765_4321);
    expect(memory_read32(page + 4)).toBe(0xffff_ffff);
  });

  it("drops the bits that do not fit", () => {
    write8(page, 0xfff);
    write16(page + 2, 0x1_2345);
    expect(memory_read8(page)).toBe(0xff);
    expect(memory_read8(page + 1)).toBe(0);
    expect(memory_read16(page + 2)).toBe(0x2345);
    expect(memory_read32(page + 4)).toBe(0);
  });

  it("of 64 bits puts the lower half first", () => {
    memory_write32(page + 16, 0xffff_ffff);
    write64(page + 8, 0x0123_4567_89ab_cdef);
    expect(memory_read32(page + 8)).toBe(0x89ab_cdef);
    expect(memory_read32(page + 12)).toBe(0x0123_4567);
    expect(memory_read32(page + 16)).toBe(0xffff_ffff);
  });
});

describe("zero", () => {
  it("clears exactly the bytes named, across pages", () => {
    for (let offset: u32 = 0; offset < 8192; offset += 4) memory_write32(page + offset, 0xffff_ffff);
    zero(page + 4, 8192 - 8);
    let left: u32 = 0;
    for (let offset: u32 = 4; offset < 8188; offset += 4) left += memory_read32(page + offset) != 0 ? 1 : 0;
    expect(left).toBe(0);
    expect(memory_read32(page)).toBe(0xffff_ffff);
    expect(memory_read32(page + 8188)).toBe(0xffff_ffff);
  });

  it("of no bytes changes none", () => {
    memory_write32(page, 0xffff_ffff);
    zero(page, 0);
    expect(memory_read32(page)).toBe(0xffff_ffff);
  });
});
