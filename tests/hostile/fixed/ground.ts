/**
 * The ground of the fixed cases: a machine whose devices behave until the case makes them misbehave, with one disk or
 * one card open. Every case ends with `recovers`: nothing was touched that was not granted, nobody's memory changed,
 * and once the device keeps the rules again, a reset or a new start makes it work.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { BlockDevice as EmulatedDisk, type BlockDeviceOptions } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { HostileMachine } from "../../../kernel-shim/emulated-pc/hostile/hostile-machine.js";
import { Mutations, rarityOf } from "../../../kernel-shim/emulated-pc/hostile/mutations.js";
import { UsedRing } from "../../../kernel-shim/emulated-pc/hostile/used-ring.js";
import type { EmulatedPcOptions } from "../../../kernel-shim/emulated-pc/machine.js";
import { NetDevice as EmulatedCard, type NetDeviceOptions } from "../../../kernel-shim/emulated-pc/net/device.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import {
  type BlockDevice,
  type BlockOptions,
  BlockOperation,
  type BlockRequest,
  Event,
  type NetDevice,
  type NetOptions,
  Result,
  SECTOR_BYTES,
  VirtioError,
  type VirtioStack,
} from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { builds, moduleOf } from "../modules.js";
import { GuardedMemory } from "../oracles.js";
import { frameOf, TracedNetwork } from "../traced-network.js";

const MEMORY_BYTES = 4 * 1024 * 1024;
const DISK_BYTES = 256 * 1024;
const ARENA_BYTES = 256 * 1024;
/** Turns of a waiting loop after which a device that does not reset has had its second. */
const RELAX_TIME = 10_000_000;

const IMPORTS = 20_000_000;

/** One test for each build. */
export function onBothBuilds(rule: string, test: (build: Build) => void): void {
  for (const build of builds) it(`${rule}: ${build}`, () => test(build));
}

export type MachineOptions = Pick<EmulatedPcOptions, "profile" | "completion">;

abstract class Ground<Device extends VirtioDevice> {
  readonly machine: HostileMachine;
  readonly stack: VirtioStack;
  readonly address: number;
  private readonly guard: GuardedMemory;

  constructor(
    build: Build,
    readonly device: Device,
    options: MachineOptions,
  ) {
    this.machine = new HostileMachine({
      build,
      devices: [device],
      mutations: new Mutations(0, rarityOf({})),
      memoryBytes: MEMORY_BYTES,
      layout: "bare",
      completion: "deferred",
      relaxTime: RELAX_TIME,
      ...options,
    });
    // No case comes near; a loop that never ends does.
    this.machine.importLimit = IMPORTS;
    this.guard = new GuardedMemory(this.machine);
    if (build === "mapped") this.guard.addPool(MEMORY_BYTES / 4, MEMORY_BYTES);
    this.stack = loadStack(this.machine, moduleOf(build), { arenaBytes: ARENA_BYTES });
    this.address = this.machine.pc.addressOf(device);
  }

  /** A queue's rings under the device's hands. */
  ring(queue: number): UsedRing {
    const found = this.device.queues[queue];
    assert.ok(found !== undefined);
    return new UsedRing(this.device, found);
  }

  /** Nothing was touched that is not the stack's. */
  checkMemory(): void {
    assert.deepEqual(this.machine.refusals, []);
    assert.deepEqual(this.machine.portRefusals, []);
    this.guard.check();
  }

  /** The device does what is right from now on, rings apart. */
  behave(): void {
    const { faults } = this.device;
    for (const name of Object.keys(faults) as (keyof typeof faults)[]) Reflect.deleteProperty(faults, name);
    this.machine.behave();
  }

  /** Time passes until the device has done all it was asked. */
  wait(): void {
    this.machine.letDevicesWork(50_000_000);
  }

  /** Opens the device; what was open before is forgotten. */
  abstract open(): unknown;
  /** Data moves on the open device. */
  abstract works(): void;
  /** The device works again after a reset, and after it was closed and opened. */
  abstract recovers(): void;

  /** Fails unless opening comes to this negative result. */
  refuses(result: number): void {
    assert.throws(() => this.open(), hasCode(result));
    this.checkMemory();
  }

  /** An opening failed, and left nothing: the next one works. */
  recoversFromRefusal(): void {
    assert.equal(this.machine.lent.stackBytes, 0);
    this.behave();
    this.open();
    this.works();
    this.recovers();
  }
}

export class DiskGround extends Ground<EmulatedDisk> {
  readonly contents: MemoryDisk;
  private openDisk: BlockDevice | undefined;
  private readonly buffers: number;

  constructor(build: Build, block: Partial<BlockDeviceOptions> = {}, options: MachineOptions = {}) {
    const contents = new MemoryDisk(DISK_BYTES);
    super(build, new EmulatedDisk({ backEnd: contents, ...block }), options);
    this.contents = contents;
    this.buffers = this.machine.allocateBuffer(64 * SECTOR_BYTES);
  }

  /** The open disk; the first use opens it. */
  get disk(): BlockDevice {
    this.openDisk ??= this.open();
    return this.openDisk;
  }

  open(options?: Partial<BlockOptions>): BlockDevice {
    this.openDisk = this.stack.openBlock(this.address, options);
    return this.openDisk;
  }

  /** Reads of one sector each, into places of their own. */
  reads(count: number, firstToken = 0): BlockRequest[] {
    return Array.from({ length: count }, (_, index) => ({
      token: firstToken + index,
      sector: index,
      operation: BlockOperation.READ,
      segments: [{ pointer: this.buffers + index * SECTOR_BYTES, length: SECTOR_BYTES }],
    }));
  }

  /** Submits so many reads, all of which are accepted. */
  submitReads(count: number, firstToken = 0): void {
    assert.equal(this.disk.submit(this.reads(count, firstToken)).accepted, count);
  }

  /** The device is broken: it says so once, and refuses work; `tokens` come back as E_RESET. Then it recovers. */
  isBrokenWith(message: number, tokens: readonly number[]): void {
    const { disk } = this;
    assert.throws(() => disk.poll(), hasCode(Result.E_BROKEN));
    assert.equal(disk.events() & Event.BROKEN, Event.BROKEN);
    assert.equal(disk.events(), 0);
    assert.equal(this.machine.log.at(-1)?.message, message);
    assert.throws(() => disk.poll(), hasCode(Result.E_BROKEN));
    assert.throws(() => disk.submit(this.reads(1)), hasCode(Result.E_BROKEN));
    assert.throws(() => disk.enableInterrupts(), hasCode(Result.E_BROKEN));
    this.isBrokenWithReset(tokens);
    this.recovers();
  }

  /** The device is broken: a reset brings it back, and `tokens` come back as E_RESET. */
  isBrokenWithReset(tokens: readonly number[]): void {
    assert.throws(() => this.disk.poll(), hasCode(Result.E_BROKEN));
    this.behave();
    this.disk.reset();
    this.comeBackAs(Result.E_RESET, tokens);
  }

  /** After a reset that failed: these tokens come back as E_RESET, and then nothing is left but the `result`. */
  comeBackWithout(result: number, tokens: readonly number[]): void {
    const completions = this.disk.poll();
    assert.deepEqual(
      completions,
      tokens.map((token) => ({ token, result: Result.E_RESET, length: 0 })),
    );
    assert.throws(() => this.disk.poll(), hasCode(result));
  }

  /** These tokens, and no others, are completed, each once, with this result. */
  comeBackAs(result: number, tokens: readonly number[]): void {
    const completions = this.disk.poll();
    assert.deepEqual(
      completions.map((completion) => completion.token).sort((left, right) => left - right),
      [...tokens].sort((left, right) => left - right),
    );
    for (const completion of completions) {
      assert.equal(completion.result, result);
      assert.equal(completion.length, result === Result.OK ? SECTOR_BYTES : 0);
    }
    assert.deepEqual(this.disk.poll(), []);
  }

  /** Data goes to the disk and comes back. */
  works(): void {
    const data = Uint8Array.from({ length: 8 * SECTOR_BYTES }, (_, index) => index % 251);
    this.disk.writeSectors(3, data);
    assert.deepEqual(this.disk.readSectors(3, 8), data);
  }

  recovers(): void {
    this.behave();
    this.checkMemory();
    this.disk.reset();
    this.disk.poll();
    this.works();
    this.reopens();
  }

  /** The disk, open at the moment, works after it was closed and opened. */
  reopens(): void {
    assert.equal(this.disk.close(), 0);
    this.open();
    this.works();
    assert.equal(this.disk.close(), 0);
    assert.equal(this.machine.lent.stackBytes, 0);
    this.checkMemory();
  }
}

export class CardGround extends Ground<EmulatedCard> {
  readonly network: TracedNetwork;
  private openCard: NetDevice | undefined;

  constructor(build: Build, net: Partial<NetDeviceOptions> = {}, options: MachineOptions = {}) {
    const network = new TracedNetwork();
    super(build, new EmulatedCard({ backend: network, ...net }), options);
    this.network = network;
  }

  /** The open card; the first use opens it. */
  get card(): NetDevice {
    this.openCard ??= this.open();
    return this.openCard;
  }

  open(options?: Partial<NetOptions>): NetDevice {
    this.openCard = this.stack.openNet(this.address, options);
    return this.openCard;
  }

  /** Frames go out and come in. */
  works(): void {
    const frame = frameOf(1, 400);
    this.network.takeSent();
    assert.ok(this.card.sendFrame(frame));
    this.wait();
    assert.deepEqual(this.network.takeSent(), frame);
    this.card.reclaim();
    this.network.arrive(frameOf(2, 333));
    this.wait();
    assert.deepEqual(this.card.receiveFrames().at(-1), frameOf(2, 333));
  }

  /** The device is broken: it says so once, and refuses work. Then it recovers. */
  isBrokenWith(message: number): void {
    const { card } = this;
    assert.throws(() => card.receive(), hasCode(Result.E_BROKEN));
    assert.equal(card.events() & Event.BROKEN, Event.BROKEN);
    assert.equal(card.events(), 0);
    assert.equal(this.machine.log.at(-1)?.message, message);
    assert.throws(() => card.receive(), hasCode(Result.E_BROKEN));
    assert.throws(() => card.transmit([]), hasCode(Result.E_BROKEN));
    this.recovers();
  }

  recovers(): void {
    this.behave();
    this.checkMemory();
    this.card.reset();
    this.card.reclaim();
    this.works();
    this.reopens();
  }

  /** The card, open at the moment, works after it was closed and opened. */
  reopens(): void {
    this.card.close();
    this.open();
    this.works();
    this.card.close();
    assert.equal(this.machine.lent.stackBytes, 0);
    this.checkMemory();
  }
}

/** For `assert.throws`: the call was refused with this result. */
export function hasCode(result: number): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof VirtioError, String(error));
    assert.equal(error.code, result, error.message);
    return true;
  };
}
