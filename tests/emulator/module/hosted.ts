/**
 * The module on an emulated PC, without the binding: a test calls the exports as a kernel would, sees every port access
 * and every configuration write that a call makes, and may put a function of its own in the place of any import.
 */
import assert from "node:assert/strict";
import { EmulatedPc, type EmulatedPcOptions } from "../../../kernel-shim/emulated-pc/machine.js";
import { describeViolation } from "../../../kernel-shim/emulated-pc/violations.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import {
  BlockInformationLayout,
  BlockOptionsLayout,
  BlockRequestLayout,
  BlockStatisticsLayout,
  CompletionLayout,
  NetInformationLayout,
  NetOptionsLayout,
  NetStatisticsLayout,
  type PciRanges,
  PciRangesLayout,
  ReceivedBufferLayout,
  type RecordLayout,
  type RecordOf,
  Result,
  resultName,
  SegmentLayout,
  TransmitFrameLayout,
  type VirtioExports,
  readRecord,
  writeRecord,
} from "../../../kernel-shim/javascript/index.js";
import { noMmio } from "../../../kernel-shim/javascript/no-mmio.js";
import type { Build, KernelImports } from "../../../kernel-shim/machine.js";
import { moduleOf } from "../../hostile/modules.js";

export type Segment = RecordOf<typeof SegmentLayout>;
export type Completion = RecordOf<typeof CompletionLayout>;
export type ReceivedBuffer = RecordOf<typeof ReceivedBufferLayout>;

export interface Request {
  readonly token: bigint;
  readonly operation: number;
  readonly sector?: bigint;
  readonly segments?: readonly Segment[];
}

export interface Frame {
  readonly token: bigint;
  readonly segments: readonly Segment[];
  readonly header_room?: number;
}

export interface PortAccess {
  readonly direction: "in" | "out";
  readonly port: number;
  readonly width: number;
  readonly value: number;
}

export interface ConfigurationWrite {
  /** Of the function. */
  readonly address: number;
  readonly offset: number;
  readonly width: number;
  readonly value: number;
}

export interface HostedModuleOptions extends Omit<EmulatedPcOptions, "build"> {
  arenaBytes?: number;
}

/** The registers of configuration mechanism 1. */
export const CONFIGURATION_PORTS = { base: 0xcf8, end: 0xd00 } as const;
const CONFIGURATION_DATA = 0xcfc;
const BASE_ADDRESS_0 = 0x10;

const ARENA_BYTES = 256 * 1024;
const RECORD_BYTES = 64 * 1024;
const MEMORY_BYTES = 4 * 1024 * 1024;
const ALL_FEATURES = 0xffff_ffff_ffff_ffffn;

export class HostedModule {
  readonly pc: EmulatedPc;
  readonly exports: VirtioExports;
  readonly view: DataView;
  /** What the module's imports are; a test may replace any of them at any time. */
  readonly kernel: KernelImports;
  /** Since the last `watch`, those of configuration mechanism 1 included. */
  accesses: PortAccess[] = [];
  /** Since the last `watch`. */
  configurationWrites: ConfigurationWrite[] = [];
  /** Turns of waiting loops since the last `watch`. */
  turns = 0;
  private isWatched = false;
  private selected = 0;
  /** Where the first record of every call lies. */
  readonly records: number;
  private nextRecord = 0;

  constructor(
    readonly build: Build,
    options: HostedModuleOptions = {},
  ) {
    const { arenaBytes = ARENA_BYTES, ...machine } = options;
    this.pc = new EmulatedPc({ layout: "bare", memoryBytes: MEMORY_BYTES, completion: "deferred", ...machine, build });
    this.kernel = { ...this.pc.kernel };
    const { memory } = this.pc;
    const instance = new WebAssembly.Instance(moduleOf(build), {
      kernel: { ...noMmio, ...this.imports() },
      env: { memory },
    });
    this.exports = instance.exports as unknown as VirtioExports;
    this.view = new DataView(memory.buffer);
    this.pc.setHeapBase(this.exports.heap_base() >>> 0);
    this.records = this.pc.reservePrivate(RECORD_BYTES);
    this.pc.powerOn();
    for (const device of options.devices ?? []) this.grant(device);
    assertResult(this.exports.initialize(this.pc.reservePrivate(arenaBytes), arenaBytes), Result.OK);
  }

  // ---- what the module does to ports ----

  /** From now on port accesses, configuration writes and turns of waiting loops are kept. */
  watch(): void {
    this.isWatched = true;
    this.accesses = [];
    this.configurationWrites = [];
    this.turns = 0;
  }

  /** The accesses since `watch` that were none of configuration mechanism 1's. */
  get registerAccesses(): PortAccess[] {
    return this.accesses.filter(({ port }) => port < CONFIGURATION_PORTS.base || port >= CONFIGURATION_PORTS.end);
  }

  /** The ports of a device's registers, as its function says at the moment. */
  portsOf(device: VirtioDevice): { base: number; end: number } {
    const pciFunction = this.pc.functionOf(device);
    const bar = pciFunction.baseAddresses[0];
    assert.ok(bar !== undefined);
    const base = pciFunction.baseAddress(bar);
    return { base, end: base + bar.size };
  }

  grant(device: VirtioDevice): void {
    const { base, end } = this.portsOf(device);
    if (base !== 0) this.pc.grantPorts(base, end - base);
  }

  revoke(device: VirtioDevice): void {
    const { base, end } = this.portsOf(device);
    this.pc.revokePorts(base, end - base);
  }

  /** Writes base address register 0 as nobody but the function itself could. */
  pokeBaseAddress(device: VirtioDevice, value: number): void {
    const bytes = [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
    this.pc.functionOf(device).poke(BASE_ADDRESS_0, bytes);
  }

  // ---- devices, time, interrupts ----

  /** Lets the devices do all that they have to do. */
  letDevicesWork(): void {
    const { time } = this.pc;
    this.pc.relax();
    while (!time.isIdle) time.runNext();
  }

  get line(): readonly number[] {
    return this.pc.waitForInterrupt(0);
  }

  // ---- the exports that take records ----

  openDisk(device: VirtioDevice, options?: Partial<RecordOf<typeof BlockOptionsLayout>>): number {
    const given = options && { features: ALL_FEATURES, ...options };
    return this.exports.block_open(this.pc.addressOf(device), this.options(BlockOptionsLayout, given));
  }

  openCard(device: VirtioDevice, options?: Partial<RecordOf<typeof NetOptionsLayout>>): number {
    const given = options && { features: ALL_FEATURES, ...options };
    return this.exports.net_open(this.pc.addressOf(device), this.options(NetOptionsLayout, given));
  }

  blockInformation(handle: number): { result: number; record: RecordOf<typeof BlockInformationLayout> } {
    return this.record(BlockInformationLayout, (pointer) => this.exports.block_information(handle, pointer));
  }

  blockStatistics(handle: number): { result: number; record: RecordOf<typeof BlockStatisticsLayout> } {
    return this.record(BlockStatisticsLayout, (pointer) => this.exports.block_statistics(handle, pointer));
  }

  netInformation(handle: number): { result: number; record: RecordOf<typeof NetInformationLayout> } {
    return this.record(NetInformationLayout, (pointer) => this.exports.net_information(handle, pointer));
  }

  netStatistics(handle: number): { result: number; record: RecordOf<typeof NetStatisticsLayout> } {
    return this.record(NetStatisticsLayout, (pointer) => this.exports.net_statistics(handle, pointer));
  }

  /** `pci_assign`, with a record that is carried from call to call. */
  assign(ranges: PciRanges): { result: number; ranges: PciRanges } {
    this.nextRecord = 0;
    const pointer = this.write(PciRangesLayout, [ranges]);
    const result = this.exports.pci_assign(pointer);
    return { result, ranges: readRecord(this.view, PciRangesLayout, pointer) };
  }

  /** `block_submit`: what it returned, and the result written into each request. */
  submit(handle: number, requests: readonly Request[]): { count: number; results: number[] } {
    this.nextRecord = 0;
    const records = requests.map(({ segments = [], ...request }) => ({
      ...request,
      segments: this.write(SegmentLayout, segments),
      segment_count: segments.length,
      result: UNTOUCHED,
    }));
    const pointer = this.write(BlockRequestLayout, records);
    const count = this.exports.block_submit(handle, pointer, requests.length);
    return { count, results: this.read(BlockRequestLayout, pointer, requests.length).map(({ result }) => result) };
  }

  poll(handle: number, capacity: number): { count: number; completions: Completion[] } {
    return this.take(CompletionLayout, capacity, (pointer) => this.exports.block_poll(handle, pointer, capacity));
  }

  /** `net_transmit`: what it returned, and the result written into each frame. */
  transmit(handle: number, frames: readonly Frame[]): { count: number; results: number[] } {
    this.nextRecord = 0;
    const records = frames.map(({ segments, ...frame }) => ({
      ...frame,
      segments: this.write(SegmentLayout, segments),
      segment_count: segments.length,
      result: UNTOUCHED,
    }));
    const pointer = this.write(TransmitFrameLayout, records);
    const count = this.exports.net_transmit(handle, pointer, frames.length);
    return { count, results: this.read(TransmitFrameLayout, pointer, frames.length).map(({ result }) => result) };
  }

  reclaim(handle: number, capacity: number): { count: number; completions: Completion[] } {
    return this.take(CompletionLayout, capacity, (pointer) => this.exports.net_reclaim(handle, pointer, capacity));
  }

  receive(handle: number, capacity: number): { count: number; buffers: ReceivedBuffer[] } {
    const call = (pointer: number): number => this.exports.net_receive(handle, pointer, capacity);
    const { count, completions: buffers } = this.take(ReceivedBufferLayout, capacity, call);
    return { count, buffers };
  }

  release(handle: number, buffers: readonly number[]): number {
    this.nextRecord = 0;
    const pointer = this.room(4 * buffers.length);
    buffers.forEach((buffer, index) => this.view.setUint32(pointer + 4 * index, buffer, true));
    return this.exports.net_release(handle, pointer, buffers.length);
  }

  /** Fails when the machine or the stack had anything to complain of. */
  assertNoComplaints(): void {
    assert.deepEqual(this.pc.violations.map(describeViolation), [], "rules that the stack broke");
    assert.deepEqual(this.pc.log, [], "messages that the stack logged");
  }

  // ---- inner workings ----

  private imports(): WebAssembly.ModuleImports {
    const { kernel } = this;
    const read = (name: "in8" | "in16" | "in32", width: number) => (port: number) => {
      const value = kernel[name](port) >>> 0;
      if (this.isWatched) this.accesses.push({ direction: "in", port: port >>> 0, width, value });
      return value;
    };
    const write = (name: "out8" | "out16" | "out32", width: number) => (port: number, value: number) => {
      this.noteWrite(port >>> 0, width, value >>> 0);
      kernel[name](port, value);
    };
    return {
      in8: read("in8", 1),
      in16: read("in16", 2),
      in32: read("in32", 4),
      out8: write("out8", 1),
      out16: write("out16", 2),
      out32: write("out32", 4),
      dma_alloc: (pages: number) => kernel.dma_alloc(pages),
      dma_free: (pointer: number, pages: number) => kernel.dma_free(pointer, pages),
      dma_address: (pointer: number) => kernel.dma_address(pointer),
      wmb: () => kernel.wmb(),
      rmb: () => kernel.rmb(),
      mb: () => kernel.mb(),
      relax: () => {
        this.turns++;
        kernel.relax();
      },
      now_ns: () => kernel.now_ns(),
      log: (message: number, first: number, second: number) => kernel.log(message, first, second),
      phys_read8: (pointer: number) => kernel.phys_read8(pointer),
      phys_read16: (pointer: number) => kernel.phys_read16(pointer),
      phys_read32: (pointer: number) => kernel.phys_read32(pointer),
      phys_write8: (pointer: number, value: number) => kernel.phys_write8(pointer, value),
      phys_write16: (pointer: number, value: number) => kernel.phys_write16(pointer, value),
      phys_write32: (pointer: number, value: number) => kernel.phys_write32(pointer, value),
    };
  }

  private noteWrite(port: number, width: number, value: number): void {
    if (port === CONFIGURATION_PORTS.base) this.selected = value;
    if (!this.isWatched) return;
    this.accesses.push({ direction: "out", port, width, value });
    if (port < CONFIGURATION_DATA || port >= CONFIGURATION_PORTS.end) return;
    const offset = (this.selected & 0xfc) + port - CONFIGURATION_DATA;
    this.configurationWrites.push({ address: (this.selected >>> 8) & 0xffff, offset, width, value });
  }

  /** Room for records that is good until the next call of an export. */
  private room(bytes: number): number {
    const pointer = this.records + this.nextRecord;
    this.nextRecord += Math.ceil(bytes / 8) * 8;
    assert.ok(this.nextRecord <= RECORD_BYTES, "the call has more records than there is room for");
    return pointer;
  }

  private write<Layout extends RecordLayout>(layout: Layout, records: readonly Partial<RecordOf<Layout>>[]): number {
    const pointer = this.room(layout.size * records.length);
    records.forEach((record, index) => writeRecord(this.view, layout, pointer + index * layout.size, record));
    return pointer;
  }

  private read<Layout extends RecordLayout>(layout: Layout, pointer: number, count: number): RecordOf<Layout>[] {
    return Array.from({ length: count }, (_, index) => readRecord(this.view, layout, pointer + index * layout.size));
  }

  private options<Layout extends RecordLayout>(layout: Layout, options?: Partial<RecordOf<Layout>>): number {
    this.nextRecord = 0;
    return options === undefined ? 0 : this.write(layout, [options]);
  }

  private record<Layout extends RecordLayout>(
    layout: Layout,
    call: (pointer: number) => number,
  ): { result: number; record: RecordOf<Layout> } {
    this.nextRecord = 0;
    const pointer = this.write(layout, [{}]);
    const result = call(pointer);
    return { result, record: readRecord(this.view, layout, pointer) };
  }

  private take<Layout extends RecordLayout>(
    layout: Layout,
    capacity: number,
    call: (pointer: number) => number,
  ): { count: number; completions: RecordOf<Layout>[] } {
    this.nextRecord = 0;
    const pointer = this.room(layout.size * capacity);
    const count = call(pointer);
    return { count, completions: this.read(layout, pointer, Math.max(count, 0)) };
  }
}

/** What stands in a request's result before the stack writes there. */
const UNTOUCHED = 0x5555_5555;

/** Compares a result by name, so that a failure says what it means. */
export function assertResult(actual: number, expected: number, message?: string): void {
  assert.equal(resultName(actual), resultName(expected), message);
}
