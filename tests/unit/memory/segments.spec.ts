/** A caller's segments as a whole: how many bytes they have, and the pages that they lie in. */
import { Segment } from "../../../assembly/abi/records";
import { forget_translations, isRemembered } from "../../../assembly/memory/addresses";
import { NOT_SEGMENTS, rememberPages, segmentBytes } from "../../../assembly/memory/segments";
import { memory_translate, script_clear, trace_count, Trace } from "../scripted/script";

const PAGE: u32 = 4096;
/** As many pages as are remembered. */
const TABLE_PAGES: u32 = 512;
const POINTER: u32 = 0x9000_3000;
const PHYSICAL: u64 = 0x7_1234_5000;

const segments: u32 = <u32>memory.data(64, 8);

function setSegment(index: u32, pointer: u32, length: u32): void {
  const segment = changetype<Segment>(segments + index * offsetof<Segment>());
  segment.pointer = pointer;
  segment.length = length;
}

beforeEach(() => {
  script_clear();
  forget_translations();
});

describe("segmentBytes", () => {
  it("adds up, beyond 32 bits", () => {
    setSegment(0, 0, u32.MAX_VALUE);
    setSegment(1, 1, u32.MAX_VALUE);
    expect(segmentBytes(segments, 2)).toBe(2 * <u64>u32.MAX_VALUE);
    expect(segmentBytes(segments, 0)).toBe(0);
  });

  it("knows an empty segment, and one that wraps around", () => {
    setSegment(0, POINTER, 512);
    setSegment(1, POINTER, 0);
    expect(segmentBytes(segments, 2)).toBe(NOT_SEGMENTS);
    setSegment(1, u32.MAX_VALUE, 2);
    expect(segmentBytes(segments, 2)).toBe(NOT_SEGMENTS);
  });
});

describe("rememberPages", () => {
  it("asks once for each page that is not remembered, and says how many there were", () => {
    for (let page: u32 = 0; page < 4; page++) memory_translate(POINTER + page * PAGE, PHYSICAL + page * PAGE);
    setSegment(0, POINTER + PAGE - 1, 2);
    setSegment(1, POINTER + 3 * PAGE, PAGE);
    expect(rememberPages(segments, 2)).toBe(3);
    expect(trace_count(Trace.TRANSLATE)).toBe(3);
    expect(isRemembered(POINTER)).toBe(true);
    expect(isRemembered(POINTER + PAGE)).toBe(true);
    expect(isRemembered(POINTER + 2 * PAGE)).toBe(false);
    expect(isRemembered(POINTER + 3 * PAGE)).toBe(true);
    expect(rememberPages(segments, 2)).toBe(0, "nothing is new");
    expect(trace_count(Trace.TRANSLATE)).toBe(3);
  });

  it("says no where devices may not reach a page", () => {
    memory_translate(POINTER, PHYSICAL);
    setSegment(0, POINTER, PAGE + 1);
    expect(rememberPages(segments, 1)).toBe(-1);
  });

  it("says no to what is no segment, and asks nothing", () => {
    memory_translate(POINTER, PHYSICAL);
    setSegment(0, POINTER + 8, 0);
    expect(rememberPages(segments, 1)).toBe(-1);
    // It would end in the page that it begins in.
    setSegment(0, POINTER + 2048, 0 - 1024);
    expect(rememberPages(segments, 1)).toBe(-1);
    setSegment(0, u32.MAX_VALUE, 2);
    expect(rememberPages(segments, 1)).toBe(-1);
    expect(trace_count(Trace.TRANSLATE)).toBe(0);
  });

  it("takes the last page of all", () => {
    memory_translate(0xffff_f000, PHYSICAL);
    setSegment(0, 0xffff_f001, PAGE - 1);
    expect(rememberPages(segments, 1)).toBe(1);
  });

  it("asks for none where more pages than are remembered would drive out the first", () => {
    for (let page: u32 = 0; page <= TABLE_PAGES; page++)
      memory_translate(POINTER + page * PAGE, PHYSICAL + page * PAGE);
    setSegment(0, POINTER, (TABLE_PAGES + 1) * PAGE);
    expect(rememberPages(segments, 1)).toBe(-1);
    expect(trace_count(Trace.TRANSLATE)).toBe(0);
    setSegment(0, POINTER, TABLE_PAGES * PAGE);
    expect(rememberPages(segments, 1)).toBe(TABLE_PAGES);
    setSegment(1, POINTER, 1);
    expect(rememberPages(segments, 2)).toBe(-1, "in two segments");
  });
});
