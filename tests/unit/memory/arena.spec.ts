/** The allocator of private memory. */
import { allocatePrivate, arenaIsSet, freePrivate, setArena } from "../../../assembly/memory/arena";
import { arenaAddress, freshArena } from "../scripted/arena";
import { random, seedRandom } from "../scripted/random";

const HEADER: u32 = 16;

/** Bytes from `pointer` on that are not `value`. */
function unlike(pointer: u32, bytes: u32, value: u8): u32 {
  let count: u32 = 0;
  for (let offset: u32 = 0; offset < bytes; offset++) {
    if (load<u8>(pointer + offset) != value) count++;
  }
  return count;
}

describe("an arena that was never set", () => {
  it("says so, and has nothing to give", () => {
    expect(arenaIsSet()).toBe(false);
    expect(allocatePrivate(16)).toBe(0);
  });
});

describe("setArena", () => {
  it("refuses what holds no block", () => {
    expect(setArena(arenaAddress, arenaAddress)).toBe(false);
    expect(setArena(arenaAddress, arenaAddress + HEADER)).toBe(false);
    expect(setArena(arenaAddress, arenaAddress + HEADER + 15)).toBe(false);
    expect(arenaIsSet()).toBe(false);
  });

  it("takes what holds one", () => {
    expect(setArena(arenaAddress, arenaAddress + HEADER + 16)).toBe(true);
    expect(arenaIsSet()).toBe(true);
    expect(allocatePrivate(17)).toBe(0);
    expect(allocatePrivate(16)).toBe(arenaAddress + HEADER);
    expect(allocatePrivate(1)).toBe(0);
  });

  it("leaves alone what lies behind an end that is no multiple of 16", () => {
    memory.fill(arenaAddress, 0xa5, 256);
    expect(setArena(arenaAddress, arenaAddress + 127)).toBe(true);
    expect(allocatePrivate(97)).toBe(0);
    const block = allocatePrivate(96);
    expect(block).toBe(arenaAddress + HEADER);
    expect(unlike(arenaAddress + 112, 144, 0xa5)).toBe(0);
  });
});

describe("allocatePrivate", () => {
  beforeEach(() => {
    freshArena(4096);
  });

  it("gives zeroed blocks, aligned to 16 and apart", () => {
    const first = allocatePrivate(1);
    const second = allocatePrivate(33);
    const third = allocatePrivate(16);
    expect(first & 15).toBe(0);
    expect(second).toBe(first + 16 + HEADER);
    expect(third).toBe(second + 48 + HEADER);
    expect(unlike(first, 16, 0)).toBe(0);
    expect(unlike(second, 48, 0)).toBe(0);
  });

  it("zeroes a block that was used before", () => {
    const first = allocatePrivate(64);
    memory.fill(first, 0xff, 64);
    freePrivate(first);
    expect(allocatePrivate(64)).toBe(first);
    expect(unlike(first, 64, 0)).toBe(0);
  });

  it("takes the first block that is large enough", () => {
    const small = allocatePrivate(32);
    allocatePrivate(16);
    const large = allocatePrivate(128);
    allocatePrivate(16);
    freePrivate(small);
    freePrivate(large);
    expect(allocatePrivate(48)).toBe(large);
    expect(allocatePrivate(32)).toBe(small);
  });

  it("splits a block that is too large, and gives the rest to the next", () => {
    const block = allocatePrivate(128);
    allocatePrivate(16);
    freePrivate(block);
    expect(allocatePrivate(32)).toBe(block);
    expect(allocatePrivate(64)).toBe(block + 32 + HEADER);
  });

  it("does not split off a rest that holds nothing but a header", () => {
    const block = allocatePrivate(64);
    const behind = allocatePrivate(16);
    freePrivate(block);
    expect(allocatePrivate(48)).toBe(block);
    expect(allocatePrivate(16)).toBe(behind + 16 + HEADER);
    freePrivate(block);
    expect(allocatePrivate(64)).toBe(block, "nothing was lost");
  });

  it("joins free neighbours, in whatever order they were given back", () => {
    for (let order: u32 = 0; order < 6; order++) {
      freshArena(4096);
      const blocks: u32[] = [allocatePrivate(32), allocatePrivate(32), allocatePrivate(32)];
      allocatePrivate(16);
      const first = order % 3;
      const second = (first + 1 + order / 3) % 3;
      freePrivate(blocks[first]);
      freePrivate(blocks[second]);
      freePrivate(blocks[3 - first - second]);
      expect(allocatePrivate(3 * 32 + 2 * HEADER)).toBe(blocks[0]);
    }
  });

  it("gives nothing when there is no room, and goes on with what there is", () => {
    expect(allocatePrivate(4096 - HEADER + 1)).toBe(0);
    const all = allocatePrivate(4096 - HEADER);
    expect(all).toBe(arenaAddress + HEADER);
    expect(allocatePrivate(1)).toBe(0);
    freePrivate(all);
    expect(allocatePrivate(4000)).toBe(all);
  });

  it("takes 0 back", () => {
    freePrivate(0);
    expect(allocatePrivate(4096 - HEADER)).toBe(arenaAddress + HEADER);
  });

  it("never gives a byte twice, and has all of them in the end", () => {
    seedRandom(3);
    freshArena(65536);
    const blocks = new StaticArray<u32>(64);
    const sizes = new StaticArray<u32>(64);
    let wrong: u32 = 0;
    let full: u32 = 0;
    for (let step = 0; step < 5000; step++) {
      const place = random(64);
      if (blocks[place] != 0) {
        wrong += unlike(blocks[place], sizes[place], <u8>place);
        freePrivate(blocks[place]);
        blocks[place] = 0;
      } else {
        sizes[place] = 1 + random(random(4) == 0 ? 8000 : 200);
        blocks[place] = allocatePrivate(sizes[place]);
        if (blocks[place] == 0) {
          full++;
          continue;
        }
        wrong += unlike(blocks[place], sizes[place], 0);
        memory.fill(blocks[place], <u8>place, sizes[place]);
      }
    }
    expect(wrong).toBe(0);
    expect(full).toBeGreaterThan(0, "the arena was full at times");
    for (let place = 0; place < 64; place++) freePrivate(blocks[place]);
    expect(allocatePrivate(65536 - HEADER)).toBe(arenaAddress + HEADER);
  });
});
