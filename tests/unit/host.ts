/**
 * What the unit tests import: the kernel interface of a machine, and functions to prepare and question that machine.
 *
 * Memory is 64 MiB. The tests' own code and data start at 32 MiB; below lies what the machine lends to devices. The
 * emulated PC answers, until a test plugs in the mock PCI bus with `pci_clear` or the scripted machine with
 * `script_clear`.
 */

import type { KernelImports, MmioImports } from "../../kernel-shim/machine.js";
import type { Build } from "../../tools/build/project.js";
import { MockPciBus } from "../mock-pci/bus.js";
import { ScriptedMachine } from "../scripted-machine/machine.js";
import { MockMachine } from "./mock-machine.js";

/** Pages of 64 KiB that the tests import, no more and no less. */
export const memoryPages = 1024;

/** A function of the import module `mock`. */
export type MockFunction = (...values: never[]) => number | bigint | undefined;

export interface UnitImports {
  readonly kernel: KernelImports & MmioImports;
  readonly mock: Readonly<Record<string, MockFunction>>;
}

/**
 * Makes what a spec imports.
 *
 * @param memory what the spec's own code runs in; in the mapped build it holds the memory of devices too
 */
export function createImports(memory: WebAssembly.Memory, build: Build): UnitImports {
  const machine = new MockMachine(memory, build);
  const bus = new MockPciBus();
  const script = new ScriptedMachine(memory, build);
  return {
    kernel: script.before(bus.before(machine.kernel)),
    mock: { ...machine.controls, ...bus.controls, ...script.controls },
  };
}
