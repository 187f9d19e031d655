/** Starts v86 as the installed package `v86` has it. Node only. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { V86 } from "v86";
import { startEmulator, type Emulator, type EmulatorOptions } from "./emulator.js";

/** `debug` checks what a driver does, widths of accesses for example, and throws when an assertion fails. */
export type V86Build = "release" | "debug";

const FILES: Record<V86Build, { readonly script: string; readonly wasm: string }> = {
  release: { script: "v86/build/libv86.mjs", wasm: "v86/build/v86.wasm" },
  debug: { script: "v86/build/libv86-debug.mjs", wasm: "v86/build/v86-debug.wasm" },
};

const { resolve } = createRequire(import.meta.url);
const compiled = new Map<V86Build, Promise<WebAssembly.Module>>();

function compile(build: V86Build): Promise<WebAssembly.Module> {
  let module = compiled.get(build);
  if (module === undefined) {
    module = WebAssembly.compile(readFileSync(resolve(FILES[build].wasm)));
    compiled.set(build, module);
  }
  return module;
}

/** As `startEmulator`, with the installed package, in its release build unless told otherwise. */
export async function loadEmulator(
  options: Omit<EmulatorOptions, "V86" | "wasm"> = {},
  build: V86Build = "release",
): Promise<Emulator> {
  const script = (await import(FILES[build].script)) as { readonly V86: typeof V86 };
  return startEmulator({ ...options, V86: script.V86, wasm: await compile(build) });
}
