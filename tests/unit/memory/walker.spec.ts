/** The walk over a caller's segments: runs of contiguous bytes, what cannot be a buffer, and the way back. */
import { Segment } from "../../../assembly/abi/records";
import { Result } from "../../../assembly/abi/results";
import { forget_translations } from "../../../assembly/memory/addresses";
import {
  beginWalk,
  enterSegment,
  includeBefore,
  markWalk,
  returnToMark,
  runAddress,
  runBytes,
  takeRun,
  walkIsOver,
  walkPointer,
  walkRest,
} from "../../../assembly/memory/walker";
import { memory_translate, script_clear } from "../scripted/script";

const PAGE: u32 = 4096;
const POINTER: u32 = 0x9000_3000;
const PHYSICAL: u64 = 0x7_1234_5000;
const UNLIMITED: u32 = u32.MAX_VALUE;

const segments: u32 = <u32>memory.data(64, 8);

function setSegment(index: u32, pointer: u32, length: u32): void {
  const segment = changetype<Segment>(segments + index * offsetof<Segment>());
  segment.pointer = pointer;
  segment.length = length;
}

beforeEach(() => {
  script_clear();
  forget_translations();
  // Two neighbours, then one apart.
  memory_translate(POINTER, PHYSICAL);
  memory_translate(POINTER + PAGE, PHYSICAL + PAGE);
  memory_translate(POINTER + 2 * PAGE, 0x8000);
});

describe("a walk", () => {
  it("over nothing is over at once", () => {
    beginWalk(segments, 0);
    expect(walkIsOver()).toBe(true);
  });

  it("leads over physically contiguous runs, and ends with the last segment", () => {
    setSegment(0, POINTER + 100, 3 * PAGE - 100);
    setSegment(1, POINTER, 7);
    beginWalk(segments, 2);
    expect(enterSegment()).toBe(Result.OK);
    expect(walkRest()).toBe(3 * PAGE - 100);
    expect(takeRun(UNLIMITED)).toBe(Result.OK);
    expect(runAddress).toBe(PHYSICAL + 100);
    expect(runBytes).toBe(2 * PAGE - 100);
    expect(walkPointer()).toBe(POINTER + 2 * PAGE);
    expect(walkIsOver()).toBe(false);
    expect(enterSegment()).toBe(Result.OK, "the segment under way");
    takeRun(UNLIMITED);
    expect(runAddress).toBe(0x8000);
    expect(runBytes).toBe(PAGE);
    expect(walkIsOver()).toBe(false);
    enterSegment();
    takeRun(UNLIMITED);
    expect(runAddress).toBe(PHYSICAL);
    expect(runBytes).toBe(7);
    expect(walkIsOver()).toBe(true);
  });

  it("takes no more than it is asked for", () => {
    setSegment(0, POINTER, 2 * PAGE);
    beginWalk(segments, 1);
    enterSegment();
    takeRun(512);
    expect(runBytes).toBe(512);
    takeRun(UNLIMITED);
    expect(runAddress).toBe(PHYSICAL + 512);
    expect(runBytes).toBe(2 * PAGE - 512);
  });

  it("refuses segments that are empty or wrap around, and accepts one that ends with all memory", () => {
    setSegment(0, POINTER, 0);
    beginWalk(segments, 1);
    expect(enterSegment()).toBe(Result.E_SEGMENTS);
    setSegment(0, 0xffff_f000, PAGE + 1);
    beginWalk(segments, 1);
    expect(enterSegment()).toBe(Result.E_SEGMENTS);
    memory_translate(0xffff_f000, 0x3000);
    setSegment(0, 0xffff_f000, PAGE);
    beginWalk(segments, 1);
    expect(enterSegment()).toBe(Result.OK);
    expect(takeRun(UNLIMITED)).toBe(Result.OK);
    expect(runBytes).toBe(PAGE);
    expect(walkIsOver()).toBe(true);
  });

  it("says where devices may not reach", () => {
    setSegment(0, 0x4000_0000, 16);
    beginWalk(segments, 1);
    enterSegment();
    expect(takeRun(UNLIMITED)).toBe(Result.E_ADDRESS);
  });

  it("goes back to its mark, and reads what lies behind it anew", () => {
    setSegment(0, POINTER, PAGE);
    setSegment(1, POINTER + 2 * PAGE, 16);
    beginWalk(segments, 2);
    enterSegment();
    takeRun(96);
    markWalk();
    takeRun(UNLIMITED);
    enterSegment();
    takeRun(UNLIMITED);
    expect(walkIsOver()).toBe(true);
    setSegment(1, POINTER + 2 * PAGE + 8, 24);
    returnToMark();
    expect(walkPointer()).toBe(POINTER + 96);
    expect(walkRest()).toBe(PAGE - 96);
    takeRun(UNLIMITED);
    enterSegment();
    takeRun(UNLIMITED);
    expect(runAddress).toBe(0x8008);
    expect(runBytes).toBe(24);
  });

  it("takes in bytes in front of a segment", () => {
    setSegment(0, POINTER + 12, 100);
    beginWalk(segments, 1);
    enterSegment();
    includeBefore(12);
    expect(walkPointer()).toBe(POINTER);
    takeRun(UNLIMITED);
    expect(runAddress).toBe(PHYSICAL);
    expect(runBytes).toBe(112);
    expect(walkIsOver()).toBe(true);
  });
});
