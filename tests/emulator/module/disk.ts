/** A disk on an emulated PC, opened by the bare module, and what tests of it have in common. */
import assert from "node:assert/strict";
import { BlockDevice, type BlockDeviceOptions } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { BlockOperation, Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { VIRTIO_F_EVENT_IDX } from "../../cases/features.js";
import { assertResult, HostedModule, type HostedModuleOptions, type Request } from "./hosted.js";

export const SECTOR_BYTES = 512;
const DISK_SECTORS = 512;
const BUFFER_SECTORS = 64;
const ALL_FEATURES = 0xffff_ffff_ffff_ffffn;

export interface HostedDiskOptions {
  machine?: HostedModuleOptions;
  disk?: Partial<BlockDeviceOptions>;
  /** False: the driver does without EVENT_IDX, where the device offers it. */
  eventIndex?: boolean;
  timeout_ns?: bigint;
}

export class HostedDisk {
  readonly module: HostedModule;
  readonly device: BlockDevice;
  readonly contents = new MemoryDisk(DISK_SECTORS * SECTOR_BYTES);
  /** Memory for so many sectors. */
  readonly buffer: number;
  handle: number;

  constructor(
    build: Build,
    private readonly options: HostedDiskOptions = {},
  ) {
    this.device = new BlockDevice({ backEnd: this.contents, ...options.disk });
    this.module = new HostedModule(build, { devices: [this.device], ...options.machine });
    this.buffer = this.module.pc.allocateBuffer(BUFFER_SECTORS * SECTOR_BYTES);
    this.handle = this.open();
    assert.ok(this.handle > 0, `block_open: ${this.handle}`);
  }

  open(): number {
    const { eventIndex = true, timeout_ns = 0n } = this.options;
    const features = eventIndex ? ALL_FEATURES : ALL_FEATURES & ~VIRTIO_F_EVENT_IDX;
    this.handle = this.module.openDisk(this.device, { features, timeout_ns });
    return this.handle;
  }

  /** Reads of one sector each, tokens from `first` on. */
  reads(count: number, first = 0): Request[] {
    return Array.from({ length: count }, (_, index) => ({
      token: BigInt(first + index),
      operation: BlockOperation.READ,
      sector: BigInt((first + index) % BUFFER_SECTORS),
      segments: [{ pointer: this.buffer + ((first + index) % BUFFER_SECTORS) * SECTOR_BYTES, length: SECTOR_BYTES }],
    }));
  }

  /** Submits so many reads, all of which are accepted. */
  submitReads(count: number, first = 0): void {
    assert.equal(this.module.submit(this.handle, this.reads(count, first)).count, count);
  }

  /** A sector comes from the disk, and no request was out before. */
  works(): void {
    this.contents.bytes.fill(0x5a, 7 * SECTOR_BYTES, 8 * SECTOR_BYTES);
    this.submitReads(1, 7);
    this.module.letDevicesWork();
    const { count, completions } = this.module.poll(this.handle, 4);
    assert.equal(count, 1);
    assert.deepEqual(completions, [{ token: 7n, result: Result.OK, length: SECTOR_BYTES }]);
    const read = this.module.pc.readBuffer(this.buffer + 7 * SECTOR_BYTES, SECTOR_BYTES);
    assert.deepEqual(read, new Uint8Array(SECTOR_BYTES).fill(0x5a));
  }

  /** These requests come back as E_RESET, each once, and then there is nothing more. */
  comeBackAsReset(tokens: readonly bigint[]): void {
    const { completions } = this.module.poll(this.handle, 300);
    assert.deepEqual(
      completions.map(({ token }) => token).sort((left, right) => Number(left - right)),
      [...tokens].sort((left, right) => Number(left - right)),
    );
    for (const { result, length } of completions) {
      assertResult(result, Result.E_RESET);
      assert.equal(length, 0);
    }
  }
}
