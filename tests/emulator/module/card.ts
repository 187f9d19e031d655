/** A network card on an emulated PC, opened by the bare module, and what tests of it have in common. */
import assert from "node:assert/strict";
import type { NetworkBackend, NetworkPort } from "../../../kernel-shim/emulated-pc/net/backend.js";
import { NetDevice, type NetDeviceOptions } from "../../../kernel-shim/emulated-pc/net/device.js";
import type { NetOptions } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { VIRTIO_F_EVENT_IDX } from "../../cases/features.js";
import { frame } from "../../cases/net/frames.js";
import { type Frame, HostedModule, type HostedModuleOptions } from "./hosted.js";

const ALL_FEATURES = 0xffff_ffff_ffff_ffffn;
const SLOT_BYTES = 2048;
const SLOTS = 32;
/** Before each frame, for the packet header. */
const HEADER_ROOM = 64;

/** The other end of the cable. */
export class Peer implements NetworkBackend {
  readonly sent: Uint8Array[] = [];
  private port: NetworkPort | undefined;

  attach(port: NetworkPort): void {
    this.port = port;
  }

  send(frame: Uint8Array): void {
    this.sent.push(frame);
  }

  deliver(frame: Uint8Array): void {
    this.port?.receive(frame);
  }
}

export interface HostedCardOptions {
  machine?: HostedModuleOptions;
  card?: Partial<NetDeviceOptions>;
  /** False: the driver does without EVENT_IDX, where the device offers it. */
  eventIndex?: boolean;
  open?: Partial<NetOptions>;
}

export class HostedCard {
  readonly module: HostedModule;
  readonly device: NetDevice;
  readonly peer = new Peer();
  private readonly memory: number;
  handle: number;

  constructor(
    build: Build,
    private readonly options: HostedCardOptions = {},
  ) {
    this.device = new NetDevice({ backend: this.peer, ...options.card });
    this.module = new HostedModule(build, { devices: [this.device], ...options.machine });
    this.memory = this.module.pc.allocateBuffer(SLOTS * SLOT_BYTES);
    this.handle = this.open();
    assert.ok(this.handle > 0, `net_open: ${this.handle}`);
  }

  open(): number {
    const { eventIndex = true, open } = this.options;
    const features = eventIndex ? ALL_FEATURES : ALL_FEATURES & ~VIRTIO_F_EVENT_IDX;
    this.handle = this.module.openCard(this.device, { features, ...open });
    return this.handle;
  }

  /** Frames to be sent, tokens from `first` on, which fill one descriptor each where ANY_LAYOUT allows. */
  frames(count: number, first = 0, bytes = 60): Frame[] {
    return Array.from({ length: count }, (_, index) => {
      const pointer = this.memory + ((first + index) % SLOTS) * SLOT_BYTES + HEADER_ROOM;
      this.module.pc.writeBuffer(pointer, frame(bytes, first + index));
      return { token: BigInt(first + index), segments: [{ pointer, length: bytes }], header_room: HEADER_ROOM };
    });
  }

  /** Hands so many frames to the card, all of which are accepted. */
  transmit(count: number, first = 0): void {
    assert.equal(this.module.transmit(this.handle, this.frames(count, first)).count, count);
  }

  /** Takes received frames of one buffer each, gives their buffers back, and returns their bytes. */
  receiveAll(): Uint8Array[] {
    const { module, handle } = this;
    const { buffers } = module.receive(handle, 64);
    const frames = buffers.map(({ pointer, length }) => module.pc.readBuffer(pointer, length));
    const ids = buffers.map(({ buffer }) => buffer);
    if (ids.length > 0) assert.equal(module.release(handle, ids), ids.length);
    return frames;
  }

  /** Frames go out and come in, and none was under way before. */
  works(): void {
    const { module, handle, peer } = this;
    peer.sent.length = 0;
    this.transmit(1, 5);
    module.letDevicesWork();
    assert.deepEqual(peer.sent, [frame(60, 5)]);
    assert.deepEqual(module.reclaim(handle, 4).completions, [{ token: 5n, result: 0, length: 60 }]);
    peer.deliver(frame(99, 6));
    module.letDevicesWork();
    assert.deepEqual(this.receiveAll(), [frame(99, 6)]);
  }
}
