/** Receiving frames. [virtio-1.2 §5.1.6.3, §5.1.6.4] */

import assert from "node:assert/strict";
import {
  Interrupt,
  ReceivedBufferLayout,
  Result,
  type NetDevice,
  type ReceivedFrame,
} from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { ALL_OF_PLAIN_CARDS, headerBytes, VIRTIO_F_EVENT_IDX, VIRTIO_NET_F_MRG_RXBUF } from "../features.js";
import { Random } from "../random.js";
import { assertResult, assertThrowsResult } from "../results.js";
import { assertSameFrame, frame, ORDINARY_FRAME, PAGE_BYTES, receiveCopies, smallestBufferBytes } from "./frames.js";

const WAIT_MILLISECONDS = 5_000;
/** The shortest that passes every network unchanged. */
const SHORT_FRAME = 60;

function bytesOf(context: CaseContext, received: ReceivedFrame): Uint8Array {
  const bytes = new Uint8Array(received.length);
  let done = 0;
  for (const { pointer, length } of received.buffers) {
    bytes.set(context.machine.readBuffer(pointer, length), done);
    done += length;
  }
  assert.equal(done, received.length);
  return bytes;
}

function buffersOf(frames: readonly ReceivedFrame[]): number[] {
  return frames.flatMap(({ buffers }) => buffers.map(({ buffer }) => buffer));
}

/** Waits for frames whose buffers stay in the caller's hands. */
function receiveAndKeep(context: CaseContext, card: NetDevice, count: number): ReceivedFrame[] {
  const received: ReceivedFrame[] = [];
  context.waitUntil(() => {
    received.push(...card.receive());
    return received.length >= count;
  }, `arrival of ${count} frames`);
  assert.equal(received.length, count);
  return received;
}

function deliverOne(context: CaseContext, bytes: number, seed: number): Uint8Array {
  const sent = frame(bytes, seed);
  context.card().deliver([sent]);
  return sent;
}

const eventIndexChoices = [
  ["EVENT_IDX", ALL_OF_PLAIN_CARDS],
  ["flags", ALL_OF_PLAIN_CARDS & ~VIRTIO_F_EVENT_IDX],
] as const;

export const receive: readonly Case[] = [
  {
    name: `frames of every size from ${SHORT_FRAME} to ${ORDINARY_FRAME} bytes, in order`,
    cards: [{}],
    run(context) {
      const card = context.openCard();
      for (let first = SHORT_FRAME; first <= ORDINARY_FRAME; first += 64) {
        const sizes = Array.from({ length: Math.min(64, ORDINARY_FRAME + 1 - first) }, (_, index) => first + index);
        const sent = sizes.map((size) => frame(size, size));
        context.card().deliver(sent);
        const received = receiveCopies(context, card, sent.length);
        received.forEach((copy, index) => assertSameFrame(copy, sent[index] ?? copy));
      }
      const { frames_received, receive_errors } = card.statistics();
      assert.equal(frames_received, BigInt(ORDINARY_FRAME - SHORT_FRAME + 1));
      assert.equal(receive_errors, 0n);
    },
  },
  {
    name: "nothing to receive is nothing",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      assert.deepEqual(card.receive(), []);
      assert.deepEqual(card.receiveFrames(), []);
      deliverOne(context, 100, 1);
      receiveCopies(context, card, 1);
      assert.deepEqual(card.receive(), []);
    },
  },
  {
    name: "the bytes stay where the device wrote them until they are given back",
    cards: [{ queueSizeMin: 32 }],
    run(context) {
      const card = context.openCard(0, { receive_buffers: 8 });
      const sent = deliverOne(context, 500, 1);
      const kept = receiveAndKeep(context, card, 1);
      for (let round = 0; round < 40; round++) {
        const other = deliverOne(context, 300, round);
        assertSameFrame(receiveCopies(context, card, 1)[0], other);
      }
      for (const received of kept) assertSameFrame(bytesOf(context, received), sent);
      assert.equal(card.release(buffersOf(kept)), 1);
    },
  },
  {
    name: "header fields of a plain frame are zero",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      deliverOne(context, 100, 1);
      const [received] = receiveAndKeep(context, card, 1);
      assert.ok(received);
      const { flags, gso_type, gso_size, csum_start, csum_offset, buffers } = received;
      assert.deepEqual([flags, gso_type, gso_size, csum_start, csum_offset], [0, 0, 0, 0, 0]);
      assert.equal(buffers.length, 1);
      card.release(buffersOf([received]));
    },
  },
  {
    name: "buffers are given back in any order",
    cards: [{ queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard(0, { receive_buffers: 16 });
      const random = new Random(3);
      const kept: ReceivedFrame[] = [];
      for (let round = 0; round < 120; round++) {
        const sent = deliverOne(context, SHORT_FRAME + random.below(1000), round);
        const [received] = receiveAndKeep(context, card, 1);
        assert.ok(received);
        assertSameFrame(bytesOf(context, received), sent, `frame ${round}`);
        kept.push(received);
        while (kept.length > random.below(8)) {
          const [given] = kept.splice(random.below(kept.length), 1);
          if (given !== undefined) assert.equal(card.release(buffersOf([given])), given.buffers.length);
        }
      }
      card.release(buffersOf(kept));
    },
  },
  {
    name: "a buffer that the caller does not have: E_BUFFER, twice as well",
    cards: [{ queueSizeMin: 16 }],
    run(context) {
      const card = context.openCard();
      const { receive_buffers } = card.information();
      for (const wrong of [0, 1, receive_buffers - 1, receive_buffers, 0x7fff_ffff, 0xffff_ffff]) {
        assertThrowsResult(() => card.release([wrong]), Result.E_BUFFER, String(wrong));
      }
      deliverOne(context, 100, 1);
      const [mine = -1] = buffersOf(receiveAndKeep(context, card, 1));
      assertThrowsResult(() => card.release([receive_buffers, mine]), Result.E_BUFFER);
      assert.equal(card.release([mine]), 1);
      assertThrowsResult(() => card.release([mine]), Result.E_BUFFER);
      const sent = deliverOne(context, 100, 2);
      assertSameFrame(receiveCopies(context, card, 1)[0], sent);
    },
  },
  {
    name: "a batch is given back up to the first wrong buffer",
    cards: [{ queueSizeMin: 16 }],
    run(context) {
      const card = context.openCard();
      const { receive_buffers } = card.information();
      context.card().deliver([frame(80, 1), frame(90, 2), frame(100, 3)]);
      const [first = -1, second = -1, third = -1] = buffersOf(receiveAndKeep(context, card, 3));
      assert.equal(card.release([first, receive_buffers, second, third]), 1);
      assert.equal(card.release([second, second, third]), 1);
      assert.equal(card.release([third]), 1);
      context.card().deliver([frame(80, 4)]);
      assertSameFrame(receiveCopies(context, card, 1)[0], frame(80, 4));
    },
  },
  {
    name: "all buffers in the caller's hands: frames wait or are lost; given back, everything goes on",
    cards: [{ queueSizeMin: 16 }],
    run(context) {
      const card = context.openCard(0, { receive_buffers: 4 });
      for (let round = 0; round < 5; round++) {
        const sent = [0, 1, 2, 3].map((index) => frame(100 + index, round * 10 + index));
        context.card().deliver(sent);
        const kept = receiveAndKeep(context, card, 4);
        const late = [0, 1, 2].map((index) => frame(200 + index, round * 10 + index));
        context.card().deliver(late);
        context.letTimePass();
        assert.deepEqual(card.receive(), []);
        kept.forEach((received, index) =>
          assertSameFrame(bytesOf(context, received), frame(100 + index, round * 10 + index)),
        );
        assert.equal(card.release(buffersOf(kept)), 4);
        const last = deliverOne(context, 1000, round);
        const arrived: Uint8Array[] = [];
        context.waitUntil(() => {
          arrived.push(...card.receiveFrames());
          return arrived.at(-1)?.length === 1000;
        }, "a frame after the buffers were given back");
        assertSameFrame(arrived.pop(), last);
        for (const waited of arrived) assertSameFrame(waited, late[waited.length - 200] ?? last);
      }
    },
  },
  {
    name: "a refill is one publish and at most one notification",
    cards: [{ queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const { counters } = context.machine;
      for (let round = 0; round < 5; round++) {
        context.card().deliver(Array.from({ length: 10 }, (_, index) => frame(100, index)));
        const kept = receiveAndKeep(context, card, 10);
        const before = { ...counters };
        const { reads, writes } = context.registerAccesses;
        const notifications = card.statistics().receive_notifications;
        assert.equal(card.release(buffersOf(kept)), 10);
        const notified = Number(card.statistics().receive_notifications - notifications);
        assert.ok(notified <= 1);
        context.assertAccesses({ reads, writes: writes + notified });
        assert.equal(counters.barriers - before.barriers, 2);
      }
    },
  },
  {
    name: "MRG_RXBUF: frames over several small buffers [virtio-1.2 §5.1.6.4]",
    cards: [{ queueSizeMin: 256, offers: { mergeable: true } }],
    run(context) {
      const smallest = smallestBufferBytes(context);
      for (const receive_buffer_bytes of [smallest, smallest + 64, 2 * smallest]) {
        const card = context.openCard(0, { receive_buffer_bytes });
        const { header_bytes } = card.information();
        assert.equal(header_bytes, 12);
        const full = receive_buffer_bytes - header_bytes;
        for (const bytes of [SHORT_FRAME, full - 1, full, full + 1, 2 * full, 1012, 1513, ORDINARY_FRAME]) {
          const sent = deliverOne(context, bytes, bytes);
          const [received] = receiveAndKeep(context, card, 1);
          assert.ok(received);
          assertSameFrame(bytesOf(context, received), sent, `${bytes} bytes in buffers of ${receive_buffer_bytes}`);
          assert.equal(received.buffers.length, Math.ceil((header_bytes + bytes) / receive_buffer_bytes));
          assert.equal(card.release(buffersOf([received]).reverse()), received.buffers.length);
        }
        card.close();
      }
    },
  },
  {
    name: "MRG_RXBUF: room for fewer records than the frame has: E_ARGUMENT, and the frame is not lost",
    cards: [{ queueSizeMin: 256, offers: { mergeable: true } }],
    run(context) {
      // One of them holds the first frame.
      const receive_buffer_bytes = Math.max(smallestBufferBytes(context), 128);
      const card = context.openCard(0, { receive_buffer_bytes });
      const { exports, privateMemory } = context.stack;
      const records = privateMemory.take(16 * ReceivedBufferLayout.size);
      const small = frame(100, 1);
      const large = frame(3 * receive_buffer_bytes + 40, 2);
      context.card().deliver([small, large]);
      let count = 0;
      context.waitUntil(() => {
        count = exports.net_receive(card.handle, records, 2);
        return count !== 0;
      }, "arrival of the first frame");
      assert.equal(count, 1, "the second does not fit behind the first");
      context.waitUntil(() => exports.net_receive(card.handle, records, 3) !== 0, "arrival of the second frame");
      for (const capacity of [1, 2, 3]) {
        assertResult(exports.net_receive(card.handle, records, capacity), Result.E_ARGUMENT, String(capacity));
      }
      const [received] = receiveAndKeep(context, card, 1);
      assert.ok(received);
      assertSameFrame(bytesOf(context, received), large);
      assert.equal(received.buffers.length, 4);
      card.release(buffersOf([received]));
      card.release([context.stack.view.getUint32(records + ReceivedBufferLayout.fields.buffer.offset, true)]);
      assert.equal(card.statistics().frames_received, 2n);
      privateMemory.give(records, 16 * ReceivedBufferLayout.size);
    },
  },
  {
    name: "without MRG_RXBUF every frame has one buffer",
    cards: [{ offers: { mergeable: true } }],
    run(context) {
      const card = context.openCard(0, { features: ALL_OF_PLAIN_CARDS & ~VIRTIO_NET_F_MRG_RXBUF });
      const { features_accepted, header_bytes } = card.information();
      assert.equal(header_bytes, headerBytes(features_accepted));
      for (const bytes of [SHORT_FRAME, 700, ORDINARY_FRAME]) {
        const sent = deliverOne(context, bytes, bytes);
        const [received] = receiveAndKeep(context, card, 1);
        assert.ok(received);
        assert.equal(received.buffers.length, 1);
        assertSameFrame(bytesOf(context, received), sent);
        card.release(buffersOf([received]));
      }
    },
  },
  {
    name: "frames as long as a large MTU allows",
    cards: [{ mtu: 9000, queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      for (const bytes of [1515, 4096, 9014]) {
        const sent = deliverOne(context, bytes, bytes);
        assertSameFrame(receiveCopies(context, card, 1)[0], sent);
      }
    },
  },
  ...eventIndexChoices.map(([name, allowed]): Case => ({
    name: `a frame interrupts whoever asked for it (${name})`,
    cards: [{}],
    run(context) {
      const card = context.openCard(0, { features: allowed });
      for (let round = 0; round < 30; round++) {
        while (card.enableInterrupts()) card.receiveFrames();
        const sent = deliverOne(context, 100, round);
        assert.equal(context.takeInterrupt(card, WAIT_MILLISECONDS), Interrupt.QUEUE);
        assert.deepEqual(context.machine.waitForInterrupt(0), []);
        assertSameFrame(receiveCopies(context, card, 1)[0], sent);
      }
      assert.equal(card.statistics().interrupts, 30n);
    },
  })),
  ...eventIndexChoices.map(([name, allowed]): Case => ({
    name: `enabling interrupts says when a frame is there already (${name})`,
    cards: [{}],
    run(context) {
      const card = context.openCard(0, { features: allowed });
      assert.equal(card.enableInterrupts(), false);
      card.disableInterrupts();
      deliverOne(context, 100, 1);
      context.waitUntil(() => card.enableInterrupts(), "a frame that enabling interrupts reports");
      receiveCopies(context, card, 1);
      assert.equal(card.enableInterrupts(), false);
    },
  })),
  {
    name: "polling alone, without an interrupt",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      const hasEventIndex = (card.information().features_accepted & VIRTIO_F_EVENT_IDX) !== 0n;
      for (let round = 0; round < 30; round++) {
        const sent = deliverOne(context, 100, round);
        assertSameFrame(receiveCopies(context, card, 1)[0], sent);
      }
      // With EVENT_IDX a device may interrupt once before it has looked at the index for the first time.
      context.stack.service(1);
      assert.ok(card.statistics().interrupts <= (hasEventIndex ? 1n : 0n));
    },
  },
  {
    name: "the blocking call waits for a frame, and not for ever",
    cards: [{}],
    run(context) {
      const card = context.openCard();
      assert.deepEqual(card.waitForFrames(5), []);
      const sent = deliverOne(context, 300, 1);
      assertSameFrame(card.waitForFrames(WAIT_MILLISECONDS)[0], sent);
    },
  },
  {
    name: "receive buffers lie in pages of their own, and none crosses one",
    cards: [{ queueSizeMin: 16, offers: { mergeable: true } }],
    run(context) {
      const whole = ALL_OF_PLAIN_CARDS & ~VIRTIO_NET_F_MRG_RXBUF;
      const card = context.openCard(0, { features: whole, receive_buffer_bytes: 1536, receive_buffers: 8 });
      const kept: ReceivedFrame[] = [];
      for (let round = 0; round < 8; round++) {
        deliverOne(context, 1000, round);
        kept.push(...receiveAndKeep(context, card, 1));
      }
      const starts = kept.flatMap(({ buffers }) => buffers.map(({ pointer }) => pointer - 10));
      assert.equal(new Set(starts).size, 8);
      for (const start of starts) assert.ok((start % PAGE_BYTES) + 1536 <= PAGE_BYTES);
      card.release(buffersOf(kept));
    },
  },
];
