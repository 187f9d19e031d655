/** A release module on any kernel and any memory, called export by export, with records wherever a test puts them. */
import type { RecordLayout, VirtioExports } from "../../kernel-shim/javascript/abi.js";
import { readRecord, type RecordOf, writeRecord } from "../../kernel-shim/javascript/records.js";
import { noMmio } from "../../kernel-shim/javascript/no-mmio.js";
import type { Build, KernelImports } from "../../kernel-shim/machine.js";
import { moduleOf } from "../hostile/modules.js";

/** Where the module's own data begins, as `asconfig.json` says. */
export const MODULE_BASE = 65_536;

export class RawModule {
  readonly exports: VirtioExports;
  readonly view: DataView;
  /** Behind the module's own data. */
  readonly heapBase: number;

  /** @param memory what lies at the module's own data must be zero */
  constructor(
    readonly build: Build,
    kernel: KernelImports,
    readonly memory: WebAssembly.Memory,
  ) {
    const imports = { kernel: { ...noMmio, ...kernel } as unknown as WebAssembly.ModuleImports, env: { memory } };
    this.exports = new WebAssembly.Instance(moduleOf(build), imports).exports as unknown as VirtioExports;
    this.view = new DataView(memory.buffer);
    this.heapBase = this.exports.heap_base() >>> 0;
  }

  /** Writes an array of records at `pointer`; fields not named are 0. */
  write<Layout extends RecordLayout>(
    layout: Layout,
    pointer: number,
    ...records: readonly Partial<RecordOf<Layout>>[]
  ): void {
    records.forEach((record, index) => writeRecord(this.view, layout, pointer + index * layout.size, record));
  }

  read<Layout extends RecordLayout>(layout: Layout, pointer: number): RecordOf<Layout> {
    return readRecord(this.view, layout, pointer);
  }

  /** The bytes there, not a copy. */
  bytes(pointer: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, pointer, length);
  }
}
