/**
 * The module on a hostile machine, called export by export, with every call checked: no trap, no more imports than
 * the call's bound, no access that was not granted, no memory changed that is not its own.
 */
import { type HostileMachine, TooManyImports } from "../../kernel-shim/emulated-pc/hostile/hostile-machine.js";
import type { RecordLayout, VirtioExports } from "../../kernel-shim/javascript/abi.js";
import { Result } from "../../kernel-shim/javascript/abi.js";
import { readRecord, type RecordOf, writeRecord } from "../../kernel-shim/javascript/records.js";
import type { InstrumentedModule } from "../../tools/fuzz/coverage/coverage.js";
import { expect, Finding } from "./finding.js";
import { moduleOf } from "./modules.js";
import { CallRecords, GuardedMemory } from "./oracles.js";

/** Where the module's own data begins. */
const MODULE_BASE = 65_536;
const ARENA_BYTES = 160 * 1024;
const RECORD_BYTES = 32 * 1024;
/** Between what the module may write. */
const GUARD_BYTES = 4096;

/** The exports that lend memory or give it back. */
const MOVES_MEMORY = /open|close|reset|reclaim|release|poll/;
/** The exports that have to do with what the caller lent. */
const MOVES_DATA = /open|close|reset|reclaim|release|poll|submit|request|transmit|receive|pci/;

/** The exports that return a result. */
export type CheckedCall = Exclude<keyof VirtioExports, "forget_translations">;

export interface HostedModuleOptions {
  /** Where the machine lends pages from, in linear memory; only in the mapped build. */
  pool?: { start: number; end: number };
  /** Checks memory after every call, instead of after those that have to do with it. */
  isThorough?: boolean;
  /** Runs this module, in place of the one that the build made. */
  instrumented?: InstrumentedModule;
}

export class HostedModule {
  readonly view: DataView;
  readonly records: CallRecords;
  /** The exports that were called so far. */
  readonly called = new Set<string>();
  private readonly exports: VirtioExports;
  /** The same, for calls by name. */
  private readonly callables: Record<CheckedCall, (...parameters: (number | bigint)[]) => number>;
  private readonly guard: GuardedMemory;
  /** Where the next call may write in memory of the caller's. */
  private readonly writable: { pointer: number; length: number }[] = [];

  constructor(
    readonly machine: HostileMachine,
    private readonly options: HostedModuleOptions = {},
  ) {
    const { memory } = machine;
    const kernel = machine.kernel as unknown as WebAssembly.ModuleImports;
    const { module = moduleOf(machine.build), imports } = options.instrumented ?? {};
    const instance = new WebAssembly.Instance(module, { kernel, env: { memory }, ...imports });
    this.exports = instance.exports as unknown as VirtioExports;
    this.callables = instance.exports as unknown as typeof this.callables;
    this.view = new DataView(memory.buffer);
    this.guard = new GuardedMemory(machine);
    const heapBase = this.exports.heap_base() >>> 0;
    machine.setHeapBase(heapBase);
    const before = machine.reservePrivate(GUARD_BYTES);
    const arena = machine.reservePrivate(ARENA_BYTES);
    const between = machine.reservePrivate(GUARD_BYTES);
    const records = machine.reservePrivate(RECORD_BYTES);
    const behind = machine.reservePrivate(GUARD_BYTES);
    this.guard.add(0, MODULE_BASE);
    this.guard.add(before, arena);
    this.guard.add(between, records);
    this.guard.add(behind, options.pool?.start ?? memory.buffer.byteLength);
    if (options.pool !== undefined) this.guard.addPool(options.pool.start, options.pool.end);
    // Private memory is whatever it was before; the stack must not rely on zeros.
    Buffer.from(memory.buffer, arena, ARENA_BYTES).fill(0xc3);
    this.records = new CallRecords(memory, records, records + RECORD_BYTES);
    expect(this.exports.initialize(arena, ARENA_BYTES) === Result.OK, "initialize", () => "refused");
  }

  /**
   * Calls an export.
   *
   * @param bound the most imports that the call may make
   */
  call(name: CheckedCall, bound: number, ...parameters: (number | bigint)[]): number {
    const { machine } = this;
    this.called.add(name);
    machine.act();
    machine.importLimit = machine.imports + bound;
    const portRefusals = machine.portRefusals.length;
    let result: number;
    try {
      result = this.callables[name](...parameters);
    } catch (error) {
      throw explain(name, error);
    } finally {
      machine.importLimit = Infinity;
    }
    if (name.startsWith("pci_")) {
      const port = machine.portRefusals[portRefusals];
      expect(port === undefined, "an enumeration reaches the ports of configuration space", () => `${name}: ${port}`);
    }
    const portRefusal = machine.isDeceivedAboutPci ? undefined : machine.portRefusals[0];
    const refusal = machine.refusals[0] ?? machine.registerRefusals[0] ?? portRefusal;
    expect(refusal === undefined, "the stack reaches only what it was granted", () => `${name}: ${refusal}`);
    this.records.check();
    const { isThorough = false } = this.options;
    // What changed stays so; a thorough run finds the call.
    if (isThorough || MOVES_DATA.test(name)) this.checkLentMemory(name);
    if (isThorough || MOVES_MEMORY.test(name)) this.guard.check();
    return result;
  }

  /** As `call`, for a call that fills one record: returns it with the result. Bytes beside it must not change. */
  callForRecord<Layout extends RecordLayout>(
    name: CheckedCall,
    bound: number,
    parameter: number,
    layout: Layout,
  ): { result: number; record: RecordOf<Layout> } {
    const pointer = this.records.take(layout.size);
    this.records.pass(pointer, layout.size, () => true);
    const result = this.call(name, bound, parameter, pointer);
    const record = readRecord(this.view, layout, pointer);
    this.records.reset();
    return { result, record };
  }

  /** Writes records that the call only reads, but for the fields named. Returns the array's address. */
  pass<Layout extends RecordLayout>(
    layout: Layout,
    records: readonly Partial<RecordOf<Layout>>[],
    ...written: readonly (keyof Layout["fields"] & string)[]
  ): number {
    const bytes = layout.size * records.length;
    const pointer = this.records.take(bytes);
    records.forEach((record, index) => writeRecord(this.view, layout, pointer + index * layout.size, record));
    const fields = written.map((name) => layout.fields[name]).filter((field) => field !== undefined);
    this.records.pass(pointer, bytes, (offset) => {
      const within = offset % layout.size;
      return fields.some((field) => within >= field.offset && within < field.offset + 4);
    });
    return pointer;
  }

  /** Says that the next call may write to this memory, which the caller lent. */
  lendRoom(pointer: number, length: number): void {
    this.writable.push({ pointer, length });
  }

  /** Makes room for an array that the call fills. */
  passRoom(layout: RecordLayout, count: number): number {
    const bytes = layout.size * count;
    const pointer = this.records.take(bytes);
    this.records.pass(pointer, bytes, () => true);
    return pointer;
  }

  /** Forgets what devices were told of memory, as a kernel that takes some back does. */
  forgetTranslations(): void {
    this.called.add("forget_translations");
    this.exports.forget_translations();
  }

  /** What the caller lent, and what it was given, is written by devices and the caller alone. */
  private checkLentMemory(name: string): void {
    const { machine } = this;
    for (const { pointer, length } of this.writable) machine.accept(pointer, length);
    this.writable.length = 0;
    for (const { pointer, length } of machine.lent.ofCaller()) {
      const changed = machine.changedByStack(pointer, length);
      expect(
        changed < 0,
        "the stack writes nothing to memory that is the caller's",
        () => `${name}: at 0x${changed.toString(16)}`,
      );
    }
  }

  /** Checks all of memory. */
  checkMemory(): void {
    this.guard.check();
  }
}

function explain(name: string, error: unknown): unknown {
  if (error instanceof TooManyImports)
    return new Finding("a call makes a bounded number of imports", `${name}: ${error.message}`);
  if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) {
    return new Finding("no trap", `${name}: ${error.message}\n${error.stack ?? ""}`);
  }
  return error;
}

/** A result that the call's description names; anything of 0 and above is one. */
export function expectResult(name: string, result: number, allowed: readonly number[]): void {
  expect(
    result >= 0 || allowed.includes(result),
    "a call returns what its description names",
    () => `${name}: ${result}`,
  );
}
