/**
 * The last step towards a release module, which the AssemblyScript compiler does not do for modules whose memory it is
 * told to leave alone: it makes the distance of a field from its object part of the load or store.
 *
 * That is right only where no object lies at the lowest addresses, so that such a sum never wraps around; below
 * `memoryBase` there is nothing of ours, and no kernel has a record at address 0.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { compile, CompileError, type CompiledModule, type CompileOptions } from "./compile.js";

/** What the thread answers. */
interface Optimized {
  readonly isValid: boolean;
  readonly binary: Uint8Array;
  readonly text: string;
}

/** Started with the first module; it ends with the process. */
let thread: Worker | undefined;

/** Compiles one module for release; throws `CompileError`. One after the other: the compiler is not reentrant. */
export async function compileRelease(options: CompileOptions): Promise<CompiledModule> {
  // Names make the text worth reading; the binary goes without.
  const compiled = await compile({ ...options, options: [...(options.options ?? []), "--debug"] });
  const { isValid, binary, text } = await optimize(compiled.binary);
  if (!isValid) throw new CompileError("what binaryen made of the module is not valid");
  return { ...compiled, binary, text };
}

async function optimize(module: Uint8Array): Promise<Optimized> {
  // Without the options that this process was started with, which bring the loader.
  thread ??= new Worker(new URL("./binaryen.mjs", import.meta.url), { execArgv: [] });
  thread.ref();
  thread.postMessage(module);
  const [answer] = (await once(thread, "message")) as [Optimized];
  thread.unref();
  return answer;
}
