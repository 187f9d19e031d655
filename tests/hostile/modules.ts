/** The modules that these tests run: those in `build/`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Build } from "../../kernel-shim/machine.js";
import { outputFolder } from "../../tools/build/project.js";

const files: Record<Build, string> = { mapped: "virtio.wasm", ported: "virtio-ported.wasm" };
export const builds: readonly Build[] = ["mapped", "ported"];

const compiled = new Map<Build, WebAssembly.Module>();

export function moduleOf(build: Build): WebAssembly.Module {
  let module = compiled.get(build);
  if (module === undefined) {
    module = new WebAssembly.Module(readFileSync(join(outputFolder, files[build])));
    compiled.set(build, module);
  }
  return module;
}
