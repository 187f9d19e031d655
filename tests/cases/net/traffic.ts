/** Long runs of frames in both directions, and several cards. */

import assert from "node:assert/strict";
import { Result, resultName, type NetDevice, type TransmitFrame } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { Random } from "../random.js";
import {
  assertSameFrame,
  frame,
  LONGEST_FRAME,
  ORDINARY_FRAME,
  receiveCopies,
  send,
  smallestBufferBytes,
} from "./frames.js";

/** Past the largest ring index. */
const WRAPPING_FRAMES = 70_000;
const RANDOM_FRAMES = 20_000;
const SLOT_BYTES = 2048;
const HEADER_ROOM = 16;
const SHORT_FRAME = 60;

/** Sends `total` frames as `make` describes them, and compares each with what comes out at the other end. */
class Sender {
  private readonly free: number[];
  private readonly expected: Uint8Array[] = [];
  private next = 0;
  completed = 0;
  arrived = 0;

  constructor(
    private readonly context: CaseContext,
    private readonly card: NetDevice,
    private readonly total: number,
    private readonly make: (number: number) => Uint8Array,
    private readonly random: Random,
  ) {
    const slots = Math.min(card.information().transmit_queue_size, 64);
    const memory = context.allocate(slots * SLOT_BYTES);
    this.free = Array.from({ length: slots }, (_, slot) => memory + slot * SLOT_BYTES + 64);
  }

  get isDone(): boolean {
    return this.completed === this.total && this.arrived === this.total;
  }

  turn(): void {
    const { context, card, free } = this;
    const batch: TransmitFrame[] = [];
    const made: Uint8Array[] = [];
    for (let left = this.random.between(1, 32); left > 0 && this.next + batch.length < this.total; left--) {
      const pointer = free.pop();
      if (pointer === undefined) break;
      const bytes = this.make(this.next + batch.length);
      context.machine.writeBuffer(pointer, bytes);
      made.push(bytes);
      batch.push(this.cut(pointer, bytes.length));
    }
    const { accepted, refusal } = card.transmit(batch);
    if (refusal !== 0) assert.equal(resultName(refusal), resultName(Result.E_FULL));
    for (const { token } of batch.slice(accepted)) free.push(token);
    this.expected.push(...made.slice(0, accepted));
    this.next += accepted;
    for (const { token, result } of card.reclaim()) {
      if (result !== 0) assert.fail(resultName(result));
      free.push(token);
      this.completed++;
    }
    for (const sent of context.card().takeSent()) {
      const wanted = this.expected.shift();
      assert.ok(wanted, "a frame that nobody sent");
      assertSameFrame(sent, wanted, `transmitted frame ${this.arrived}`);
      this.arrived++;
    }
  }

  /** One or two segments, with or without room for the header; the token is the memory. */
  private cut(pointer: number, length: number): TransmitFrame {
    const first = this.random.below(4) === 0 ? this.random.between(1, length - 1) : length;
    const segments = [{ pointer, length: first }];
    if (first < length) segments.push({ pointer: pointer + first, length: length - first });
    return { token: pointer, segments, header_room: this.random.below(2) * HEADER_ROOM };
  }
}

/** Delivers `total` frames to the guest, no more at once than any card keeps, and compares what arrives. */
class Receiver {
  private readonly expected: Uint8Array[] = [];
  private next = 0;
  private readonly window: number;
  arrived = 0;

  constructor(
    private readonly context: CaseContext,
    private readonly card: NetDevice,
    private readonly total: number,
    private readonly make: (number: number) => Uint8Array,
    private readonly random: Random,
  ) {
    this.window = Math.min(card.information().receive_buffers, 64);
  }

  get isDone(): boolean {
    return this.arrived === this.total;
  }

  turn(): void {
    const { context, expected } = this;
    const room = Math.min(this.window - expected.length, this.total - this.next);
    if (room > 0) {
      const count = this.random.between(1, room);
      const made = Array.from({ length: count }, (_, index) => this.make(this.next + index));
      expected.push(...made);
      this.next += count;
      context.card().deliver(made);
    }
    for (const received of this.card.receiveFrames()) {
      const wanted = expected.shift();
      assert.ok(wanted, "a frame that nobody sent");
      assertSameFrame(received, wanted, `received frame ${this.arrived}`);
      this.arrived++;
    }
  }
}

function runBoth(context: CaseContext, card: NetDevice, sender: Sender, receiver: Receiver, total: number): void {
  context.waitLongUntil(() => {
    if (!sender.isDone) sender.turn();
    if (!receiver.isDone) receiver.turn();
    return sender.isDone && receiver.isDone;
  }, `${total} frames in each direction`);
  const statistics = card.statistics();
  assert.equal(statistics.frames_transmitted, BigInt(total));
  assert.equal(statistics.frames_received, BigInt(total));
  assert.equal(statistics.receive_errors, 0n);
  assert.equal(statistics.transmit_errors, 0n);
}

function wrapAround(context: CaseContext, card: NetDevice): void {
  const frames = Array.from({ length: 64 }, (_, seed) => frame(SHORT_FRAME + seed, seed));
  const make = (number: number): Uint8Array => frames[number % 64] ?? frame(SHORT_FRAME, number);
  const random = new Random(11);
  const sender = new Sender(context, card, WRAPPING_FRAMES, make, random);
  const receiver = new Receiver(context, card, WRAPPING_FRAMES, make, random);
  runBoth(context, card, sender, receiver, WRAPPING_FRAMES);
}

/** Random frames in both directions at the same time. */
function exchangeRandomFrames(context: CaseContext, card: NetDevice, total: number): void {
  const random = new Random(7);
  const sender = new Sender(context, card, total, (number) => frame(random.between(14, LONGEST_FRAME), number), random);
  const receiver = new Receiver(
    context,
    card,
    total,
    (number) => frame(random.between(SHORT_FRAME, ORDINARY_FRAME), number),
    random,
  );
  runBoth(context, card, sender, receiver, total);
}

export const traffic: readonly Case[] = [
  {
    name: "random frames in both directions, byte for byte",
    cards: [{ queueSizeMin: 16 }],
    run(context) {
      exchangeRandomFrames(context, context.openCard(), context.repetitions(RANDOM_FRAMES));
    },
  },
  {
    name: "random frames in both directions, over small receive buffers",
    cards: [{ queueSizeMin: 256, offers: { mergeable: true } }],
    run(context) {
      const card = context.openCard(0, { receive_buffer_bytes: smallestBufferBytes(context) });
      exchangeRandomFrames(context, card, context.repetitions(RANDOM_FRAMES / 4));
    },
  },
  {
    name: "random frames in both directions, without optional features",
    cards: [{ queueSizeMin: 16, offers: { anyLayout: false } }],
    run(context) {
      const card = context.openCard(0, { features: 0n });
      exchangeRandomFrames(context, card, context.repetitions(RANDOM_FRAMES / 4));
    },
  },
  {
    name: "statistics are what was done",
    cards: [{ queueSizeMin: 16 }],
    run(context) {
      const card = context.openCard();
      let transmitted = 0;
      let received = 0;
      for (let round = 0; round < 25; round++) {
        send(context, card, frame(100 + round, round));
        transmitted += 100 + round;
        context.waitUntil(() => {
          card.reclaim();
          return card.statistics().frames_transmitted === BigInt(round + 1);
        }, "completion of a frame");
        context.card().deliver([frame(200 + round, round)]);
        received += 200 + round;
        receiveCopies(context, card, 1);
      }
      const statistics = card.statistics();
      assert.equal(statistics.bytes_transmitted, BigInt(transmitted));
      assert.equal(statistics.frames_received, 25n);
      assert.equal(statistics.bytes_received, BigInt(received));
      assert.ok(statistics.transmit_notifications >= 1n && statistics.transmit_notifications <= 25n);
      for (const count of [
        statistics.transmit_errors,
        statistics.transmit_refused,
        statistics.transmit_full,
        statistics.receive_errors,
        statistics.resets,
      ]) {
        assert.equal(count, 0n);
      }
    },
  },
  {
    name: "two cards linked to each other",
    cards: [
      { network: "between", mac: "52:54:00:00:00:0a" },
      { network: "between", mac: "52:54:00:00:00:0b" },
    ],
    run(context) {
      const cards = [context.openCard(0), context.openCard(1)] as const;
      for (let round = 0; round < 100; round++) {
        const from = cards[round % 2] ?? cards[0];
        const to = cards[(round + 1) % 2] ?? cards[1];
        const bytes = frame(SHORT_FRAME + round * 13, round);
        send(context, from, bytes);
        assertSameFrame(receiveCopies(context, to, 1)[0], bytes);
      }
      for (const card of cards) {
        const { frames_received } = card.statistics();
        assert.equal(frames_received, 50n);
      }
    },
  },
  {
    name: "a frame goes to all other cards on the network, and not back",
    cards: [{ network: "shared" }, { network: "shared" }, { network: "shared" }],
    run(context) {
      const [first, second, third] = [0, 1, 2].map((index) => context.openCard(index, { receive_buffers: 32 }));
      assert.ok(first && second && third);
      send(context, second, frame(100, 5));
      for (const card of [first, third]) assertSameFrame(receiveCopies(context, card, 1)[0], frame(100, 5));
      context.letTimePass();
      assert.deepEqual(second.receiveFrames(), []);
    },
  },
  {
    name: "a card and a disk work side by side",
    cards: [{}],
    disks: [{}],
    run(context) {
      const card = context.openCard();
      const disk = context.openDisk();
      for (let round = 0; round < 20; round++) {
        const sector = disk.readSectors(round, 1);
        send(context, card, frame(100, round));
        context.card().deliver([frame(100, round + 1)]);
        disk.writeSectors(round + 100, sector);
        assertSameFrame(receiveCopies(context, card, 1)[0], frame(100, round + 1));
        assert.deepEqual(context.disk().contents(round + 100, 1), sector);
      }
    },
  },
];

/** Long: where frames take real time, once is enough. */
export const ringWrap: readonly Case[] = [
  {
    name: `ring indices wrap: ${WRAPPING_FRAMES} frames in each direction`,
    cards: [{}],
    run(context) {
      wrapAround(context, context.openCard());
    },
  },
  {
    name: `ring indices wrap on rings of 16 entries: ${WRAPPING_FRAMES} frames in each direction`,
    needs: ["small network rings"],
    cards: [{ queueSize: 16, offers: { anyLayout: false } }],
    run(context) {
      wrapAround(context, context.openCard(0, { features: 0n }));
    },
  },
];
