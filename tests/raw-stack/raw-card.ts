/** A network card driven through the module's exports, with records wherever a test puts them. */
import assert from "node:assert/strict";
import { NetDevice, type NetDeviceOptions } from "../../kernel-shim/emulated-pc/net/device.js";
import {
  type Completion,
  CompletionLayout,
  type NetInformation,
  NetInformationLayout,
  type NetOptions,
  NetOptionsLayout,
  type NetStatistics,
  NetStatisticsLayout,
  type ReceivedBuffer,
  ReceivedBufferLayout,
  Result,
  type Segment,
  SegmentLayout,
  type TransmitFrame,
  TransmitFrameLayout,
} from "../../kernel-shim/javascript/abi.js";
import { frameOf, TracedNetwork } from "../hostile/traced-network.js";
import { RawGround, type RawGroundOptions } from "./raw-ground.js";

const BUFFER_BYTES = 16 * 1024;
const COMPLETIONS = 16;
const ID_BYTES = 4;

export class RawCard extends RawGround {
  readonly network: TracedNetwork;
  /** Four pages of the caller's that the device reaches. */
  readonly buffer: number;
  /** 0 while the card is not open, otherwise greater than 0. */
  handle = 0;
  /** Where the arrays of the next calls begin. */
  framesAt: number;
  segmentsAt: number;
  completionsAt: number;
  receivedAt: number;
  idsAt: number;
  /** Room for so many received buffers. */
  receivedMax = 1200;

  constructor(options: RawGroundOptions, net: Partial<NetDeviceOptions> = {}) {
    const network = new TracedNetwork();
    super(new NetDevice({ backend: network, ...net }), options);
    this.network = network;
    this.buffer = this.allocate(BUFFER_BYTES);
    this.framesAt = this.records;
    this.completionsAt = this.records + 4096;
    this.segmentsAt = this.records + 8192;
    this.idsAt = this.records + 16 * 1024;
    this.receivedAt = this.records + 32 * 1024;
  }

  /** Opens the card. The result of the call; the card is open when it is greater than 0. */
  open(given?: Partial<NetOptions>): number {
    let options = 0;
    if (given !== undefined) {
      options = this.records;
      this.module.write(NetOptionsLayout, options, { features: 0xffff_ffff_ffff_ffffn, ...given });
    }
    const result = this.module.exports.net_open(this.address, options);
    this.handle = Math.max(result, 0);
    return result;
  }

  information(): NetInformation {
    this.ok(this.module.exports.net_information(this.handle, this.records));
    return this.module.read(NetInformationLayout, this.records);
  }

  statistics(): NetStatistics {
    this.ok(this.module.exports.net_statistics(this.handle, this.records));
    return this.module.read(NetStatisticsLayout, this.records);
  }

  /** Hands a frame in; what the call returned, and what the frame was refused with. */
  transmit(segments: readonly Segment[], fields: Partial<TransmitFrame> = {}): { accepted: number; refusal: number } {
    const { module, framesAt, segmentsAt } = this;
    module.write(SegmentLayout, segmentsAt, ...segments);
    const record = { token: 1n, segments: segmentsAt, segment_count: segments.length, ...fields };
    module.write(TransmitFrameLayout, framesAt, record);
    const accepted = module.exports.net_transmit(this.handle, framesAt, 1);
    return { accepted, refusal: accepted === 0 ? module.read(TransmitFrameLayout, framesAt).result : Result.OK };
  }

  /** Takes the frames back that were sent, as many as there are. */
  reclaim(): Completion[] {
    const { module, completionsAt } = this;
    const taken: Completion[] = [];
    for (;;) {
      const count = this.ok(module.exports.net_reclaim(this.handle, completionsAt, COMPLETIONS));
      for (let index = 0; index < count; index++) {
        taken.push(module.read(CompletionLayout, completionsAt + index * CompletionLayout.size));
      }
      if (count < COMPLETIONS) return taken;
    }
  }

  /** Takes received buffers. The result of the call when it is negative. */
  receive(): ReceivedBuffer[] | number {
    const { module, receivedAt } = this;
    const count = module.exports.net_receive(this.handle, receivedAt, this.receivedMax);
    if (count < 0) return count;
    return Array.from({ length: count }, (_, index) =>
      module.read(ReceivedBufferLayout, receivedAt + index * ReceivedBufferLayout.size),
    );
  }

  /** Gives received buffers back: the result of the call. */
  release(ids: readonly number[]): number {
    ids.forEach((id, index) => this.module.view.setUint32(this.idsAt + index * ID_BYTES, id, true));
    return this.module.exports.net_release(this.handle, this.idsAt, ids.length);
  }

  /** Takes the frames that are there, and gives their buffers back. */
  takeFrames(): Uint8Array[] {
    const received = this.receive();
    if (typeof received === "number") assert.fail(`net_receive returned ${received}`);
    const frames: Uint8Array[][] = [];
    for (const { pointer, length, buffer_count } of received) {
      if (buffer_count !== 0) frames.push([]);
      frames.at(-1)?.push(this.readBuffer(pointer, length));
    }
    if (received.length > 0) assert.equal(this.release(received.map(({ buffer }) => buffer)), received.length);
    return frames.map((pieces) => Buffer.concat(pieces));
  }

  /** A frame of these segments goes out as it is. */
  sends(segments: readonly Segment[], fields: Partial<TransmitFrame> = {}): void {
    const bytes = segments.reduce((sum, { length }) => sum + length, 0);
    const frame = frameOf(bytes, bytes);
    let done = 0;
    for (const { pointer, length } of segments) {
      this.writeBuffer(pointer, frame.subarray(done, done + length));
      done += length;
    }
    this.network.takeSent();
    assert.deepEqual(this.transmit(segments, fields), { accepted: 1, refusal: Result.OK });
    this.wait();
    assert.deepEqual(this.network.takeSent(), frame);
    assert.deepEqual(this.reclaim(), [{ token: 1n, result: Result.OK, length: bytes }]);
  }

  /** A frame comes in as it is. */
  receives(bytes: number): void {
    this.network.arrive(frameOf(bytes, bytes));
    this.wait();
    const frames = this.takeFrames();
    assert.equal(frames.length, 1);
    assert.equal(Buffer.compare(frames[0] ?? Buffer.alloc(0), frameOf(bytes, bytes)), 0);
  }

  /** The open card does what a card does. */
  works(): void {
    const { buffer } = this;
    this.sends([
      { pointer: buffer + 60, length: 40 },
      { pointer: buffer + 4000, length: 300 },
    ]);
    this.sends([{ pointer: buffer + 64, length: 100 }], { header_room: 64 });
    this.receives(333);
  }

  /** Closes the card, with nothing out, and with it everything is as it was. */
  closes(): void {
    assert.equal(this.module.exports.close(this.handle), 0);
    this.handle = 0;
    this.isLeftAlone();
  }
}
