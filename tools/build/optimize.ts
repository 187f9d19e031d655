/**
 * The last step towards a release module, which the AssemblyScript compiler does not do for modules whose memory it is
 * told to leave alone: it makes the distance of a field from its object part of the load or store.
 *
 * That is right only where no object lies at the lowest addresses, so that such a sum never wraps around; below
 * `memoryBase` there is nothing of ours, and no kernel has a record at address 0.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { onSignal } from "../command/cleanup.js";
import { compile, CompileError, type CompiledModule, type CompileOptions } from "./compile.js";

/** What the process prints. */
interface Optimized {
  /** In base64. */
  readonly binary: string;
  readonly text: string;
}

/** Compiles one module for release; throws `CompileError`. */
export async function compileRelease(options: CompileOptions): Promise<CompiledModule> {
  // Names make the text worth reading; the binary goes without.
  const compiled = await compile({ ...options, options: [...(options.options ?? []), "--debug"] });
  return { ...compiled, ...(await optimize(compiled.binary)) };
}

async function optimize(module: Uint8Array): Promise<Pick<CompiledModule, "binary" | "text">> {
  const script = join(import.meta.dirname, "binaryen.mjs");
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const forget = onSignal(() => child.kill());
  try {
    child.stdin.end(module);
    const [printed, [status]] = await Promise.all([
      text(child.stdout),
      once(child, "close") as Promise<[number | null]>,
    ]);
    if (status !== 0) throw new CompileError("binaryen could not make a valid module");
    const optimized = JSON.parse(printed) as Optimized;
    return { binary: Buffer.from(optimized.binary, "base64"), text: optimized.text };
  } finally {
    forget();
  }
}
