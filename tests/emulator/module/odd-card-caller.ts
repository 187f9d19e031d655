/** An odd but legal caller of a card. Every frame carries its number, so that none is taken for another. */
import assert from "node:assert/strict";
import { NetDevice } from "../../../kernel-shim/emulated-pc/net/device.js";
import { Result, resultName } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { frame } from "../../cases/net/frames.js";
import { Random } from "../../cases/random.js";
import { Peer } from "./card.js";
import { assertResult, type Frame, HostedModule, type ReceivedBuffer } from "./hosted.js";
import { CAPACITIES, type Choice, OddCaller, pick, pickMachine, TIMEOUT, VIRTIO_F_ANY_LAYOUT } from "./odd-caller.js";

const VIRTIO_NET_F_MRG_RXBUF = 2 ** 15;
const VIRTIO_NET_F_STATUS = 2 ** 16;

const SLOTS = 48;
const SLOT_BYTES = 2048;
const HEADER_ROOM = 64;
const LONGEST_FRAME = 1514;
/** Ethernet header, and the frame's number. */
const SHORTEST_FRAME = 18;
const NUMBER_OFFSET = 14;
const HUGE_RING = 32768;
/** More than the frames that wait anywhere. */
const TURNS = 400;
/** As small as 128 of them may be, which is what a ring of 256 takes without ANY_LAYOUT. */
const SMALL_BUFFER_BYTES = 576;
const BUFFERS_OF_LONGEST_FRAME = 3;

interface Flight {
  readonly slot: number;
  readonly bytes: Uint8Array;
}

function numberedFrame(number: number, bytes: number): Uint8Array {
  const made = frame(bytes, number);
  new DataView(made.buffer).setUint32(NUMBER_OFFSET, number);
  return made;
}

function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(NUMBER_OFFSET);
}

export class OddCardCaller extends OddCaller {
  private readonly card: NetDevice;
  private readonly memory: number;
  private readonly peer: Peer;
  private readonly smallBuffers: boolean;
  private readonly receiveBuffers: number;
  /** Sent and not come back, by token. */
  private readonly flights = new Map<bigint, Flight>();
  private readonly freeSlots = Array.from({ length: SLOTS }, (_, index) => index);
  /** Bytes of frames that may arrive at the peer, by number; a frame arrives once. */
  private readonly onTheWay = new Map<number, Uint8Array>();
  /** Frames for the guest, by number; what was received is not received again, nor what was sent before it. */
  private readonly delivered = new Map<number, Uint8Array>();
  private lent: ReceivedBuffer[] = [];
  private token = 0;
  private nextDelivered = 0;
  private lastReceived = 0;

  constructor(build: Build, seed: number, queueSizes: readonly [number, number]) {
    const random = new Random(seed);
    const { completion, ringFeatures } = pickMachine(random);
    const isMergeable = random.below(2) === 1;
    // A ring of one entry takes no buffer whose header is apart.
    const needed = queueSizes[0] === 1 ? VIRTIO_F_ANY_LAYOUT : 0;
    const features = (ringFeatures | needed) + VIRTIO_NET_F_STATUS + (isMergeable ? VIRTIO_NET_F_MRG_RXBUF : 0);
    const peer = new Peer();
    const card = new NetDevice({ backend: peer, queueSizes: [...queueSizes, 0], features });
    const isHuge = queueSizes.includes(HUGE_RING);
    const memory = isHuge ? { memoryBytes: 16 * 1024 * 1024, arenaBytes: 3 * 1024 * 1024 } : {};
    super(new HostedModule(build, { devices: [card], completion, seed, ...memory }), card, random);
    this.card = card;
    this.peer = peer;
    this.receiveBuffers = isHuge ? 64 : 0;
    // Enough of them for whatever may come, so that many frames are of several.
    this.smallBuffers = isMergeable && queueSizes[0] === 256 && random.below(2) === 1;
    this.memory = this.module.pc.allocateBuffer(SLOTS * SLOT_BYTES, { scattered: true });
    this.open();
    assert.ok(this.handle > 0);
  }

  protected get out(): number {
    return this.flights.size;
  }

  protected readonly choices: readonly Choice[] = [
    ...this.generalChoices,
    [10, () => this.transmit(this.random.between(0, 5))],
    [10, () => this.reclaim(pick(this.random, CAPACITIES))],
    [10, () => this.deliver(this.random.between(1, 5))],
    [10, () => this.receive(pick(this.random, CAPACITIES))],
    [10, () => this.release(this.random.between(0, 4))],
    [2, () => this.allow(this.module.exports.net_await_all(this.handle), 0, 1)],
    [1, () => this.describe()],
    [1, () => this.card.setLink(!this.card.isLinkUp)],
    [1, () => this.reset()],
    [1, () => this.close()],
    [3, () => this.open()],
  ];

  protected end(): void {
    this.card.setLink(true);
    this.takeAll();
    this.open();
    this.transmit(1);
    this.deliver(1);
    this.takeAll();
    assert.equal(this.lastReceived, this.nextDelivered, "the last frame has arrived");
    assert.equal(this.module.exports.close(this.handle), 0);
  }

  private takeAll(): void {
    let idleTurns = 0;
    for (let turn = 0; this.handle !== 0 && idleTurns < 2; turn++) {
      assert.ok(turn < TURNS, `${this.out} frames never complete`);
      const before = this.lastReceived;
      this.module.letDevicesWork();
      this.reclaim(64);
      this.receive(64);
      this.release(this.lent.length);
      const isIdle = this.out === 0 && this.lent.length === 0 && this.lastReceived === before;
      idleTurns = isIdle ? idleTurns + 1 : 0;
    }
    if (!this.isClosing) assert.equal(this.out, 0);
  }

  private open(): void {
    const handle = this.module.openCard(this.card, {
      timeout_ns: TIMEOUT,
      receive_buffers: this.receiveBuffers,
      receive_buffer_bytes: this.smallBuffers ? SMALL_BUFFER_BYTES : 0,
    });
    if (this.handle === 0) {
      assert.ok(handle > 0, resultName(handle));
      this.handle = handle;
    } else {
      assertResult(handle, Result.E_IN_USE);
    }
  }

  private reset(): void {
    this.allow(this.module.exports.reset(this.handle), 0);
  }

  private close(): void {
    const left = this.module.exports.close(this.handle);
    if (this.handle === 0 || this.isClosing) {
      assertResult(left, Result.E_HANDLE);
      return;
    }
    assert.equal(left, this.out + this.lent.length);
    this.isClosing = true;
    this.endIfNothingIsOut();
  }

  private endIfNothingIsOut(): void {
    if (!this.isClosing || this.out + this.lent.length > 0) return;
    this.isClosing = false;
    this.handle = 0;
  }

  private transmit(count: number): void {
    const frames: Frame[] = [];
    const made: Flight[] = [];
    for (let left = count; left > 0; left--) {
      const slot = this.freeSlots.shift();
      if (slot === undefined) break;
      const bytes = numberedFrame(++this.token, this.random.between(SHORTEST_FRAME, LONGEST_FRAME));
      const pointer = this.memory + slot * SLOT_BYTES + HEADER_ROOM;
      this.module.pc.writeBuffer(pointer, bytes);
      const first = this.random.between(1, bytes.length);
      const segments = [{ pointer, length: first }];
      if (first < bytes.length) segments.push({ pointer: pointer + first, length: bytes.length - first });
      frames.push({ token: BigInt(this.token), segments, header_room: this.random.below(2) * HEADER_ROOM });
      made.push({ slot, bytes });
    }
    made.forEach(({ bytes }) => this.onTheWay.set(numberOf(bytes), bytes));
    const { count: accepted, results } = this.module.transmit(this.handle, frames);
    if (this.handle === 0 || this.isClosing) assertResult(accepted, Result.E_HANDLE);
    else if (accepted < frames.length) this.checkRefusal(results[accepted] ?? 0);
    made.forEach(({ slot, bytes }, index) => {
      const number = numberOf(bytes);
      if (index < accepted) {
        this.flights.set(BigInt(number), { slot, bytes });
      } else {
        this.freeSlots.push(slot);
        assert.ok(this.onTheWay.delete(number), `frame ${number} was sent, and refused`);
      }
    });
    this.checkSent();
  }

  /** A ring of two takes no frame of two segments, ever. */
  private checkRefusal(result: number): void {
    if (result !== Result.E_SEGMENTS || this.card.queues[1]?.size !== 2) assertResult(result, Result.E_FULL);
  }

  private checkSent(): void {
    for (const bytes of this.peer.sent.splice(0)) {
      const expected = this.onTheWay.get(numberOf(bytes));
      assert.ok(expected !== undefined, "a frame arrives that nobody sent, or twice");
      assert.ok(Buffer.compare(bytes, expected) === 0, "a frame arrives with other bytes");
      this.onTheWay.delete(numberOf(bytes));
    }
  }

  private reclaim(capacity: number): void {
    const { count, completions } = this.module.reclaim(this.handle, capacity);
    if (this.handle === 0) {
      assertResult(count, Result.E_HANDLE);
      return;
    }
    assert.ok(count >= 0, resultName(count));
    this.checkSent();
    for (const { token, result, length } of completions) {
      const flight = this.flights.get(token);
      assert.ok(flight !== undefined, `frame ${token} comes back, and is not out`);
      this.flights.delete(token);
      this.freeSlots.push(flight.slot);
      if (result !== Result.E_RESET) assertResult(result, Result.OK);
      assert.equal(length, result === Result.OK ? flight.bytes.length : 0);
      this.onTheWay.delete(Number(token));
    }
    this.endIfNothingIsOut();
  }

  private deliver(count: number): void {
    for (let left = count; left > 0; left--) {
      const bytes = numberedFrame(++this.nextDelivered, this.random.between(SHORTEST_FRAME, LONGEST_FRAME));
      this.delivered.set(this.nextDelivered, bytes);
      this.peer.deliver(bytes);
    }
  }

  private receive(capacity: number): void {
    const { count, buffers } = this.module.receive(this.handle, capacity);
    if (this.handle === 0 || this.isClosing) {
      assertResult(count, Result.E_HANDLE);
      return;
    }
    // There was no room for the next frame, which is of several buffers.
    if (count === Result.E_ARGUMENT) {
      assert.ok(this.smallBuffers && capacity < BUFFERS_OF_LONGEST_FRAME);
      return;
    }
    assert.ok(count >= 0, resultName(count));
    this.lent.push(...buffers);
    for (let index = 0; index < buffers.length;) {
      const pieces = buffers.slice(index, index + (buffers[index]?.buffer_count ?? 1));
      assert.ok(pieces.length > 0);
      this.checkReceived(Buffer.concat(pieces.map(({ pointer, length }) => this.read(pointer, length))));
      index += pieces.length;
    }
  }

  private read(pointer: number, length: number): Uint8Array {
    return this.module.pc.readBuffer(pointer, length);
  }

  private checkReceived(bytes: Uint8Array): void {
    const number = numberOf(bytes);
    assert.ok(number > this.lastReceived, `frame ${number} arrives after ${this.lastReceived}`);
    this.lastReceived = number;
    assert.ok(Buffer.compare(bytes, this.delivered.get(number) ?? new Uint8Array()) === 0, "other bytes");
  }

  /** Gives back buffers of any frames in any order. */
  private release(count: number): void {
    const released: number[] = [];
    for (let left = Math.min(count, this.lent.length); left > 0; left--) {
      const [buffer] = this.lent.splice(this.random.below(this.lent.length), 1);
      if (buffer !== undefined) released.push(buffer.buffer);
    }
    const result = this.module.release(this.handle, released);
    if (this.handle === 0) assertResult(result, Result.E_HANDLE);
    else assert.equal(result, released.length);
    this.endIfNothingIsOut();
  }

  private describe(): void {
    const expected = this.handle === 0 ? Result.E_HANDLE : Result.OK;
    assertResult(this.module.netInformation(this.handle).result, expected);
    const { result, record } = this.module.netStatistics(this.handle);
    assertResult(result, expected);
    if (this.handle !== 0) assert.equal(record.receive_errors, 0n);
  }
}
