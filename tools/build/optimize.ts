/**
 * The last step towards a release module, which the AssemblyScript compiler does not do for modules whose memory it is
 * told to leave alone: it makes the distance of a field from its object part of the load or store.
 *
 * That is right only where no object lies at the lowest addresses, so that such a sum never wraps around; below
 * `memoryBase` there is nothing of ours, and no kernel has a record at address 0.
 */

import binaryen from "binaryen";
import { compile, CompileError, type CompiledModule, type CompileOptions } from "./compile.js";

/** What wasm-opt calls -Os. */
const optimizeLevel = 2;
const shrinkLevel = 1;

/** Compiles one module for release; throws `CompileError`. */
export async function compileRelease(options: CompileOptions): Promise<CompiledModule> {
  // Names make the text worth reading; the binary goes without.
  const compiled = await compile({ ...options, options: [...(options.options ?? []), "--debug"] });
  const module = binaryen.readBinary(compiled.binary);
  try {
    module.setFeatures(binaryen.Features.MVP | binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt);
    binaryen.setOptimizeLevel(optimizeLevel);
    binaryen.setShrinkLevel(shrinkLevel);
    binaryen.setLowMemoryUnused(true);
    module.optimize();
    if (!module.validate()) throw new CompileError("what binaryen made of the module is not valid");
    return { ...compiled, binary: module.emitBinary(), text: module.emitText() };
  } finally {
    module.dispose();
  }
}
