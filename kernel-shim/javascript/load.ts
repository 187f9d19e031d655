/** Loads the stack that `npm run build` put into `build/`, as the machine needs it. Node only. */

import { readFileSync } from "node:fs";
import type { Build, Machine } from "../machine.js";
import type { StackOptions } from "./stack.js";
import { VirtioStack } from "./stack.js";

const FILES: Record<Build, URL> = {
  mapped: new URL("../../build/virtio.wasm", import.meta.url),
  ported: new URL("../../build/virtio-ported.wasm", import.meta.url),
};

const compiled = new Map<Build, WebAssembly.Module>();

/**
 * Puts the stack on a machine: instantiates the module, gives it private memory and initialises it. Any number of
 * machines can have one at the same time.
 *
 * `wasm` replaces the built module, which has every driver and transport, by other bytes or an already compiled one; it must
 * be the build that `machine.build` names. Opening a device whose driver it is made without throws.
 */
export function loadStack(
  machine: Machine,
  wasm?: ArrayBuffer | Uint8Array<ArrayBuffer> | WebAssembly.Module,
  options?: StackOptions,
): VirtioStack {
  if (wasm === undefined) {
    return new VirtioStack(machine, builtModule(machine.build), options);
  }
  return new VirtioStack(machine, wasm instanceof WebAssembly.Module ? wasm : new WebAssembly.Module(wasm), options);
}

function builtModule(build: Build): WebAssembly.Module {
  let module = compiled.get(build);
  if (module === undefined) {
    module = new WebAssembly.Module(readFileSync(FILES[build]));
    compiled.set(build, module);
  }
  return module;
}
