/** Headers of received frames that lie to a caller who asked for them. [virtio-1.2 §5.1.6.4] */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { VIRTIO_F_ANY_LAYOUT } from "../../../kernel-shim/emulated-pc/virtio/constants.js";
import { Event, NET_FEATURES, ReceiveOffload, type ReceivedFrame } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { frameOf } from "../traced-network.js";
import { CardGround, onBothBuilds } from "./ground.js";

const MRG_RXBUF = 2 ** 15;
const GUEST = Object.values(ReceiveOffload).reduce((all, feature) => all + feature, 0);
const FRAME_BYTES = 300;

/** With and without MRG_RXBUF, and a header alone in its descriptor. */
const LAYOUTS: Readonly<Record<string, number>> = {
  MRG_RXBUF: MRG_RXBUF + VIRTIO_F_ANY_LAYOUT,
  "large buffers": VIRTIO_F_ANY_LAYOUT,
  "a descriptor for the header": 0,
};

interface Lie {
  readonly flags?: number;
  readonly gso_type?: number;
  readonly hdr_len?: number;
  readonly gso_size?: number;
  readonly csum_start?: number;
  readonly csum_offset?: number;
  readonly num_buffers?: number;
}

const OFFSETS: Readonly<Record<keyof Lie, readonly [offset: number, bytes: 1 | 2]>> = {
  flags: [0, 1],
  gso_type: [1, 1],
  hdr_len: [2, 2],
  gso_size: [4, 2],
  csum_start: [6, 2],
  csum_offset: [8, 2],
  num_buffers: [10, 2],
};

function write(header: Uint8Array, lie: Lie): void {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  for (const [name, value] of Object.entries(lie) as [keyof Lie, number][]) {
    const [offset, bytes] = OFFSETS[name];
    if (offset >= header.length) continue;
    if (bytes === 1) view.setUint8(offset, value);
    else view.setUint16(offset, value, true);
  }
}

/** A card that receives with all offloads but some, and tells lies until it is told to behave. */
class Liar {
  readonly ground: CardGround;
  lie: Lie = {};

  constructor(build: Build, layout: number, missing = 0) {
    this.ground = new CardGround(build, {
      features: GUEST - missing + layout,
      receiveFaults: { header: (header) => write(header, this.lie) },
    });
    const features = NET_FEATURES | BigInt(GUEST);
    // More large ones than the machine has memory for would be taken otherwise.
    this.ground.open((layout & MRG_RXBUF) === 0 ? { features, receive_buffers: 4 } : { features });
  }

  /** A frame comes in with this header. */
  receive(lie: Lie): ReceivedFrame[] {
    const { ground } = this;
    this.lie = lie;
    ground.network.arrive(frameOf(1, FRAME_BYTES));
    ground.wait();
    const frames = ground.card.receive();
    ground.card.release(frames.flatMap(({ buffers }) => buffers.map(({ buffer }) => buffer)));
    return frames;
  }

  drops(lie: Lie): void {
    const { card } = this.ground;
    const before = card.statistics().receive_errors;
    assert.deepEqual(this.receive(lie), [], JSON.stringify(lie));
    assert.equal(card.statistics().receive_errors, before + 1n, JSON.stringify(lie));
    assert.equal(card.events() & Event.BROKEN, 0);
  }

  tells(lie: Lie, told: Lie): void {
    const [frame, ...others] = this.receive(lie);
    assert.ok(frame !== undefined, JSON.stringify(lie));
    assert.equal(others.length, 0);
    const { flags, gso_type, hdr_len, gso_size, csum_start, csum_offset } = frame;
    assert.deepEqual(
      { flags, gso_type, hdr_len, gso_size, csum_start, csum_offset },
      { flags: 0, gso_type: 0, hdr_len: 0, gso_size: 0, csum_start: 0, csum_offset: 0, ...told },
      JSON.stringify(lie),
    );
    assert.equal(frame.length, FRAME_BYTES);
  }

  recovers(): void {
    this.lie = {};
    this.ground.recovers();
  }
}

const CHECKSUM: Lie = { flags: 1, csum_start: 34, csum_offset: 16 };
const LARGE: Lie = { ...CHECKSUM, gso_type: 1, gso_size: 100, hdr_len: 54 };

for (const [name, layout] of Object.entries(LAYOUTS)) {
  describe(`a received header, with ${name}`, () => {
    onBothBuilds("that leads beyond the frame, or is of no segmentation that was negotiated, drops it", (build) => {
      const liar = new Liar(build, layout, ReceiveOffload.GUEST_TSO6);
      liar.tells(CHECKSUM, CHECKSUM);
      for (let round = 0; round < 40; round++) {
        liar.drops({ ...CHECKSUM, csum_start: FRAME_BYTES - 17 });
        liar.drops({ ...CHECKSUM, csum_offset: 0xffff });
        liar.drops({ ...CHECKSUM, csum_start: 0xffff, csum_offset: 0xffff });
        liar.drops({ ...LARGE, gso_size: 0 });
        liar.drops({ ...LARGE, flags: 0, gso_size: 0 });
        for (const gso_type of [2, 4, 5, 6, 0x7f, 0x80, 0x83, 0x84, 0x85, 0xff]) liar.drops({ ...LARGE, gso_type });
      }
      liar.tells(LARGE, LARGE);
      liar.recovers();
    });

    onBothBuilds("tells nothing that has no meaning", (build) => {
      const liar = new Liar(build, layout);
      liar.tells({ ...CHECKSUM, flags: 0 }, {});
      liar.tells({ ...CHECKSUM, flags: 0xfc }, {});
      liar.tells({ ...CHECKSUM, flags: 0xff }, { ...CHECKSUM, flags: 3 });
      liar.tells({ hdr_len: 54, gso_size: 1000 }, {});
      liar.tells({ ...CHECKSUM, hdr_len: 0xffff, gso_size: 0xffff }, CHECKSUM);
      liar.tells({ ...LARGE, hdr_len: FRAME_BYTES + 1 }, { ...LARGE, hdr_len: 0 });
      liar.tells({ ...LARGE, gso_type: 0x81, gso_size: 0xffff }, { ...LARGE, gso_type: 0x81, gso_size: 0xffff });
      liar.recovers();
    });
  });
}

describe("num_buffers without MRG_RXBUF", () => {
  onBothBuilds("is not looked at, large frames or not", (build) => {
    for (const layout of [0, VIRTIO_F_ANY_LAYOUT]) {
      const liar = new Liar(build, layout);
      for (const num_buffers of [0, 2, 0xffff]) liar.tells({ ...LARGE, num_buffers }, LARGE);
      liar.recovers();
    }
  });
});

describe("a device that offers features without those that they need", () => {
  onBothBuilds("gets none of them accepted, and works", (build) => {
    for (const features of [0x40, 0x7800, 0x780, 0x2200, 0x7fc0]) {
      const ground = new CardGround(build, { features });
      const card = ground.open({ features: NET_FEATURES | BigInt(GUEST) });
      assert.equal(card.information().features_accepted & BigInt(features), 0n);
      ground.works();
      ground.recovers();
    }
  });
});
