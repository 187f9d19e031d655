/** The caller's arrays of segments, without a look at the buffers that they name. */
import { Segment } from "../abi/records";
import { NO_ADDRESS } from "../kernel";
import { isRemembered, PAGES_REMEMBERED, pointerRangeFits, translate } from "./addresses";
import { PAGE_SHIFT } from "./shared";

/** What `segmentBytes` says of segments that no request can have. */
export const NOT_SEGMENTS: u64 = u64.MAX_VALUE;

/**
 * Bytes of all segments together, NOT_SEGMENTS when one is empty or no range of pointers.
 *
 * @param segments address of an array of `count` Segment, which lie within linear memory
 */
export function segmentBytes(segments: u32, count: u32): u64 {
  let bytes: u64 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const segment = changetype<Segment>(segments + index * offsetof<Segment>());
    const length = segment.length;
    if (length == 0 || !pointerRangeFits(segment.pointer, length)) return NOT_SEGMENTS;
    bytes += length;
  }
  return bytes;
}

/**
 * Asks for the addresses of all pages that segments lie in and that are not remembered: the loops that call nothing leave
 * a request for want of one.
 *
 * @param segments address of an array of `count` Segment, which lie within linear memory
 * @returns how many pages are remembered now that were not before; -1 when they would drive out each other, one is out of
 *   the devices' reach, or a segment makes no sense
 */
export function rememberPages(segments: u32, count: u32): i32 {
  let asked = 0;
  let pages: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const segment = changetype<Segment>(segments + index * offsetof<Segment>());
    const pointer = segment.pointer;
    const length = segment.length;
    if (length == 0 || !pointerRangeFits(pointer, length)) return -1;
    const first = pointer >> PAGE_SHIFT;
    const last = (pointer + (length - 1)) >> PAGE_SHIFT;
    pages += last - first + 1;
    if (pages > PAGES_REMEMBERED) return -1;
    for (let page = first; page <= last; page++) {
      if (isRemembered(page << PAGE_SHIFT)) continue;
      if (translate(page << PAGE_SHIFT) == NO_ADDRESS) return -1;
      asked++;
    }
  }
  return asked;
}
