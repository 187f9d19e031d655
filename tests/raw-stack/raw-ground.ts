/**
 * The ground of tests that choose where everything lies and what the kernel says: a machine with one device, a kernel
 * that lies when it is told to, and a raw module with its private memory and records anywhere in linear memory.
 */
import assert from "node:assert/strict";
import { HostileMachine } from "../../kernel-shim/emulated-pc/hostile/hostile-machine.js";
import { Mutations, rarityOf } from "../../kernel-shim/emulated-pc/hostile/mutations.js";
import type { EmulatedPcOptions } from "../../kernel-shim/emulated-pc/machine.js";
import { COMMAND_BUS_MASTER } from "../../kernel-shim/emulated-pc/pci/registers.js";
import { describeViolation } from "../../kernel-shim/emulated-pc/violations.js";
import type { VirtioDevice } from "../../kernel-shim/emulated-pc/virtio/device.js";
import { Result } from "../../kernel-shim/javascript/abi.js";
import type { Build, KernelImports } from "../../kernel-shim/machine.js";
import { Canaries } from "./canaries.js";
import { LyingKernel } from "./lying-kernel.js";
import { MODULE_BASE, RawModule } from "./raw-module.js";

const MEMORY_BYTES = 4 * 1024 * 1024;
const ARENA_BYTES = 160 * 1024;
const RECORD_BYTES = 64 * 1024;
const GUARD_BYTES = 4096;
const PORTS = 128;

export interface RawGroundOptions {
  readonly build: Build;
  /** Of the emulated PC; `deferred` completion unless given. */
  readonly machine?: Pick<EmulatedPcOptions, "completion" | "profile" | "memoryBytes" | "memory">;
  /** The module's memory, in the ported build; in the mapped build it is the machine's. */
  readonly linear?: WebAssembly.Memory;
  /** The module's private memory; without, it gets some behind its data. */
  readonly arena?: { readonly start: number; readonly bytes: number };
  /** Where the tests put records: room for 64 KiB in linear memory; without, behind the private memory. */
  readonly records?: number;
  /** Changes the honest kernel that the lying one stands on. */
  readonly wrap?: (honest: KernelImports) => KernelImports;
  /** What the kernel adds to the machine's pointers, where `wrap` does that. */
  readonly shift?: number;
}

export class RawGround {
  readonly machine: HostileMachine;
  readonly kernel: LyingKernel;
  readonly module: RawModule;
  readonly canaries: Canaries;
  /** What `initialize` returned. */
  readonly initialized: number;
  readonly address: number;
  readonly records: number;
  private readonly shift: number;
  private violationsSeen = 0;

  constructor(
    readonly device: VirtioDevice,
    options: RawGroundOptions,
  ) {
    const { build, wrap, arena, shift = 0 } = options;
    this.machine = new HostileMachine({
      build,
      devices: [device],
      mutations: new Mutations(0, rarityOf({})),
      memoryBytes: MEMORY_BYTES,
      layout: "bare",
      completion: "deferred",
      ...options.machine,
    });
    const { machine } = this;
    this.shift = shift;
    this.kernel = new LyingKernel(wrap?.(machine.kernel) ?? machine.kernel);
    this.module = new RawModule(build, this.kernel.imports, options.linear ?? machine.memory);
    this.canaries = new Canaries(this.module.memory);
    machine.setHeapBase(this.module.heapBase);
    let place = arena;
    if (place === undefined) {
      const before = machine.reservePrivate(GUARD_BYTES);
      place = { start: machine.reservePrivate(ARENA_BYTES), bytes: ARENA_BYTES };
      const behind = machine.reservePrivate(GUARD_BYTES);
      this.canaries.add(0, MODULE_BASE);
      this.canaries.add(before, place.start);
      this.canaries.add(behind, behind + GUARD_BYTES);
    }
    this.initialized = this.module.exports.initialize(place.start, place.bytes);
    this.records = options.records ?? machine.reservePrivate(RECORD_BYTES);
    this.address = machine.pc.addressOf(device);
    const bar = machine.pc.functionOf(device).read(0x10, 4);
    machine.grantPorts(bar - (bar % 4), PORTS);
  }

  /** Memory for the caller that devices reach, as the stack calls it. */
  allocate(bytes: number, options: { scattered?: boolean } = {}): number {
    return this.machine.allocateBuffer(bytes, options) + this.shift;
  }

  /** Takes back what `allocate` gave, and has the stack forget where it lay. */
  free(pointer: number): void {
    this.machine.freeBuffer(pointer - this.shift);
    this.module.exports.forget_translations();
  }

  readBuffer(pointer: number, length: number): Uint8Array {
    return this.machine.readBuffer(pointer - this.shift, length);
  }

  writeBuffer(pointer: number, bytes: Uint8Array): void {
    this.machine.writeBuffer(pointer - this.shift, bytes);
  }

  /** Time passes until the device has done all it was asked. */
  wait(): void {
    this.machine.letDevicesWork(50_000_000);
  }

  /** Whether the function can reach memory. */
  get reachesMemory(): boolean {
    return (this.machine.pc.functionOf(this.device).command & COMMAND_BUS_MASTER) !== 0;
  }

  /** The stack asked for nothing that it was not given, and wrote nowhere else; everything lent came back as it was. */
  check(): void {
    assert.deepEqual(this.machine.refusals, []);
    assert.deepEqual(this.machine.portRefusals, []);
    assert.deepEqual(this.kernel.wrongReturns, []);
    this.canaries.check();
  }

  /** The driver broke no rule of the specification's that the device can see. */
  checkViolations(): void {
    assert.deepEqual(this.takeViolations(), []);
  }

  /** What was recorded since the last call. */
  takeViolations(): string[] {
    const found = this.machine.pc.violations.slice(this.violationsSeen);
    this.violationsSeen += found.length;
    return found.map(describeViolation);
  }

  /** No device is open: it reaches no memory, and nothing is lent to the stack. */
  isLeftAlone(): void {
    assert.equal(this.reachesMemory, false, "a closed device is cut off");
    assert.deepEqual([...this.kernel.lent], [], "what was lent is given back");
    assert.equal(this.machine.lent.stackBytes, 0);
    this.check();
  }

  /** For calls that have to succeed. */
  ok(result: number): number {
    assert.ok(result >= 0, `the call returned ${result}`);
    return result;
  }

  close(): void {
    assert.equal(this.initialized, Result.OK);
    this.machine.close();
  }
}
