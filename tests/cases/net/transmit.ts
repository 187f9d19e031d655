/** Sending frames. [virtio-1.2 §5.1.6.2] */

import assert from "node:assert/strict";
import { Event, Result, type NetDevice, type TransmitFrame } from "../../../kernel-shim/javascript/index.js";
import { TransmitFrameLayout, CompletionLayout } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import {
  ALL_OF_PLAIN_CARDS,
  isAnyLayout as acceptsAnyLayout,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_NET_F_CSUM,
} from "../features.js";
import { assertResult } from "../results.js";
import {
  assertRefused,
  assertSameFrame,
  ETHERNET_HEADER_BYTES,
  frame,
  LONGEST_FRAME,
  PAGE_BYTES,
  putFrame,
  reclaim,
  takeSent,
  transmitAll,
  transmitFrame,
  transmitWell,
} from "./frames.js";

/** In page 0, which no machine lends. */
const NEVER_LENT = 16;
const HEADER_ROOM = 16;
const FILL = 0xee;
const SLOT_BYTES = 2048;

function isAnyLayout(card: NetDevice): boolean {
  return acceptsAnyLayout(card.information().features_accepted);
}

/** Bytes from `pointer` on that are not the fill. */
function touched(context: CaseContext, pointer: number, bytes: number): number {
  return context.machine.readBuffer(pointer, bytes).filter((byte) => byte !== FILL).length;
}

/** Sends one frame with room before it, and returns how many bytes of that room were overwritten. */
function headerBytesUsed(context: CaseContext, card: NetDevice, pointer: number, room: number): number {
  context.machine.writeBuffer(pointer - 64, new Uint8Array(64).fill(FILL));
  const expected = putFrame(context, pointer, 200, room);
  transmitWell(context, card, [{ pointer, length: 200 }], expected, room);
  assert.equal(touched(context, pointer - 64, 64 - room), 0, "bytes before the room");
  return touched(context, pointer - room, room);
}

/** Whether room before a frame can take the header: memory outside of linear memory is written in aligned words. */
function canTakeHeader(context: CaseContext, card: NetDevice, pointer: number): boolean {
  return context.machine.build === "mapped" || (pointer - card.information().header_bytes) % 4 === 0;
}

function fillRing(context: CaseContext, card: NetDevice, header_room: number): void {
  const { transmit_queue_size, header_bytes } = card.information();
  const most = header_room > 0 && isAnyLayout(card) ? transmit_queue_size : transmit_queue_size / 2;
  const pointer = context.allocate(PAGE_BYTES) + 64 + header_bytes;
  const expected = putFrame(context, pointer, 100, 1);
  const one = (token: number): TransmitFrame => transmitFrame(pointer, 100, token, header_room);
  for (let round = 0; round < 3; round++) {
    const { accepted, refusal } = card.transmit(Array.from({ length: most + 3 }, (_, token) => one(token)));
    assert.equal(accepted, most);
    assertResult(refusal, Result.E_FULL);
    assertRefused(card, one(0), Result.E_FULL);
    assert.equal(card.statistics().transmit_full, BigInt(2 * (round + 1)));
    const tokens = reclaim(context, card, most).map(({ token, result, length }) => {
      assertResult(result, Result.OK);
      assert.equal(length, 100);
      return token;
    });
    assert.equal(new Set(tokens).size, most, "each completed once");
    assert.equal(card.events() & Event.ROOM, Event.ROOM, "whoever was told that the ring is full hears of room");
    assert.equal(card.events(), 0);
    for (const sent of takeSent(context, most)) assertSameFrame(sent, expected);
  }
}

export const transmit: readonly Case[] = [
  {
    name: `frames of every size from ${ETHERNET_HEADER_BYTES} to ${LONGEST_FRAME} bytes`,
    cards: [{ queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const pool = context.allocate(32 * SLOT_BYTES);
      for (let first = ETHERNET_HEADER_BYTES; first <= LONGEST_FRAME; first += 32) {
        const sizes = Array.from({ length: Math.min(32, LONGEST_FRAME + 1 - first) }, (_, index) => first + index);
        const expected = sizes.map((size, slot) => putFrame(context, pool + slot * SLOT_BYTES, size, size));
        transmitAll(
          card,
          sizes.map((size, slot) => transmitFrame(pool + slot * SLOT_BYTES, size, slot)),
        );
        for (const { token, result, length } of reclaim(context, card, sizes.length)) {
          assertResult(result, Result.OK);
          assert.equal(length, sizes[token]);
        }
        takeSent(context, sizes.length).forEach((sent, slot) => assertSameFrame(sent, expected[slot] ?? sent));
      }
      assert.equal(card.statistics().frames_transmitted, BigInt(LONGEST_FRAME - ETHERNET_HEADER_BYTES + 1));
    },
  },
  {
    name: "frames shorter than an Ethernet header or longer than the MTU allows: E_FRAME_SIZE",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      const pointer = context.allocate(2 * PAGE_BYTES);
      for (const length of [1, ETHERNET_HEADER_BYTES - 1, LONGEST_FRAME + 1, 4096]) {
        assertRefused(card, transmitFrame(pointer, length), Result.E_FRAME_SIZE, String(length));
      }
      const halves = [
        { pointer, length: 760 },
        { pointer, length: 759 },
      ];
      assertRefused(card, { token: 0, segments: halves }, Result.E_FRAME_SIZE);
    },
  },
  {
    name: "the device's MTU is the measure [virtio-1.2 §5.1.4.2]",
    cards: [{ mtu: 9000, queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const pointer = context.allocate(3 * PAGE_BYTES);
      const longest = 9000 + 18;
      const expected = putFrame(context, pointer, longest, 3);
      transmitWell(context, card, [{ pointer, length: longest }], expected);
      assertRefused(card, transmitFrame(pointer, longest + 1), Result.E_FRAME_SIZE);
    },
  },
  {
    name: "offload fields without their features: E_UNSUPPORTED [virtio-1.2 §5.1.6.2.1]",
    cards: [{}],
    run(context) {
      const card = context.openCard(0, { features: ALL_OF_PLAIN_CARDS & ~VIRTIO_NET_F_CSUM });
      const pointer = context.allocate(PAGE_BYTES);
      const plain = transmitFrame(pointer, 64);
      for (const fields of [
        { flags: 1 },
        { flags: 0x80 },
        { gso_type: 1 },
        { gso_type: 4 },
        { hdr_len: 54 },
        { gso_size: 1448 },
        { csum_start: 34 },
        { csum_offset: 16 },
      ]) {
        assertRefused(card, { ...plain, ...fields }, Result.E_UNSUPPORTED, JSON.stringify(fields));
      }
    },
  },
  {
    name: "no segments, empty ones, ones that wrap: refused",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      const pointer = context.allocate(PAGE_BYTES);
      assertRefused(card, { token: 0, segments: [] }, Result.E_SEGMENTS);
      assertRefused(card, transmitFrame(pointer, 0), Result.E_SEGMENTS);
      assertRefused(card, transmitFrame(0xffff_ffc0, 128), Result.E_SEGMENTS);
      const second = [
        { pointer, length: 64 },
        { pointer, length: 0 },
      ];
      assertRefused(card, { token: 0, segments: second }, Result.E_SEGMENTS);
      const huge = Array.from({ length: 8 }, () => ({ pointer, length: 0x8000_0000 - 1 }));
      assertRefused(card, { token: 0, segments: huge }, Result.E_FRAME_SIZE);
    },
  },
  {
    name: "memory that is not lent: E_ADDRESS",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      const pointer = context.allocate(PAGE_BYTES);
      assertRefused(card, transmitFrame(NEVER_LENT, 64), Result.E_ADDRESS);
      assertRefused(card, transmitFrame(NEVER_LENT, 64, 0, HEADER_ROOM), Result.E_ADDRESS);
      assertRefused(card, transmitFrame(0xffff_f000, 64), Result.E_ADDRESS);
      const second = [
        { pointer, length: 64 },
        { pointer: NEVER_LENT, length: 64 },
      ];
      assertRefused(card, { token: 0, segments: second, header_room: HEADER_ROOM }, Result.E_ADDRESS);
      transmitWell(context, card, [{ pointer, length: 64 }], context.machine.readBuffer(pointer, 64));
    },
  },
  {
    name: "records and segments outside linear memory: E_ARGUMENT",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      const { exports, privateMemory, view } = context.stack;
      const end = context.machine.memory.buffer.byteLength;
      const { handle } = card;
      for (const [pointer, count] of [
        [0, 1],
        [end - 8, 1],
        [0xffff_fff0, 1],
        [64, 0xffff_ffff],
      ] as const) {
        const message = `${count} records at ${pointer}`;
        assertResult(exports.net_transmit(handle, pointer, count), Result.E_ARGUMENT, message);
        assertResult(exports.net_reclaim(handle, pointer, count), Result.E_ARGUMENT, message);
        assertResult(exports.net_receive(handle, pointer, count), Result.E_ARGUMENT, message);
      }
      assertResult(exports.net_release(handle, end - 2, 1), Result.E_ARGUMENT);
      assertResult(exports.net_release(handle, 0, 1), Result.E_ARGUMENT);
      assertResult(exports.net_information(handle, end - 8), Result.E_ARGUMENT);
      assertResult(exports.net_statistics(handle, 0), Result.E_ARGUMENT);
      assertResult(exports.net_open(context.card().pciAddress, end - 8), Result.E_ARGUMENT);

      const { fields, size } = TransmitFrameLayout;
      const record = privateMemory.take(size);
      for (const [pointer, count] of [
        [0, 1],
        [end - 4, 1],
        [64, 0xffff_ffff],
      ] as const) {
        new Uint8Array(view.buffer, record, size).fill(0);
        view.setUint32(record + fields.segments.offset, pointer, true);
        view.setUint32(record + fields.segment_count.offset, count, true);
        assert.equal(exports.net_transmit(handle, record, 1), 0);
        assertResult(view.getInt32(record + fields.result.offset, true), Result.E_ARGUMENT);
      }
      privateMemory.give(record, size);
    },
  },
  {
    name: "batches of zero frames are nothing",
    cards: [{}],
    run(context) {
      const { handle } = context.openCard();
      const { exports, privateMemory } = context.stack;
      const record = privateMemory.take(CompletionLayout.size);
      const before = context.registerAccesses;
      assert.equal(exports.net_transmit(handle, record, 0), 0);
      assert.equal(exports.net_reclaim(handle, record, 0), 0);
      assert.equal(exports.net_reclaim(handle, record, 1), 0);
      assert.equal(exports.net_receive(handle, record, 0), 0);
      assert.equal(exports.net_release(handle, record, 0), 0);
      assert.deepEqual(context.registerAccesses, before);
      privateMemory.give(record, CompletionLayout.size);
    },
  },
  {
    name: "ANY_LAYOUT: the room before a frame takes the header, and not a byte more [virtio-1.2 §5.1.6.2]",
    cards: [{ offers: { anyLayout: true } }],
    run(context) {
      const card = context.openCard();
      assert.ok(isAnyLayout(card));
      const { header_bytes } = card.information();
      const pointer = context.allocate(PAGE_BYTES) + 1024 + header_bytes;
      for (const room of [header_bytes, header_bytes + 1, HEADER_ROOM, 64]) {
        const used = headerBytesUsed(context, card, pointer, room);
        assert.ok(used > 0 && used <= header_bytes, `${used} bytes of ${room}`);
        assert.equal(touched(context, pointer - room, room - header_bytes), 0, "only those directly before the frame");
      }
      for (const room of [0, 1, header_bytes - 1]) {
        assert.equal(headerBytesUsed(context, card, pointer, room), 0, `too little room: ${room}`);
      }
      for (const unaligned of [1, 3, 7]) {
        const used = headerBytesUsed(context, card, pointer + unaligned, HEADER_ROOM);
        assert.equal(used > 0, canTakeHeader(context, card, pointer + unaligned), `${unaligned} bytes further`);
      }
    },
  },
  {
    name: "without ANY_LAYOUT the room before a frame is left alone",
    needs: ["legacy devices"],
    cards: [{ offers: { anyLayout: false } }],
    run(context) {
      const card = context.openCard();
      assert.ok(!isAnyLayout(card));
      const pointer = context.allocate(PAGE_BYTES) + 1024;
      for (const room of [0, 10, 12, 64]) assert.equal(headerBytesUsed(context, card, pointer, room), 0);
    },
  },
  {
    name: "room in another page that is physically apart cannot take the header; the frame is sent all the same",
    needs: ["scattered memory"],
    cards: [{ offers: { anyLayout: true }, queueSizeMin: 16 }],
    run(context) {
      const card = context.openCard();
      const pointer = context.allocate(3 * PAGE_BYTES, { scattered: true }) + PAGE_BYTES;
      for (const offset of [0, 1, 5, 9]) {
        assert.equal(headerBytesUsed(context, card, pointer + offset, HEADER_ROOM), 0, `${offset} bytes into the page`);
      }
      assert.ok(headerBytesUsed(context, card, pointer + HEADER_ROOM, HEADER_ROOM) > 0);
    },
  },
  {
    name: "room in memory that is not lent cannot take the header",
    cards: [{ offers: { anyLayout: true } }],
    run(context) {
      const card = context.openCard();
      const pages = Array.from({ length: 8 }, () => context.allocate(PAGE_BYTES)).sort((left, right) => left - right);
      const index = pages.findIndex((page, each) => pages[each + 1] === page + PAGE_BYTES);
      const pointer = pages[index + 1] ?? 0;
      context.free(pages[index] ?? 0);
      const expected = putFrame(context, pointer, 100, 1);
      transmitWell(context, card, [{ pointer, length: 100 }], expected, HEADER_ROOM);
    },
  },
  {
    name: "a frame in several segments of odd sizes, across pages",
    cards: [{ queueSizeMin: 32 }],
    run(context) {
      const card = context.openCard();
      const memory = context.allocate(8 * PAGE_BYTES);
      for (const lengths of [[14, 50], [1, 1, 12, 50], [13, 1, 1000], [700, 700, 118], new Array<number>(12).fill(9)]) {
        for (const header_room of [0, HEADER_ROOM]) {
          const bytes = lengths.reduce((sum, length) => sum + length, 0);
          const expected = frame(bytes, bytes + header_room);
          let done = 0;
          const segments = lengths.map((length, index) => {
            // Each of them ends or starts somewhere near the end of a page of its own.
            const pointer = memory + (index % 7) * PAGE_BYTES + PAGE_BYTES - 5 - (index % 3) * 40;
            context.machine.writeBuffer(pointer, expected.subarray(done, done + length));
            done += length;
            return { pointer, length };
          });
          if (lengths.length <= 7) transmitWell(context, card, segments, expected, header_room);
        }
      }
    },
  },
  {
    name: "a frame over pages that are physically apart",
    needs: ["scattered memory"],
    cards: [{ mtu: 9000, queueSizeMin: 32 }],
    run(context) {
      const card = context.openCard();
      const memory = context.allocate(4 * PAGE_BYTES, { scattered: true });
      for (const [offset, bytes] of [
        [4000, 1514],
        [4095, 200],
        [100, 9018],
        [0, 8192],
      ] as const) {
        const pointer = memory + offset;
        transmitWell(context, card, [{ pointer, length: bytes }], putFrame(context, pointer, bytes, offset));
      }
    },
  },
  {
    name: "more segments than the ring can ever take: E_SEGMENTS; more than it has room for: E_FULL",
    needs: ["small network rings"],
    cards: [{ queueSize: 16 }],
    run(context) {
      const card = context.openCard();
      const pointer = context.allocate(PAGE_BYTES);
      const cut = (count: number): TransmitFrame => ({
        token: 7,
        segments: Array.from({ length: count }, (_, index) => ({ pointer: pointer + index * 4, length: 4 })),
      });
      const expected = putFrame(context, pointer, 60, 1);
      transmitWell(context, card, cut(15).segments, expected);
      assertRefused(card, cut(16), Result.E_SEGMENTS);
      assertRefused(card, cut(17), Result.E_SEGMENTS);
      transmitAll(card, [transmitFrame(pointer, 60)]);
      assertRefused(card, cut(15), Result.E_FULL);
      reclaim(context, card, 1);
      takeSent(context, 1);
      transmitWell(context, card, cut(15).segments, expected);
    },
  },
  {
    name: "a full ring, header and frame apart",
    cards: [{}],
    run(context) {
      fillRing(context, context.openCard(), 0);
    },
  },
  {
    name: "a full ring, one descriptor a frame where ANY_LAYOUT allows it",
    cards: [{}],
    run(context) {
      fillRing(context, context.openCard(), HEADER_ROOM);
    },
  },
  {
    name: "room in a full ring interrupts whoever has interrupts enabled",
    cards: [{}],
    run(context) {
      const pointer = context.allocate(PAGE_BYTES) + 64;
      putFrame(context, pointer, 100, 1);
      for (const features of [ALL_OF_PLAIN_CARDS, ALL_OF_PLAIN_CARDS & ~VIRTIO_F_EVENT_IDX]) {
        const card = context.openCard(0, { features });
        const total = card.information().transmit_queue_size + 1;
        card.enableInterrupts();
        const frames = Array.from({ length: total }, (_, token) => transmitFrame(pointer, 100, token));
        for (let round = 0; round < 3; round++) {
          const { accepted, refusal } = card.transmit(frames);
          assertResult(refusal, Result.E_FULL);
          let events = card.events();
          context.waitUntil(() => {
            if (events === 0 && !card.enableInterrupts()) context.stack.service(100);
            events |= card.events();
            return events === Event.ROOM;
          }, "the event of room");
          assert.ok(card.reclaim().length > 0, "there is something to take");
          context.waitUntil(() => {
            card.reclaim();
            const { frames_transmitted } = card.statistics();
            return frames_transmitted === BigInt(accepted * (round + 1));
          }, "the end of the round");
          card.events();
        }
        takeSent(context, Number(card.statistics().frames_transmitted));
        card.close();
      }
    },
  },
  {
    name: "a batch is one publish and at most one notification, and nobody is interrupted when it is sent",
    cards: [{ queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const pointer = context.allocate(PAGE_BYTES) + 64;
      putFrame(context, pointer, 100, 1);
      const { counters } = context.machine;
      card.enableInterrupts();
      for (let round = 0; round < 10; round++) {
        const before = { ...counters };
        const { reads, writes } = context.registerAccesses;
        const notifications = card.statistics().transmit_notifications;
        transmitAll(
          card,
          Array.from({ length: 20 }, (_, token) => transmitFrame(pointer, 100, token, HEADER_ROOM)),
        );
        const notified = Number(card.statistics().transmit_notifications - notifications);
        assert.ok(notified <= 1);
        if (round === 0) assert.equal(notified, 1, "an idle device is told");
        context.assertAccesses({ reads, writes: writes + notified });
        assert.equal(counters.barriers - before.barriers, 2);
        reclaim(context, card, 20);
      }
      takeSent(context, 200);
      // With EVENT_IDX a device may interrupt once before it has looked at the index for the first time.
      const hasEventIndex = (card.information().features_accepted & VIRTIO_F_EVENT_IDX) !== 0n;
      context.stack.service(1);
      assert.ok(card.statistics().interrupts <= (hasEventIndex ? 1n : 0n));
    },
  },
  {
    name: "a batch is accepted up to the first frame that is refused",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      const pointer = context.allocate(PAGE_BYTES);
      const expected = putFrame(context, pointer, 80, 4);
      const good = transmitFrame(pointer, 80, 1);
      const { accepted, refusal } = card.transmit([good, good, transmitFrame(pointer, 2), good]);
      assert.equal(accepted, 2);
      assertResult(refusal, Result.E_FRAME_SIZE);
      reclaim(context, card, 2);
      for (const sent of takeSent(context, 2)) assertSameFrame(sent, expected);
      context.letTimePass();
      assert.deepEqual(context.card().takeSent(), []);
    },
  },
  {
    name: "the blocking call copies, and says when there is no room",
    cards: [{ queueSizeMin: 16 }],
    run(context) {
      const card = context.openCard();
      const expected: Uint8Array[] = [];
      context.waitUntil(() => {
        const next = frame(60 + expected.length, expected.length);
        if (card.sendFrame(next)) expected.push(next);
        return expected.length === 400;
      }, "sending 400 frames");
      takeSent(context, 400).forEach((sent, index) => assertSameFrame(sent, expected[index] ?? sent));
      assert.throws(() => card.sendFrame(new Uint8Array(LONGEST_FRAME + 1)));
      assert.throws(() => card.sendFrame(new Uint8Array(3)));
    },
  },
];
