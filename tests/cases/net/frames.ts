/** What the cases of network cards have in common: building frames, and moving them through a card. */

import assert from "node:assert/strict";
import {
  Result,
  type Completion,
  type NetDevice,
  type Segment,
  type TransmitFrame,
} from "../../../kernel-shim/javascript/index.js";
import type { CaseContext } from "../context.js";
import { pattern } from "../pattern.js";
import { assertResult } from "../results.js";

export const PAGE_BYTES = 4096;
/** Destination, source and type. */
export const ETHERNET_HEADER_BYTES = 14;
/** With the default MTU of 1500, and room for a VLAN tag. */
export const LONGEST_FRAME = 1518;
/** The longest without a VLAN tag, which every device takes. */
export const ORDINARY_FRAME = 1514;

const HEADER = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0xb5];

/** A broadcast frame of `bytes` bytes whose payload belongs to `seed`. Type 0x88b5 is for local experiments. */
export function frame(bytes: number, seed: number): Uint8Array {
  const made = new Uint8Array(bytes);
  made.set(HEADER.slice(0, bytes));
  if (bytes > HEADER.length) made.set(pattern(seed, bytes - HEADER.length), HEADER.length);
  return made;
}

export function assertSameFrame(actual: Uint8Array | undefined, expected: Uint8Array, what = "frame"): void {
  assert.ok(actual !== undefined, `${what} is missing`);
  assert.equal(actual.length, expected.length, `bytes of ${what}`);
  assert.ok(Buffer.compare(actual, expected) === 0, `${what} has other bytes`);
}

/** Largest frame that a host delivers, whatever the MTU: with MRG_RXBUF, all receive buffers together hold one. */
const DELIVERED_BYTES_MAX = 69_632;
const BUFFER_BYTES_UNIT = 64;

/** The smallest receive buffers that a card with MRG_RXBUF can be opened with. */
export function smallestBufferBytes(context: CaseContext): number {
  const card = context.openCard();
  const { receive_buffers, header_bytes } = card.information();
  card.close();
  const share = (DELIVERED_BYTES_MAX + header_bytes) / receive_buffers;
  return Math.ceil(share / BUFFER_BYTES_UNIT) * BUFFER_BYTES_UNIT;
}

/** One frame from one segment. */
export function transmitFrame(pointer: number, length: number, token = 0, header_room = 0): TransmitFrame {
  return { token, segments: [{ pointer, length }], header_room };
}

/** Hands frames to the card that must all be accepted. */
export function transmitAll(card: NetDevice, frames: readonly TransmitFrame[]): void {
  const { accepted, refusal } = card.transmit(frames);
  assertResult(refusal, Result.OK, `frame ${accepted} of ${frames.length} was refused`);
  assert.equal(accepted, frames.length);
}

/** Checks that a frame is refused before it reaches the device. */
export function assertRefused(card: NetDevice, refused: TransmitFrame, expected: number, message?: string): void {
  const before = card.statistics();
  const { accepted, refusal } = card.transmit([refused]);
  assert.equal(accepted, 0, message);
  assertResult(refusal, expected, message);
  const after = card.statistics();
  assert.equal(after.transmit_notifications, before.transmit_notifications);
  assert.equal(after.transmit_refused, before.transmit_refused + (expected === Result.E_FULL ? 0n : 1n));
}

/** Takes exactly `count` completions of frames, by polling. */
export function reclaim(context: CaseContext, card: NetDevice, count: number): Completion[] {
  const taken: Completion[] = [];
  context.waitUntil(() => {
    taken.push(...card.reclaim());
    return taken.length >= count;
  }, `completion of ${count} frames`);
  assert.equal(taken.length, count, "more completions than frames");
  return taken;
}

/** Transmits one frame, and checks that it arrives at the other end as it is. */
export function transmitWell(
  context: CaseContext,
  card: NetDevice,
  segments: readonly Segment[],
  expected: Uint8Array,
  header_room = 0,
): void {
  transmitAll(card, [{ token: 7, segments, header_room }]);
  const [completion] = reclaim(context, card, 1);
  assert.deepEqual(completion, { token: 7, result: Result.OK, length: expected.length });
  assertSameFrame(takeSent(context, 1)[0], expected, `frame of ${expected.length} bytes`);
}

/** Sends a copy of a frame, as soon as there is room for it. */
export function send(context: CaseContext, card: NetDevice, bytes: Uint8Array): void {
  context.waitUntil(() => card.sendFrame(bytes), "room for a frame");
}

/** Waits until `count` frames have come out of the card at the other end of its cable. */
export function takeSent(context: CaseContext, count: number, index = 0): Uint8Array[] {
  const sent: Uint8Array[] = [];
  context.waitUntil(() => {
    sent.push(...context.card(index).takeSent());
    return sent.length >= count;
  }, `arrival of ${count} frames at the other end`);
  assert.equal(sent.length, count, "more frames than were transmitted");
  return sent;
}

/** Waits for copies of `count` received frames; their buffers go back at once. */
export function receiveCopies(context: CaseContext, card: NetDevice, count: number): Uint8Array[] {
  const received: Uint8Array[] = [];
  context.waitUntil(() => {
    received.push(...card.receiveFrames());
    return received.length >= count;
  }, `arrival of ${count} frames`);
  assert.equal(received.length, count, "more frames than were sent");
  return received;
}

/** Writes a frame to memory, and returns it. */
export function putFrame(context: CaseContext, pointer: number, bytes: number, seed: number): Uint8Array {
  const made = frame(bytes, seed);
  context.machine.writeBuffer(pointer, made);
  return made;
}

/** Transmits one frame so many times, with tokens from 0 on. */
export function transmitSome(context: CaseContext, card: NetDevice, count: number): void {
  const pointer = context.allocate(PAGE_BYTES) + 64;
  putFrame(context, pointer, 100, 1);
  transmitAll(
    card,
    Array.from({ length: count }, (_, token) => transmitFrame(pointer, 100, token)),
  );
}

/** Takes frames and keeps their buffers. */
export function keep(context: CaseContext, card: NetDevice, count: number): { buffer: number; pointer: number }[] {
  context.card().deliver(Array.from({ length: count }, (_, index) => frame(100 + index, index)));
  const kept: { buffer: number; pointer: number }[] = [];
  context.waitUntil(() => {
    for (const { buffers } of card.receive()) kept.push(...buffers);
    return kept.length === count;
  }, `arrival of ${count} frames`);
  return kept;
}
