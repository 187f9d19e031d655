/**
 * Checksums and segmentation that the card does for the caller, and received frames that are left to it.
 * [virtio-1.2 §5.1.6.2, §5.1.6.4]
 */

import assert from "node:assert/strict";
import {
  Result,
  type NetDevice,
  type ReceivedFrame,
  type Segment,
  type TransmitFrame,
} from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import * as features from "../features.js";
import { pattern } from "../pattern.js";
import { Random } from "../random.js";
import {
  assertRefused,
  assertSameFrame,
  frame,
  ORDINARY_FRAME,
  PAGE_BYTES,
  receiveCopies,
  reclaim,
  takeSent,
  transmitAll,
} from "./frames.js";
import {
  DATA_VALID,
  ECN,
  NEEDS_CSUM,
  readTcp,
  readUdp,
  tcp,
  TCPV4,
  TCPV6,
  udp,
  UDP_DATAGRAMS,
  UDP_FRAGMENTS,
  type LeftFrame,
  type Version,
} from "./tcp.js";

const MSS = 1448;
/** Largest payload of a TCP packet: what its IP header can state. */
const LARGEST_TCP: Readonly<Record<Version, number>> = { 4: 65_535 - 40, 6: 65_535 - 20 };
const HEADER_ROOM = 16;
const ALL = features.ALL_FEATURES;
const PLAIN = features.ALL_OF_PLAIN_CARDS;
const GSO_OF: Readonly<Record<Version, number>> = { 4: TCPV4, 6: TCPV6 };

/** Space for frames to be sent. */
class Pool {
  readonly start: number;
  private next: number;

  constructor(
    private readonly context: CaseContext,
    bytes: number,
    options?: { scattered?: boolean },
  ) {
    this.start = context.allocate(bytes, options);
    this.next = this.start;
  }

  /** Writes a frame with room before it, and says where it is. */
  put({ bytes }: LeftFrame): Segment {
    const pointer = this.next + 64;
    this.context.machine.writeBuffer(pointer, bytes);
    this.next = pointer + ((bytes.length + 63) & ~63);
    return { pointer, length: bytes.length };
  }

  again(): void {
    this.next = this.start;
  }
}

function segmented(left: LeftFrame, gso_type: number, gso_size: number): Partial<TransmitFrame> {
  return { ...left.fields, gso_type, gso_size };
}

/** How many pieces of `size` bytes it takes. */
function cutInto(size: number, bytes: number): number {
  return Math.max(1, Math.ceil(bytes / size));
}

/** Cuts one stretch of memory into segments of random sizes. */
function inPieces({ pointer, length }: Segment, random: Random, largest: number): Segment[] {
  const segments: Segment[] = [];
  for (let done = 0; done < length;) {
    const piece = Math.min(random.between(1, largest), length - done);
    segments.push({ pointer: pointer + done, length: piece });
    done += piece;
  }
  return segments;
}

function bytesOf(context: CaseContext, { buffers }: ReceivedFrame): Uint8Array {
  const pieces = buffers.map(({ pointer, length }) => context.machine.readBuffer(pointer, length));
  return new Uint8Array(Buffer.concat(pieces));
}

function release(card: NetDevice, frames: readonly ReceivedFrame[]): void {
  card.release(frames.flatMap(({ buffers }) => buffers.map(({ buffer }) => buffer)));
}

function receive(context: CaseContext, card: NetDevice, count: number): ReceivedFrame[] {
  const frames: ReceivedFrame[] = [];
  context.waitUntil(() => {
    frames.push(...card.receive());
    return frames.length >= count;
  }, `arrival of ${count} frames`);
  assert.equal(frames.length, count, "more frames than were sent");
  return frames;
}

/** Two cards on one network, of which the second receives. */
const LINKED = [
  { offloads: true, queueSizeMin: 256, network: "one", mac: "52:54:00:00:00:01" },
  { offloads: true, queueSizeMin: 256, network: "one", mac: "52:54:00:00:00:02" },
] as const;

interface Fields {
  flags: number;
  gso_type: number;
  hdr_len: number;
  gso_size: number;
  csum_start: number;
  csum_offset: number;
}

function fieldsOf({ flags, gso_type, hdr_len, gso_size, csum_start, csum_offset }: ReceivedFrame): Fields {
  return { flags, gso_type, hdr_len, gso_size, csum_start, csum_offset };
}

const NO_FIELDS: Fields = { flags: 0, gso_type: 0, hdr_len: 0, gso_size: 0, csum_start: 0, csum_offset: 0 };

function send(context: CaseContext, card: NetDevice, pool: Pool, left: LeftFrame, also: Partial<TransmitFrame>): void {
  pool.again();
  transmitAll(card, [{ ...left.fields, ...also, token: 1, segments: [pool.put(left)], header_room: HEADER_ROOM }]);
  assert.equal(reclaim(context, card, 1)[0]?.length, left.bytes.length);
}

export const offloads: readonly Case[] = [
  {
    name: "those of transmission are accepted unless the caller says otherwise, those of reception if it says so",
    needs: ["offloads"],
    cards: [{ offloads: true, offers: { indirect: true } }],
    run(context) {
      const both = features.TRANSMIT_OFFLOADS | features.RECEIVE_OFFLOADS | features.VIRTIO_F_INDIRECT_DESC;
      const accepted = (allowed?: bigint): bigint => {
        const card = context.openCard(0, allowed === undefined ? undefined : { features: allowed });
        const found = card.information().features_accepted & both;
        card.close();
        return found;
      };
      const transmission = features.TRANSMIT_OFFLOADS | features.VIRTIO_F_INDIRECT_DESC;
      assert.equal(accepted(), transmission);
      assert.equal(accepted(PLAIN), transmission);
      assert.equal(accepted(ALL), both);
      assert.equal(accepted(ALL & ~features.VIRTIO_NET_F_CSUM), features.RECEIVE_OFFLOADS);
      assert.equal(accepted(ALL & ~features.VIRTIO_NET_F_GUEST_CSUM), transmission);
      const noTso = ALL & ~(features.VIRTIO_NET_F_HOST_TSO4 | features.VIRTIO_NET_F_HOST_TSO6);
      assert.equal(
        accepted(noTso) & features.TRANSMIT_OFFLOADS,
        features.VIRTIO_NET_F_CSUM | features.VIRTIO_NET_F_HOST_UFO,
      );
    },
  },
  {
    name: "checksums of TCP and UDP are filled in",
    needs: ["offloads"],
    cards: [{ offloads: true, queueSizeMin: 16 }],
    run(context) {
      const card = context.openCard();
      const pool = new Pool(context, 2 * PAGE_BYTES);
      for (const version of [4, 6] as const) {
        for (const bytes of [0, 1, 2, 3, 100, 1000, 1001, 1400]) {
          const payload = pattern(bytes, bytes);
          send(context, card, pool, tcp(version, payload), {});
          assertSameFrame(readTcp(takeSent(context, 1), version), payload);
          send(context, card, pool, udp(version, payload), {});
          assertSameFrame(readUdp(takeSent(context, 1), version), payload);
        }
      }
      assert.equal(card.statistics().transmit_refused, 0n);
    },
  },
  {
    name: "frames with and without work for the card keep their order",
    needs: ["offloads"],
    cards: [{ offloads: true, queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const random = new Random(5);
      const pool = new Pool(context, 32 * 8192);
      for (let round = 0; round < 20; round++) {
        pool.again();
        const made = Array.from({ length: 16 }, (_, index) => {
          const payload = pattern(round * 16 + index, random.between(1, 3 * 500));
          const kind = random.below(3);
          const left = kind === 0 ? { bytes: frame(60 + index, index), fields: {} } : tcp(4, payload.slice(0, 1400));
          const large = kind === 2 ? { gso_type: TCPV4, gso_size: 500 } : {};
          return { left: left as LeftFrame, payload: payload.slice(0, 1400), kind, large };
        });
        const frames = made.map(({ left, large }, token): TransmitFrame => {
          return { ...left.fields, ...large, token, segments: [pool.put(left)], header_room: HEADER_ROOM };
        });
        transmitAll(card, frames);
        reclaim(context, card, frames.length);
        const counts = made.map(({ payload, kind }) => (kind === 2 ? cutInto(500, payload.length) : 1));
        const sent = takeSent(
          context,
          counts.reduce((all, count) => all + count),
        );
        made.forEach(({ left, payload, kind }, index) => {
          const mine = sent.splice(0, counts[index]);
          if (kind === 0) assertSameFrame(mine[0], left.bytes);
          else assertSameFrame(readTcp(mine, 4), payload);
        });
      }
    },
  },
  ...([4, 6] as const).map((version): Case => ({
    name: `TCP over IPv${version}: frames of up to 64 KiB are cut into segments`,
    needs: ["offloads"],
    cards: [{ offloads: true, queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const pool = new Pool(context, 17 * PAGE_BYTES + PAGE_BYTES);
      const largest = LARGEST_TCP[version];
      let segments = 0;
      for (const bytes of [1, MSS - 1, MSS, MSS + 1, 2 * MSS, 9000, 20_001, 65_000, largest]) {
        const payload = pattern(bytes, bytes);
        const sequence = 2 ** 32 - 5000;
        const left = tcp(version, payload, sequence);
        send(context, card, pool, left, segmented(left, GSO_OF[version], MSS));
        const sizes: number[] = [];
        const sent = takeSent(context, cutInto(MSS, bytes));
        segments += sent.length;
        assertSameFrame(readTcp(sent, version, sequence, sizes), payload);
        assert.ok(sizes.slice(0, -1).every((size) => size === MSS));
      }
      assert.ok(segments > 110);
      assert.equal(card.statistics().frames_transmitted, 9n, "each counts as one");
    },
  })),
  ...([4, 6] as const).map((version): Case => ({
    name: `UDP over IPv${version}: datagrams of up to 64 KiB are cut into fragments`,
    needs: ["offloads"],
    cards: [{ offloads: true, queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const pool = new Pool(context, 18 * PAGE_BYTES);
      for (const bytes of [1, 1472, 1473, 9000, 65_000]) {
        const payload = pattern(bytes, bytes);
        const left = udp(version, payload);
        send(context, card, pool, left, segmented(left, UDP_FRAGMENTS, 1480));
        assertSameFrame(readUdp(takeSent(context, cutInto(1480, bytes + 8)), version), payload);
      }
    },
  })),
  {
    name: "UDP is cut into datagrams by a device with VERSION_1, and refused with any other",
    needs: ["offloads"],
    cards: [{ offloads: true, queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const accepted = card.information().features_accepted;
      const isModern = (accepted & features.VIRTIO_F_VERSION_1) !== 0n;
      assert.equal((accepted & features.VIRTIO_NET_F_HOST_USO) !== 0n, isModern);
      const pool = new Pool(context, 18 * PAGE_BYTES);
      for (const version of [4, 6] as const) {
        for (const bytes of [1, 1000, 1001, 65_000]) {
          const payload = pattern(bytes, bytes);
          const left = udp(version, payload);
          const wanted = segmented(left, UDP_DATAGRAMS, 1000);
          if (!isModern) {
            pool.again();
            assertRefused(card, { token: 0, segments: [pool.put(left)], ...wanted }, Result.E_UNSUPPORTED);
            continue;
          }
          send(context, card, pool, left, wanted);
          const datagrams = takeSent(context, cutInto(1000, bytes)).map((sent) => readUdp([sent], version));
          assertSameFrame(new Uint8Array(Buffer.concat(datagrams)), payload);
        }
      }
    },
  },
  {
    name: "ECN goes with TCP segmentation",
    needs: ["offloads"],
    cards: [{ offloads: true, queueSizeMin: 64 }],
    run(context) {
      const card = context.openCard();
      const pool = new Pool(context, 4 * PAGE_BYTES);
      const CWR = 0x80;
      const FLAGS = 47;
      const left = tcp(4, pattern(1, 4000));
      left.bytes[FLAGS] = (left.bytes[FLAGS] ?? 0) | CWR;
      send(context, card, pool, left, segmented(left, TCPV4 + ECN, 1000));
      const sent = takeSent(context, 4);
      assert.deepEqual(
        sent.map((bytes) => (bytes[FLAGS] ?? 0) & CWR),
        [CWR, 0, 0, 0],
      );
      readTcp(sent, 4);
    },
  },
  ...([true, false] as const).map((indirect): Case => ({
    name: `large frames in pieces of any size ${indirect ? "in" : "without"} indirect tables`,
    needs: ["offloads"],
    cards: [{ offloads: true, queueSizeMin: 256, offers: { indirect } }],
    run(context) {
      const card = context.openCard();
      const random = new Random(9);
      const pool = new Pool(context, 18 * PAGE_BYTES);
      for (let round = 0; round < context.repetitions(60); round++) {
        pool.again();
        const version = random.below(2) === 0 ? 4 : 6;
        const payload = pattern(round, random.between(1, LARGEST_TCP[version]));
        const left = tcp(version, payload);
        const segments = inPieces(pool.put(left), random, random.below(2) === 0 ? 40_000 : 2500);
        transmitAll(card, [
          { ...segmented(left, GSO_OF[version], MSS), token: round, segments, header_room: HEADER_ROOM },
        ]);
        const [completion] = reclaim(context, card, 1);
        assert.equal(completion?.length, left.bytes.length);
        assertSameFrame(readTcp(takeSent(context, cutInto(MSS, payload.length)), version), payload);
      }
    },
  })),
  {
    name: "pages that are apart, and as many large frames under way as the ring has descriptors",
    needs: ["offloads", "scattered memory"],
    cards: [{ offloads: true, queueSizeMin: 64, offers: { indirect: true } }],
    run(context) {
      const card = context.openCard();
      const { transmit_queue_size } = card.information();
      const pool = new Pool(context, 18 * PAGE_BYTES, { scattered: true });
      const payload = pattern(3, 60_000);
      const left = tcp(4, payload);
      const segments = [pool.put(left)];
      const one = (token: number): TransmitFrame => ({ ...segmented(left, TCPV4, 30_000), token, segments });
      const count = Math.min(transmit_queue_size, 256);
      transmitAll(
        card,
        Array.from({ length: count }, (_, token) => one(token)),
      );
      if (count === transmit_queue_size) assertRefused(card, one(0), Result.E_FULL);
      reclaim(context, card, count);
      const sent = takeSent(context, 2 * count);
      for (let index = 0; index < sent.length; index += 2) {
        assertSameFrame(readTcp(sent.slice(index, index + 2), 4), payload);
      }
    },
  },
  {
    name: "fields that contradict each other or the frame: E_ARGUMENT, and what was not negotiated: E_UNSUPPORTED",
    needs: ["offloads"],
    cards: [{ offloads: true }],
    run(context) {
      const card = context.openCard(0, { features: ALL & ~features.VIRTIO_NET_F_HOST_UFO });
      const pool = new Pool(context, 20 * PAGE_BYTES);
      const left = tcp(4, pattern(1, 1000));
      const plain = { token: 0, segments: [pool.put(left)] };
      const { fields } = left;
      const large = segmented(left, TCPV4, MSS);
      for (const wrong of [
        { ...fields, flags: 0 },
        { ...fields, csum_start: left.bytes.length - 17 },
        { ...fields, csum_offset: 0xffff },
        { ...fields, hdr_len: left.bytes.length + 1 },
        { ...fields, gso_size: MSS },
        { ...large, gso_size: 0 },
        { ...large, flags: 0 },
        { hdr_len: 14 },
      ]) {
        assertRefused(card, { ...plain, ...wrong }, Result.E_ARGUMENT, JSON.stringify(wrong));
      }
      for (const unknown of [
        { ...fields, flags: DATA_VALID },
        { ...fields, flags: NEEDS_CSUM | DATA_VALID },
        { ...fields, flags: 0x80 },
        { ...large, gso_type: UDP_FRAGMENTS },
        { ...large, gso_type: ECN },
        { ...large, gso_type: 2 },
      ]) {
        assertRefused(card, { ...plain, ...unknown }, Result.E_UNSUPPORTED, JSON.stringify(unknown));
      }
      const long = { token: 0, segments: [{ pointer: pool.start, length: 65_594 }] };
      assertRefused(card, { ...long, ...large }, Result.E_FRAME_SIZE);
      assertRefused(card, { ...long, ...fields }, Result.E_FRAME_SIZE);
      transmitAll(card, [{ ...plain, ...large }]);
      reclaim(context, card, 1);
      readTcp(takeSent(context, 1), 4);
    },
  },
  ...([true, false] as const).flatMap((mergeable) =>
    ([4, 6] as const).map((version): Case => ({
      name: `TCP over IPv${version} comes in unsegmented ${mergeable ? "with" : "without"} MRG_RXBUF`,
      needs: ["offloads"],
      cards: LINKED.map((card) => ({ ...card, offers: { mergeable } })),
      run(context) {
        const sender = context.openCard(0);
        const receiver = context.openCard(1, { features: ALL });
        const { receive_buffers, receive_buffer_bytes } = receiver.information();
        if (!mergeable) {
          assert.equal(receive_buffer_bytes, 65_664);
          assert.equal(receive_buffers, 32);
        }
        const pool = new Pool(context, 18 * PAGE_BYTES);
        for (const bytes of [1, 1000, MSS + 1, 9000, 30_000, LARGEST_TCP[version]]) {
          const left = tcp(version, pattern(bytes, bytes));
          const expected = segmented(left, GSO_OF[version], MSS);
          send(context, sender, pool, left, expected);
          const [received] = receive(context, receiver, 1);
          assert.ok(received);
          assertSameFrame(bytesOf(context, received), left.bytes);
          assert.deepEqual(fieldsOf(received), expected);
          assert.equal(received.length, left.bytes.length);
          release(receiver, [received]);
        }
        assert.equal(receiver.statistics().receive_errors, 0n);
      },
    })),
  ),
  {
    name: "a receiver that did not ask for it gets segments with checksums, and no header fields",
    needs: ["offloads"],
    cards: LINKED,
    run(context) {
      const sender = context.openCard(0);
      const receiver = context.openCard(1);
      const pool = new Pool(context, 18 * PAGE_BYTES);
      const payload = pattern(1, 30_000);
      const left = tcp(4, payload);
      send(context, sender, pool, left, segmented(left, TCPV4, MSS));
      const received = receive(context, receiver, cutInto(MSS, payload.length));
      for (const one of received) assert.deepEqual(fieldsOf(one), NO_FIELDS);
      assertSameFrame(
        readTcp(
          received.map((one) => bytesOf(context, one)),
          4,
        ),
        payload,
      );
      release(receiver, received);
    },
  },
  {
    name: "GUEST_CSUM: whether a checksum is missing, right, or neither is said of each frame",
    needs: ["offloads"],
    cards: LINKED,
    run(context) {
      const sender = context.openCard(0);
      const receiver = context.openCard(1, { features: PLAIN | features.VIRTIO_NET_F_GUEST_CSUM });
      const pool = new Pool(context, 4 * PAGE_BYTES);
      const left = tcp(4, pattern(1, 500));
      send(context, sender, pool, left, {});
      // Two segments, which the receiver cannot take as one.
      send(context, sender, pool, left, segmented(left, TCPV4, 400));
      sender.sendFrame(frame(ORDINARY_FRAME, 1));
      const received = receive(context, receiver, 4);
      const valid = { ...NO_FIELDS, flags: DATA_VALID };
      const missing = { ...NO_FIELDS, ...left.fields, hdr_len: 0 };
      assert.deepEqual(received.map(fieldsOf), [missing, valid, valid, NO_FIELDS]);
      assertSameFrame(bytesOf(context, received[0] ?? { ...NO_FIELDS, length: 0, buffers: [] }), left.bytes);
      readTcp(
        received.slice(1, 3).map((one) => bytesOf(context, one)),
        4,
      );
      release(receiver, received);
    },
  },
  {
    name: "the simple call sends a frame without its checksum as well",
    needs: ["offloads"],
    cards: [{ offloads: true }],
    run(context) {
      const card = context.openCard();
      const payload = pattern(2, 200);
      const { bytes, fields } = udp(6, payload);
      context.waitUntil(() => card.sendFrame(bytes, fields), "room for a frame");
      assertSameFrame(readUdp(takeSent(context, 1), 6), payload);
    },
  },
  {
    name: "all of it works again after a reset, with frames of all kinds mixed",
    needs: ["offloads"],
    cards: LINKED,
    run(context) {
      const sender = context.openCard(0);
      const receiver = context.openCard(1, { features: ALL });
      const before = [sender.information(), receiver.information()];
      const pool = new Pool(context, 18 * PAGE_BYTES);
      for (let round = 0; round < 3; round++) {
        const left = tcp(4, pattern(round, 20_000));
        send(context, sender, pool, left, segmented(left, TCPV4, MSS));
        sender.sendFrame(frame(100, round));
        const received = receive(context, receiver, 2);
        assert.equal(received[0]?.gso_size, MSS);
        assert.deepEqual(
          received.map(({ length }) => length),
          [left.bytes.length, 100],
        );
        release(receiver, received);
        sender.reset();
        receiver.reset();
        assert.deepEqual([sender.information(), receiver.information()], before);
      }
      sender.sendFrame(frame(100, 9));
      assertSameFrame(receiveCopies(context, receiver, 1)[0], frame(100, 9));
    },
  },
];
