/** Received frames that make no sense. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { VIRTIO_F_ANY_LAYOUT } from "../../../kernel-shim/emulated-pc/virtio/constants.js";
import { Event, Message, Result } from "../../../kernel-shim/javascript/index.js";
import { frameOf } from "../traced-network.js";
import { CardGround, hasCode, onBothBuilds } from "./ground.js";

const MRG_RXBUF = 2 ** 15;
/** Header bytes with MRG_RXBUF, and without. */
const HEADER = 12;
const SMALL_HEADER = 10;
const BUFFER_BYTES = 2048;

describe("the length of a received frame", () => {
  for (const length of [0, 1, SMALL_HEADER - 1, SMALL_HEADER, SMALL_HEADER + 13]) {
    onBothBuilds(`of ${length} bytes, header included, drops the frame and posts the buffer again`, (build) => {
      const ground = new CardGround(build, { features: VIRTIO_F_ANY_LAYOUT });
      const { card } = ground;
      const ring = ground.ring(0);
      ground.device.faults.usedLength = (queue, right) => (queue === 0 ? length : right);
      for (let number = 0; number < 3 * ring.size; number++) {
        ground.network.arrive(frameOf(number, 60));
        ground.wait();
        assert.deepEqual(card.receive(), []);
      }
      assert.equal(card.statistics().receive_errors, BigInt(3 * ring.size));
      assert.equal(card.events() & Event.BROKEN, 0);
      ground.recovers();
    });
  }

  onBothBuilds("of nothing in one of a frame's buffers drops the frame", (build) => {
    const ground = new CardGround(build);
    const card = ground.open({ receive_buffer_bytes: 320 });
    let isWrong = true;
    ground.device.faults.usedLength = (queue, right) => (queue === 0 && isWrong && right < 320 ? 0 : right);
    ground.network.arrive(frameOf(1, 500));
    ground.wait();
    assert.deepEqual(card.receive(), []);
    assert.equal(card.statistics().receive_errors, 1n);
    isWrong = false;
    ground.network.arrive(frameOf(2, 500));
    ground.wait();
    assert.deepEqual(card.receiveFrames(), [frameOf(2, 500)]);
    ground.recovers();
  });

  for (const length of [BUFFER_BYTES + 1, 0x1_0000, 0x8000_0000, 0xffff_ffff]) {
    onBothBuilds(`0x${length.toString(16)}, above the buffer, gives no more than was posted`, (build) => {
      const ground = new CardGround(build);
      const { card } = ground;
      ground.device.faults.usedLength = (queue, right) => (queue === 0 ? length : right);
      ground.network.arrive(frameOf(1, 60));
      ground.wait();
      const frames = card.receive();
      assert.deepEqual(
        frames.map((frame) => frame.length),
        [BUFFER_BYTES - HEADER],
      );
      assert.equal(card.release(frames.flatMap(({ buffers }) => buffers.map(({ buffer }) => buffer))), 1);
      ground.recovers();
    });
  }
});

describe("a dropped frame", () => {
  onBothBuilds("is not posted again when the next one breaks the device", (build) => {
    let frames = 0;
    const ground = new CardGround(build, {
      receiveFaults: { header: (header) => frames++ === 1 && setBufferCount(header, 0) },
    });
    const { card } = ground;
    ground.device.faults.usedLength = (queue, right) => (queue === 0 && frames === 1 ? 0 : right);
    ground.network.arrive(frameOf(1, 60));
    ground.wait();
    ground.network.arrive(frameOf(2, 60));
    ground.wait();
    const ring = ground.ring(0);
    const offered = ring.offered(0);
    assert.throws(() => card.receive(), hasCode(Result.E_BROKEN));
    assert.equal(ring.offered(0), offered, "what the device was given last");
    ground.recovers();
  });
});

describe("num_buffers", () => {
  for (const count of [0, 0xffff, 257]) {
    onBothBuilds(`${count} breaks the device`, (build) => {
      let isWrong = true;
      const ground = new CardGround(build, {
        receiveFaults: { header: (header) => isWrong && setBufferCount(header, count) },
      });
      assert.ok(ground.card.isOpen);
      ground.network.arrive(frameOf(1, 60));
      ground.wait();
      isWrong = false;
      ground.isBrokenWith(Message.BAD_BUFFER_COUNT);
    });
  }

  onBothBuilds("of more buffers than the largest frame has drops the frame, and no later one", (build) => {
    let isWrong = true;
    const ground = new CardGround(build, {
      receiveFaults: { header: (header) => isWrong && setBufferCount(header, 40) },
    });
    const { card } = ground;
    ground.network.arrive(frameOf(1, 60));
    ground.wait();
    isWrong = false;
    for (let rest = 0; rest < 39; rest++) ground.network.arrive(frameOf(rest, 60));
    ground.network.arrive(frameOf(2, 100));
    ground.wait();
    assert.deepEqual(card.receiveFrames(), [frameOf(2, 100)]);
    assert.equal(card.statistics().receive_errors, 1n);
    assert.equal(card.events() & Event.BROKEN, 0);
    ground.recovers();
  });

  onBothBuilds("of more buffers than come back delivers nothing, and a reset ends the waiting", (build) => {
    let isShort = true;
    const ground = new CardGround(build, {
      receiveFaults: { header: (header) => isShort && setBufferCount(header, 3) },
    });
    const { card } = ground;
    ground.network.arrive(frameOf(1, 60));
    ground.wait();
    for (let poll = 0; poll < 5; poll++) assert.deepEqual(card.receive(), []);
    isShort = false;
    ground.recovers();
  });

  onBothBuilds("of a frame without a whole header is not believed", (build) => {
    // In memory stands the number of an earlier frame, one over three buffers; the device says that it wrote less.
    const ground = new CardGround(build, {
      features: MRG_RXBUF + VIRTIO_F_ANY_LAYOUT,
      receiveFaults: { header: (header) => setBufferCount(header, 3) },
    });
    const { card } = ground;
    ground.device.faults.usedLength = (queue, right) => (queue === 0 ? HEADER - 1 : right);
    ground.network.arrive(frameOf(1, 60));
    ground.wait();
    assert.deepEqual(card.receive(), []);
    assert.equal(card.statistics().receive_errors, 1n);
    card.close();
    ground.checkMemory();
  });
});

describe("a received buffer", () => {
  onBothBuilds("is not given back twice, nor one that the caller does not have", (build) => {
    const ground = new CardGround(build);
    const { card } = ground;
    ground.network.arrive(frameOf(1, 60));
    ground.wait();
    const ids = card.receive().flatMap(({ buffers }) => buffers.map(({ buffer }) => buffer));
    assert.equal(ids.length, 1);
    assert.equal(card.release([...ids, ...ids]), 1);
    for (const wrong of [0, 5, 0xffff, 0xffff_ffff]) assert.throws(() => card.release([wrong]));
    ground.recovers();
  });
});

describe("a frame that is sent", () => {
  onBothBuilds("takes its header from aligned memory, whatever room the caller leaves", (build) => {
    const ground = new CardGround(build, { features: VIRTIO_F_ANY_LAYOUT });
    const { card, machine } = ground;
    const pointer = machine.allocateBuffer(4096);
    for (let offset = 0; offset < 8; offset++) {
      const frame = frameOf(offset, 100);
      const place = pointer + 64 + offset;
      machine.writeBuffer(place, frame);
      const segments = [{ pointer: place, length: frame.length }];
      assert.equal(card.transmit([{ token: offset, segments, header_room: 64 }]).accepted, 1);
      ground.wait();
      assert.deepEqual(ground.network.takeSent(), frame);
      card.reclaim();
    }
    ground.recovers();
  });

  onBothBuilds("and waited for when the card is closed leaves memory that was given back alone", (build) => {
    const ground = new CardGround(build, {}, { completion: "deferred" });
    const { card, machine } = ground;
    const pointer = machine.allocateBuffer(4096);
    machine.writeBuffer(pointer, frameOf(1, 60));
    card.enableInterrupts();
    ground.device.faults.silent = true;
    const frames = Array.from({ length: 600 }, (_, token) => ({ token, segments: [{ pointer, length: 60 }] }));
    const { accepted } = card.transmit(frames);
    assert.ok(accepted > 0 && accepted < frames.length);
    assert.ok(card.close() >= accepted);
    assert.equal(card.reclaim().length, accepted);
    ground.checkMemory();
  });
});

function setBufferCount(header: Uint8Array, count: number): void {
  if (header.length < HEADER) return;
  header[HEADER - 2] = count & 0xff;
  header[HEADER - 1] = count >> 8;
}
