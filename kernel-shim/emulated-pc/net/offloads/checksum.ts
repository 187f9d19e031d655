/** The checksums of TCP and UDP as a card computes them [RFC 1071]. */
import { internetChecksum } from "../../../network/checksum.js";
import { findPacket, pseudoHeader, TCP, UDP, viewOf } from "./packet.js";

/** Where each has its checksum, from the beginning of its header. */
const CHECKSUM_OFFSETS: ReadonlyMap<number, number> = new Map([
  [TCP, 16],
  [UDP, 6],
]);

/** Sums all from `start` to the frame's end, what stands in the checksum's place included, and puts the checksum there. */
export function fillChecksum(frame: Uint8Array, start: number, offset: number): void {
  const checksum = internetChecksum(frame.subarray(start));
  // In UDP, 0 says that there is none; elsewhere the two zeroes of this arithmetic mean the same.
  viewOf(frame).setUint16(start + offset, checksum === 0 ? 0xffff : checksum);
}

/** Changes the sum that stands in the checksum's place, as what it covers was `before` and is `after`. */
export function adjustSum(frame: Uint8Array, at: number, before: number, after: number): void {
  const view = viewOf(frame);
  const sum = view.getUint16(at) + (before ^ 0xffff) + after;
  view.setUint16(at, fold(fold(sum)));
}

function fold(sum: number): number {
  return (sum & 0xffff) + (sum >>> 16);
}

/** Whether a frame carries TCP or UDP with a checksum that is right; false where there is none to verify. */
export function hasRightChecksum(frame: Uint8Array): boolean {
  const places = findPacket(frame);
  const offset = places === null ? undefined : CHECKSUM_OFFSETS.get(places.protocol);
  if (places === null || offset === undefined || places.transport + offset + 2 > places.end) return false;
  if (viewOf(frame).getUint16(places.transport + offset) === 0) return false;
  return internetChecksum(pseudoHeader(frame, places), frame.subarray(places.transport, places.end)) === 0;
}
