/** What the cases of disks have in common: building requests, and following them to their completion. */

import assert from "node:assert/strict";
import {
  BlockOperation,
  Result,
  resultName,
  type BlockDevice,
  type BlockRange,
  type BlockRequest,
  type Completion,
  type Segment,
} from "../../../kernel-shim/javascript/index.js";
import type { CaseContext } from "../context.js";
import { pattern } from "../pattern.js";
import { assertResets, assertResult } from "../results.js";

export const SECTOR_BYTES = 512;
export const PAGE_BYTES = 4096;
export const ID_BYTES = 20;

/** A stretch of memory, as one segment. */
export function segment(pointer: number, length: number): Segment {
  return { pointer, length };
}

export function readRequest(sector: number | bigint, segments: readonly Segment[], token = 0): BlockRequest {
  return { token, operation: BlockOperation.READ, sector, segments };
}

export function writeRequest(sector: number | bigint, segments: readonly Segment[], token = 0): BlockRequest {
  return { token, operation: BlockOperation.WRITE, sector, segments };
}

/** Writes of one sector each from `first` on, with data of their own: together, `pattern(seed, …)`. */
export function sectorWrites(
  context: CaseContext,
  first: number,
  count: number,
  seed: number,
  firstToken = 0,
): BlockRequest[] {
  const buffer = context.allocate(count * SECTOR_BYTES);
  context.machine.writeBuffer(buffer, pattern(seed, count * SECTOR_BYTES));
  return Array.from({ length: count }, (_, index) =>
    writeRequest(first + index, [segment(buffer + index * SECTOR_BYTES, SECTOR_BYTES)], firstToken + index),
  );
}

/** A request that names ranges and moves nothing. */
export function rangesRequest(operation: BlockOperation, ranges: readonly BlockRange[], token = 0): BlockRequest {
  return { token, operation, segments: [], ranges };
}

export function flushRequest(token = 0): BlockRequest {
  return { token, operation: BlockOperation.FLUSH, segments: [] };
}

export function idRequest(pointer: number, token = 0): BlockRequest {
  return { token, operation: BlockOperation.GET_ID, segments: [segment(pointer, ID_BYTES)] };
}

/** Submits requests that must all be accepted. */
export function submitAll(disk: BlockDevice, requests: readonly BlockRequest[]): void {
  const { accepted, refusal } = disk.submit(requests);
  assertResult(refusal, Result.OK, `request ${accepted} of ${requests.length} was refused`);
  assert.equal(accepted, requests.length);
}

/** Takes exactly `count` completions, by polling. */
export function takeCompletions(context: CaseContext, disk: BlockDevice, count: number): Completion[] {
  const taken: Completion[] = [];
  context.waitUntil(() => {
    taken.push(...disk.poll());
    return taken.length >= count;
  }, `completion of ${count} requests`);
  assert.equal(taken.length, count, "more completions than requests");
  return taken;
}

/** Submits requests, and follows them to their end. Returns the completions in the order of the tokens. */
export function performAll(context: CaseContext, disk: BlockDevice, requests: readonly BlockRequest[]): Completion[] {
  const completions: Completion[] = [];
  let next = 0;
  context.waitUntil(() => {
    if (next < requests.length) {
      const { accepted, refusal } = disk.submit(requests.slice(next));
      next += accepted;
      if (refusal !== 0) assertResult(refusal, Result.E_FULL, `request ${next} of ${requests.length}`);
    }
    completions.push(...disk.poll());
    return completions.length >= requests.length;
  }, `completion of ${requests.length} requests`);
  assert.equal(completions.length, requests.length, "more completions than requests");
  return completions.sort((left, right) => left.token - right.token);
}

/** Performs one request, which must be accepted. */
export function perform(context: CaseContext, disk: BlockDevice, request: BlockRequest): Completion {
  submitAll(disk, [request]);
  const [completion] = takeCompletions(context, disk, 1);
  assert.ok(completion);
  assert.equal(completion.token, request.token);
  return completion;
}

/** Performs one request, which must succeed with all its bytes. */
export function performWell(context: CaseContext, disk: BlockDevice, request: BlockRequest): void {
  const { result, length } = perform(context, disk, request);
  assertResult(result, Result.OK);
  assert.equal(length, bytesOf(request.segments), "bytes that the completion reports");
}

/** Checks that a request is refused before it reaches the device. */
export function assertRefused(disk: BlockDevice, request: BlockRequest, expected: number, message?: string): void {
  const notifications = disk.statistics().notifications;
  const { accepted, refusal } = disk.submit([request]);
  assert.equal(accepted, 0, message ?? `should have been ${resultName(expected)}`);
  assertResult(refusal, expected, message);
  assert.equal(disk.statistics().notifications, notifications, "a refused request must not reach the device");
}

export function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((bytes, { length }) => bytes + length, 0);
}

/** Splits the memory at `pointer` into segments of these lengths, one behind the other. */
export function cut(pointer: number, lengths: readonly number[]): Segment[] {
  let at = pointer;
  return lengths.map((length) => {
    const piece = segment(at, length);
    at += length;
    return piece;
  });
}

/** Submits single reads of the first sectors, with tokens from 0 on. */
export function submitReads(context: CaseContext, disk: BlockDevice, count: number): void {
  const buffer = context.allocate(count * SECTOR_BYTES);
  submitAll(
    disk,
    Array.from({ length: count }, (_, token) =>
      readRequest(token, [segment(buffer + token * SECTOR_BYTES, SECTOR_BYTES)], token),
    ),
  );
}

/** Takes what a reset or a suspension gave back, and checks that each request is there once. */
export function takeResets(disk: BlockDevice, count: number): void {
  assertResets(
    disk.poll(),
    Array.from({ length: count }, (_, token) => token),
  );
}
