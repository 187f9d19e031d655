/** The caller's arrays of segments, as far as no buffer behind them is looked at. */
import { Segment } from "../abi/records";
import { pointerRangeFits } from "./addresses";

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
