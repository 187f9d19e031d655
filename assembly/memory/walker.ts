/**
 * Cuts a caller's segments into runs of physically contiguous bytes, each of which a descriptor can name. One walk at a
 * time; its state is static.
 *
 * The segments may lie in memory that a device writes. Each is read once on the way: what was read is what is checked,
 * and what the device is told of. Whoever goes back to the mark reads what follows again; the second reading counts.
 */
import { Segment } from "../abi/records";
import { Result } from "../abi/results";
import { NO_ADDRESS } from "../kernel";
import { contiguousBytes, physicalAddress, pointerRangeFits } from "./addresses";

/** The next segment to be read, and where the last one ends. */
let segment: u32 = 0;
let segmentsEnd: u32 = 0;
/** What is left of the segment read last. */
let pointer: u32 = 0;
let rest: u32 = 0;
/** The same where `markWalk` was called. */
let markedSegment: u32 = 0;
let markedPointer: u32 = 0;
let markedRest: u32 = 0;

/** What `takeRun` found: where the run lies, and its bytes. */
export let runAddress: u64 = 0;
export let runBytes: u32 = 0;

/** Begins with an array of `count` Segment, which lies within linear memory. */
export function beginWalk(segments: u32, count: u32): void {
  segment = segments;
  segmentsEnd = segments + count * offsetof<Segment>();
  rest = 0;
}

/** Whether there is no byte left to walk over. */
export function walkIsOver(): bool {
  return rest == 0 && segment == segmentsEnd;
}

/** Remembers where the walk is. */
export function markWalk(): void {
  markedSegment = segment;
  markedPointer = pointer;
  markedRest = rest;
}

/** Goes back to where `markWalk` was called. */
export function returnToMark(): void {
  segment = markedSegment;
  pointer = markedPointer;
  rest = markedRest;
}

/**
 * Reads the next segment where the one before is used up; the walk is not over.
 *
 * @returns OK, or E_SEGMENTS when it is empty or no range of pointers
 */
export function enterSegment(): i32 {
  if (rest != 0) return Result.OK;
  pointer = changetype<Segment>(segment).pointer;
  rest = changetype<Segment>(segment).length;
  segment += offsetof<Segment>();
  return rest == 0 || !pointerRangeFits(pointer, rest) ? Result.E_SEGMENTS : Result.OK;
}

/** Goes back by `bytes` in front of the segment that was entered: they belong to its first run. */
export function includeBefore(bytes: u32): void {
  pointer -= bytes;
  rest += bytes;
}

/** Where the walk is in the segment that was entered. */
export function walkPointer(): u32 {
  return pointer;
}

/** Bytes left of it. */
export function walkRest(): u32 {
  return rest;
}

/**
 * Takes contiguous bytes of the segment that was entered, `bytesMax` at most, and says in `runAddress` and `runBytes`
 * where they are.
 *
 * @returns OK, or E_ADDRESS where devices may not reach them
 */
export function takeRun(bytesMax: u32): i32 {
  const address = physicalAddress(pointer);
  if (address == NO_ADDRESS) return Result.E_ADDRESS;
  // No further than needed, or a device that takes little at a time makes us translate the same pages over and over.
  const bytes = contiguousBytes(pointer, min(rest, bytesMax), address);
  runAddress = address;
  runBytes = bytes;
  pointer += bytes;
  rest -= bytes;
  return Result.OK;
}
